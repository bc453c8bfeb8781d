"""Symmetries survive JSON, and damaged data are refused in one line."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.algebra import Reason, Rep, Space, Symmetry
from isthmus.algebra.groups import (
    Character,
    GeneralLinear,
    Group,
    Monomial,
    Motion,
    Permutation,
    Wreath,
)
from isthmus.algebra.spaces import Factor, Sum
from isthmus.ground import BadInput, IsthmusError

NAMES = st.one_of(
    st.sampled_from(["up", "0", "12", "a.b", "scalar", "-", "a b", "x:y", "`", "p ⊗ q", "größe"]),
    st.text(min_size=1, max_size=6),
)
REASONS = st.builds(
    Reason,
    st.text(max_size=5),
    st.frozensets(st.sampled_from(Motion)),
    st.text(max_size=5),
    st.text(max_size=5),
    st.text(max_size=5),
)


def there_and_back(symmetry: Symmetry) -> Symmetry:
    return Symmetry.from_json(json.loads(json.dumps(symmetry.to_json(), allow_nan=False)))


def same(one: Symmetry, other: Symmetry) -> bool:
    """Equal in everything, also in what `==` leaves out."""
    told = [[space.why for space in s.spaces.values()] for s in (one, other)]
    order = [(list(s.spaces), list(s.reps)) for s in (one, other)]
    return one == other and told[0] == told[1] and order[0] == order[1] and (
        dict(one.pinned) == dict(other.pinned)
    )  # fmt: skip


@st.composite
def symmetries(draw, groups):
    """Spaces with any groups and names, reps of products and sums of them."""
    spaces: dict[str, Space] = {}
    for name in draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        group = draw(st.sampled_from(groups))
        why = tuple(draw(st.lists(REASONS, max_size=2)))
        spaces[name] = Space(name, group.size, group, (), why)

    def factor():
        name = draw(st.sampled_from([None, *spaces]))
        if name is None:
            return Factor(draw(st.integers(1, 3)))
        natural = spaces[name].group.natural
        scales = tuple(draw(st.integers(-2, 2)) for _ in natural.scales)
        flips = tuple(draw(st.integers(0, 1)) for _ in natural.flips)
        return Factor(spaces[name].size, name, Character(draw(st.booleans()), scales, flips))

    def axis():
        if draw(st.booleans()):
            return (factor(),)
        return (Sum(((factor(),), (factor(),))),)

    reps, pinned = {}, {}
    for number in range(draw(st.integers(1, 4))):
        axes = [axis() for _ in range(draw(st.integers(0, 2)))]
        reps[f"p.{number}"] = Rep.of(axes, draw(st.sampled_from([0.0, 1e-5, -0.5])))
        pinned[f"p.{number}"] = tuple(tuple(draw(st.lists(REASONS, max_size=2))) for _ in axes)
    aliases = {"tied": "p.0"} if draw(st.booleans()) else {}
    return Symmetry(spaces, reps, aliases, tuple(draw(st.lists(st.text(), max_size=2))), pinned)


@settings(max_examples=150)
@given(data=st.data())
def test_it_comes_back_equal_and_acts_the_same(tools, data):
    symmetry = data.draw(symmetries(tools.instances))
    back = there_and_back(symmetry)
    assert same(back, symmetry)
    if any(len(rep.spaces) != len(_factors(rep)) for rep in symmetry.reps.values()):
        return  # one space twice in a block is no action; only the data are tested
    rng = tools.rng(0)
    params = {
        name: torch.randn(rep.shape, generator=rng, dtype=torch.float64)
        for name, rep in symmetry.reps.items()
    }
    one, other = (s.act(s.sample(1), params) for s in (symmetry, back))
    assert all(torch.equal(one[name], other[name]) for name in params)


def _factors(rep: Rep) -> list[str]:
    blocks = rep.blocks
    return [f.space for f in blocks[0].factors if f.space] if len(blocks) == 1 else list(rep.spaces)


def test_every_group_comes_back(group: Group):
    spaces = {"x": Space("x", group.size, group)}
    back = there_and_back(Symmetry(spaces, {"w": Rep.parse("x ⊗ 2", spaces)}))
    assert back.spaces["x"].group == group
    assert type(back.spaces["x"].group) is type(group)


def test_indexed_spaces_choices_and_absorbed_constants_come_back():
    spaces = {
        "head": Space("head", 2, Permutation(2)),
        "key": Space("key", 3, GeneralLinear(3), ("head",)),
        "unit": Space("unit", 4, Wreath(Monomial(2, flips=1), 2)),
    }
    texts = {
        "w": "a:(2 + 3) ⊗ (head key) ⊗ a:{unit | 4}",
        "b": "unit^(a2;) - 1e-05 & 0.5 Σ w",
        "steps": "scalar",
    }
    reps = {name: Rep.parse(text, spaces) for name, text in texts.items()}
    symmetry = Symmetry(spaces, reps)
    assert same(there_and_back(symmetry), symmetry)
    assert there_and_back(symmetry).to_json() == symmetry.to_json()


def good() -> dict:
    spaces = {"h": Space("h", 3, Permutation(3), (), (Reason("gelu"),))}
    reps = {"w": Rep.parse("h ⊗ 2", spaces)}
    pinned = {"w": ((), (Reason("the input x", frozenset(Motion)),))}
    return Symmetry(spaces, reps, {"v": "w"}, ("careful",), pinned).to_json()


REMEDY = "give what Symmetry.to_json wrote, or `isthmus discover --json`"
BAD = [
    ((), [1], f"the data: found list, expected an object; {REMEDY}"),
    (("spaces",), None, f"the data has no 'spaces'; {REMEDY}"),
    (("reps",), 3, f"reps: found int, expected an object; {REMEDY}"),
    (("spaces", "h", "size"), 4, f"the space 'h' has size 4, its group S(3) acts on 3; {REMEDY}"),
    (
        ("spaces", "h", "definition", "class"),
        "Permutaton",
        "the space 'h' has a group of the unknown class 'Permutaton'; did you mean 'Permutation'?",
    ),
    (
        ("spaces", "h", "definition", "size"),
        "3",
        f"the space 'h' has a group with size '3'; {REMEDY}",
    ),
    (
        ("spaces", "h", "definition", "size"),
        -3,
        f"the space 'h' has a group with size -3; {REMEDY}",
    ),
    (
        ("spaces", "h", "definition"),
        {"class": "Wreath", "inner": 3, "blocks": 2},
        f"the group of the space 'h': found int, expected an object; {REMEDY}",
    ),
    (
        ("spaces", "h", "over"),
        ["g"],
        f"the space 'h' is over 'g', which is not a space before it; {REMEDY}",
    ),
    (
        ("spaces", "h", "why", 0, "lost"),
        ["turn"],
        (
            "the space 'h' lost 'turn', which is no motion; "
            "use permutation, sign, scale, rotation, shear, shift"
        ),
    ),
    (
        ("reps", "w"),
        "k ⊗ 2",
        "the rep of w: unknown space 'k' in a rep; known spaces: h",
    ),
    (("reps", "w"), 7, f"the rep of w: found int, expected text; {REMEDY}"),
    (
        ("reps", "w"),
        "h & 0.5 Σ u",
        f"the rep of w sums 'u', which has no rep; {REMEDY}",
    ),
    (("aliases", "v"), "u", f"the alias 'v' stands for 'u', which has no rep; {REMEDY}"),
    (("warnings",), "careful", f"warnings: found str, expected a list; {REMEDY}"),
    (("pinned", "w"), [[]], f"pinned of w has 1 axes, which its rep has not; {REMEDY}"),
]


@pytest.mark.parametrize(("path", "value", "message"), BAD)
def test_damaged_data_are_refused(path, value, message):
    data = copy.deepcopy(good())
    if not path:
        data = value
    else:
        place = data
        for key in path[:-1]:
            place = place[key]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value
    with pytest.raises(BadInput) as caught:
        Symmetry.from_json(data)
    assert str(caught.value) == message


JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 9), st.text(max_size=4)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@settings(max_examples=300)
@given(data=st.data())
def test_whatever_is_put_in_the_answer_is_a_symmetry_or_one_line(data):
    """One value of good data is replaced by anything: never another exception."""
    damaged = good()
    place = damaged
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        if isinstance(place[key], (dict, list)) and data.draw(st.booleans()):
            place = place[key]
            continue
        place[key] = data.draw(JUNK)
        break
    try:
        made = Symmetry.from_json(damaged)
    except IsthmusError as error:
        said = str(error)
    else:
        said = str(type(made).__name__)
    assert "\n" not in said
