"""explain: every lost motion is somebody's, blocks are told once, pins name who set them."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from isthmus import explain
from isthmus.algebra import Symmetry
from isthmus.algebra.groups import (
    GeneralLinear,
    Group,
    Monomial,
    Motion,
    Orthogonal,
    Permutation,
    PositiveScaling,
    SignedPermutation,
    Trivial,
    Wreath,
)
from isthmus.discovery import discover
from isthmus.discovery.explain import next_larger
from isthmus.ground import UnknownName
from isthmus.testing.zoo import Entry, entry, zoo


class Two(nn.Module):
    """Two layers, and what stands between them."""

    def __init__(self, between: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.a, self.h, self.between = nn.Linear(6, 8), nn.Linear(8, 4), between

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 6) to (n, 4)."""
        x = self.a(x)
        x = self.between(x)
        return self.h(x)


def test_a_space_says_who_what_is_left_and_what_more_would_need() -> None:
    lines = explain(discover(Two(F.gelu), torch.zeros(2, 6)), "a").splitlines()
    assert lines[:4] == [
        "S(8)[a]: 8 coordinates",
        "  acts on a.weight : a ⊗ 6",
        "  acts on a.bias : a",
        "  acts on h.weight : 4 ⊗ a*",
    ]
    assert lines[4].startswith("  gelu (test_explain.py:")
    assert lines[4].endswith("): no sign, scale, rotation, shear")
    assert lines[5] == "      x = self.between(x)"
    assert lines[6] == "  left: permutation"
    who = lines[4].strip().partition(":")[0] + ":" + lines[4].partition(":")[2].partition(":")[0]
    assert lines[7:] == [
        f"  B(8) would need sign: forbidden by {who}",
        f"  M⁺(8) would need scale: forbidden by {who}",
        f"  O(8) would need sign, rotation: forbidden by {who}",
    ]


class Deep(nn.Module):
    """Thirty-two blocks from one line of code."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(5, 6)
        self.up = nn.ModuleList(nn.Linear(6, 7) for _ in range(32))
        self.down = nn.ModuleList(nn.Linear(7, 6) for _ in range(32))
        self.head = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One residual stream."""
        x = self.stem(x)
        for up, down in zip(self.up, self.down, strict=True):
            x = torch.tanh(x + down(F.gelu(up(x))))
        return self.head(x)


class Block(nn.Module):
    """A residual block with a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(6)
        self.up, self.down = nn.Linear(6, 7), nn.Linear(7, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """One residual step."""
        return x + self.down(F.gelu(self.up(self.norm(x))))


def test_repeated_blocks_are_told_once() -> None:
    model = nn.Sequential(nn.Linear(5, 6), *(Block() for _ in range(32)), nn.Linear(6, 3))
    symmetry = discover(model, torch.zeros(1, 5))
    text = explain(symmetry, "0")
    assert "31 × layer_norm in {2…32}.norm (test_explain.py:" in text
    assert "return x + self.down(F.gelu(self.up(self.norm(x))))" in text
    assert "acts on {1…32}.up.weight : i.up ⊗ " in text
    assert len(text.splitlines()) < 20
    # one line of code that runs thirty-two times is one reason
    deep = discover(Deep(), torch.zeros(1, 5))
    assert explain(deep, "stem").count(": no ") == 1
    assert len(explain(deep, "stem").splitlines()) < 20
    assert len(str(deep).splitlines()) < 20


@pytest.mark.parametrize("one", [e for e in zoo() if not e.needs], ids=str)
def test_every_lost_motion_has_a_reason(one: Entry) -> None:
    symmetry = discover(one.build(), one.example())
    free = set(symmetry.spaces) - set(symmetry.essential.spaces)
    for name, space in symmetry.spaces.items():
        text = explain(symmetry, name)
        if name in free:
            assert any(
                word in text for word in ("made up for", "lost", "folded", "behind", "not felt")
            )
            continue
        possible = set(Motion) - {Motion.SHIFT} if space.size > 1 else {Motion.FLIP, Motion.STRETCH}
        if possible - space.group.motions:
            assert "no " in text
        for line in text.splitlines():
            if " would need " in line:
                assert ": forbidden by " in line, line
        if "nothing forbids" in text:
            assert possible <= space.group.motions


@pytest.mark.parametrize("one", [e for e in zoo() if not e.needs], ids=str)
def test_every_fixed_axis_says_who_pinned_it(one: Entry) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        symmetry = discover(one.build(), one.example())
    for name, rep in symmetry.reps.items():
        lines = explain(symmetry, name).split("\n\n")[-1].splitlines()
        heads = [k for k, line in enumerate(lines) if line.startswith("  axis ")]
        assert len(heads) == len(rep.axes)
        for k in heads:
            if lines[k].endswith("fixed") and "(1)" not in lines[k]:
                assert k + 1 < len(lines), lines
                assert lines[k + 1].startswith("    "), lines


def test_a_parameter_says_for_each_axis_what_acts_or_who_pinned_it() -> None:
    symmetry = discover(entry("mlp").build(), entry("mlp").example())
    assert explain(symmetry, "fc2.weight") == (
        "fc2.weight : fc2 ⊗ fc1*\n  axis 0 (7): M⁺(7)[fc2]\n  axis 1 (8): M⁺(8)[fc1]"
    )
    first = explain(symmetry, "fc1.weight").splitlines()
    assert first[2] == "  axis 1 (6): fixed"
    assert first[3].startswith("    linear in fc1 (dense.py:")
    assert first[-1] == "    the input x"
    assert explain(symmetry, "head.bias").splitlines()[-1] == "    an output of the model"


def test_an_operator_without_a_rule_is_named() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        symmetry = discover(Two(lambda x: x.cumsum(-1)), torch.zeros(2, 6))
    text = explain(symmetry, "a.weight")
    assert "  axis 0 (8): fixed\n    cumsum (test_explain.py:" in text


def test_tied_names_are_explained_as_what_they_are_tied_to() -> None:
    symmetry = discover(entry("gpt_tied").build(), entry("gpt_tied").example())
    tied, kept = next(iter(symmetry.aliases.items()))
    assert explain(symmetry, tied).startswith(f"{tied} (tied to {kept}) : ")


def test_a_name_of_both_gets_both() -> None:
    symmetry = discover(entry("tied_autoencoder").build(), entry("tied_autoencoder").example())
    space, parameter = explain(symmetry, "weight").split("\n\n")
    assert space.startswith("S(8)[weight]: 8 coordinates")
    assert "all that reads and writes it, taken together: no scale" in space
    assert parameter.startswith("weight : weight ⊗ 6\n")


def test_unknown_names_are_refused() -> None:
    symmetry = Symmetry({}, {})
    with pytest.raises(UnknownName) as caught:
        explain(symmetry, "up")
    assert str(caught.value) == (
        "no space or parameter is called 'up'; print the symmetry to see its spaces"
    )
    known = discover(entry("mlp").build(), entry("mlp").example())
    with pytest.raises(UnknownName, match=r"'fc1.wieght'; did you mean 'fc1.weight'\?"):
        explain(known, "fc1.wieght")


STEPS: list[tuple[Group, list[str]]] = [
    (Trivial(3), ["S(3)", "±1(3)", "R⁺(3)", "O(3)"]),
    (Permutation(3), ["B(3)", "M⁺(3)", "O(3)"]),
    (SignedPermutation(3), ["M(3)", "O(3)"]),
    (PositiveScaling(3), ["M⁺(3)", "R*(3)", "GL(3)"]),
    (Monomial(3), ["M(3)", "GL(3)"]),
    (Monomial(3, flips=1), ["GL(3)"]),
    (Orthogonal(3), ["GL(3)"]),
    (GeneralLinear(3), []),
    (Trivial(1), ["±1(1)", "R⁺(1)"]),
    (Wreath(Permutation(2), 3), ["B(2)≀S(3)", "M⁺(2)≀S(3)", "O(2)≀S(3)"]),
]


@pytest.mark.parametrize(("group", "names"), STEPS, ids=lambda value: str(value))
def test_the_next_larger_groups(group: Group, names: list[str]) -> None:
    larger = next_larger(group)
    assert [str(one) for one, _ in larger] == names
    for one, needed in larger:
        assert needed == one.motions - group.motions
        assert needed
