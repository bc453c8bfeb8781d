"""Reps print and parse, and mean what they say."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.algebra import Rep, Space
from isthmus.algebra.groups import (
    Character,
    GeneralLinear,
    Monomial,
    Permutation,
    PositiveScaling,
    SignedPermutation,
    Wreath,
)
from isthmus.algebra.notation import quoted
from isthmus.algebra.reps import axis_size
from isthmus.algebra.spaces import Choice, Factor, Sum
from isthmus.ground import BadInput

SPACES = {
    space.name: space
    for space in (
        Space("stem", 3, Permutation(3)),
        Space("block.up", 2, Monomial(2)),
        Space("0.weight", 2, Monomial(2, scales=2, flips=1)),
        Space("größe-1", 2, SignedPermutation(2, flips=2)),
        Space("key", 2, GeneralLinear(2)),
        Space("p", 1, PositiveScaling(1, scales=3)),
        Space("w", 4, Wreath(Monomial(2, flips=1), 2)),
        Space("0", 2, Monomial(2)),
        Space("2", 3, Permutation(3)),
        Space("a ⊗ b - c & `d:(", 2, Permutation(2)),
        Space("scalar", 2, Permutation(2)),
    )
}


@st.composite
def factors(draw):
    """A fixed size, or a space with any character of its group."""
    name = draw(st.sampled_from([None, *SPACES]))
    if name is None:
        return Factor(draw(st.integers(1, 12)))
    natural = SPACES[name].group.natural
    if draw(st.booleans()):
        character = draw(st.sampled_from([natural, natural.inverse()]))
    else:
        scales = tuple(draw(st.integers(-3, 3)) for _ in natural.scales)
        flips = tuple(draw(st.integers(0, 1)) for _ in natural.flips)
        character = Character(draw(st.booleans()), scales, flips)
    return Factor(SPACES[name].size, name, character)


def axes(terms):
    return st.lists(terms, max_size=3).map(tuple)


def compound(terms):
    labels = st.sampled_from(["a", "b"])
    parts = st.lists(axes(terms), min_size=2, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Sum, parts), st.builds(Sum, parts, labels), st.builds(Choice, parts, labels)
    )


terms = st.recursive(factors(), compound, max_leaves=5)
offsets = st.one_of(st.just(0.0), st.floats(allow_nan=False, allow_infinity=False))


@given(axes=st.lists(axes(terms), max_size=4).map(tuple), offset=offsets)
def test_parsing_undoes_printing(axes, offset):
    rep = Rep.of(axes, offset)
    assert Rep.parse(rep.text(SPACES), SPACES) == rep


@given(
    axes=st.lists(
        axes(
            st.one_of(
                factors(),
                st.builds(Sum, st.lists(axes(factors()), min_size=2, max_size=3).map(tuple)),
            )
        ),
        min_size=1,
        max_size=3,
    ).map(tuple)
)
def test_blocks_tile_the_parameter(axes):
    rep = Rep.of(axes)
    if math.prod(rep.shape) > 3000:
        return
    seen = torch.zeros(rep.shape)
    numbers = torch.arange(math.prod(rep.shape)).reshape(rep.shape)
    out = torch.full_like(numbers, -1)
    for block in rep.blocks:
        part = block.read(numbers)
        assert part.shape == block.shape
        block.write(out, part)
        block.write(seen, block.read(seen) + 1)
    assert bool((seen == 1).all())
    assert torch.equal(out, numbers)
    assert rep.shape == tuple(axis_size(axis) for axis in axes)


@pytest.mark.parametrize(
    ("text", "shape", "spaces"),
    [
        ("block.up ⊗ stem*", (2, 3), ("block.up", "stem")),
        ("(key* 4) ⊗ 5", (8, 5), ("key",)),
        ("block.up^(a2;) - 1e-05", (2,), ("block.up",)),
        ("key* ⊗ (stem 4 4)", (2, 48), ("key", "stem")),
        ("(key + key* + 1)", (5,), ("key",)),
        ("a:(1 + 1) ⊗ a:{key | 2}", (2, 2), ("key",)),
        ("0.weight^(a;a)", (2,), ("0.weight",)),
        ("0.weight*^(b3;)", (2,), ("0.weight",)),
        ("1", (1,), ()),
        ("scalar", (), ()),
        ("(0.weight^(a2 b-1;) 2)", (4,), ("0.weight",)),
        ("0.weight^(;)", (2,), ("0.weight",)),
        ("scalar - 0.5", (), ()),
        ("`0` ⊗ 2", (2, 2), ("0",)),
        ("2 ⊗ 0*", (2, 2), ("0",)),
        ("(`2` + 1) ⊗ 0^(a2;)", (4, 2), ("2", "0")),
        ("`a ⊗ b - c & ``d:(`* - 0.5", (2,), ("a ⊗ b - c & `d:(",)),
        ("`scalar`", (2,), ("scalar",)),
    ],
)
def test_texts_and_what_they_say(text, shape, spaces):
    rep = Rep.parse(text, SPACES)
    assert rep.shape == shape
    assert rep.spaces == spaces
    assert rep.fixed == (not spaces)
    assert rep.text(SPACES) == text


def test_the_natural_and_the_dual_character_have_short_names():
    for name, space in SPACES.items():
        natural = space.group.natural
        shown = quoted(name)
        assert Rep.of([(Factor(space.size, name, natural),)]).text(SPACES) == shown
        assert Rep.of([(Factor(space.size, name, natural.inverse()),)]).text(SPACES) == (
            f"{name if name.isdigit() else shown}*"
        )


def test_only_names_that_read_as_something_else_are_quoted():
    assert [quoted(name) for name in ("block.up", "0.weight", "größe-1", "0", "scalar", "a b")] == [
        "block.up",
        "0.weight",
        "größe-1",
        "`0`",
        "`scalar`",
        "`a b`",
    ]


READ = "; write it as in `(head key*)`, `8`, or `(query + key)`"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kye", "unknown space 'kye' in a rep; known spaces: stem, block.up, 0.weight"),
        ("²", "unknown space '²' in a rep; known spaces: stem"),
        ("(key", f"cannot read the axis '(key' from ''{READ}"),
        ("key)", f"cannot read the axis 'key)' from ')'{READ}"),
        ("key**", f"cannot read the axis 'key**' from '*'{READ}"),
        ("key^2", f"cannot read the axis 'key^2' from '^2'{READ}"),
        ("a:{key | 2)", f"cannot read the axis 'a:{{key | 2)' from ')'{READ}"),
        ("block.up^(1;)", f"cannot read the axis 'block.up^(1;)' from 'block.up^(1;)'{READ}"),
        ("block.up^(b;)", f"cannot read the axis 'block.up^(b;)' from 'block.up^(b;)'{READ}"),
        (
            "2 block.up^(a;a)",
            f"cannot read the axis '2 block.up^(a;a)' from 'block.up^(a;a)'{READ}",
        ),
        ("key - x", "cannot read the offset 'x' of the rep 'key - x'"),
    ],
)
def test_texts_that_cannot_be_read(text, message):
    with pytest.raises(BadInput) as caught:
        Rep.parse(text, SPACES)
    assert str(caught.value).startswith(message)
