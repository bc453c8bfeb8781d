"""instability: a ball on a hill between two valleys, pushed by noise and then by the slope."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, Params, UnknownName
from isthmus.landscape import Loss, instability

START = {"x": torch.zeros((), dtype=torch.float64)}


class Place(nn.Module):
    """A number, whatever goes in."""

    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Parameter(torch.zeros((), dtype=torch.float64))

    def forward(self, _: Tensor) -> Tensor:
        return self.x


def wells(x: Tensor, _: Tensor) -> Tensor:
    """0 at -1 and 1, and 1 between them."""
    return (x.square() - 1) ** 2


LOSS = Loss(
    Place(), [(torch.zeros(1), torch.zeros(1))], wells, {"accuracy": lambda x, y: 1 - wells(x, y)}
)


def roll(start: Params, seed: int, begin: int, end: int) -> Params:
    """Noise of either sign in the first ten steps; descent all the time."""
    x = start["x"].clone()
    for step in range(begin, end):
        if step < 10:
            x += 0.05 if seed % 2 else -0.05
        x -= 0.05 * 4 * x * (x.square() - 1)
    return {"x": x}


def test_unstable_until_the_noise_no_longer_decides() -> None:
    told = []
    found = instability(
        roll, START, LOSS, [0, 2, 10, 20], 200, seed=1, progress=lambda *at: told.append(at)
    )
    unstable, _, *later = found.rows
    assert unstable.instability == pytest.approx(1, abs=0.01)  # an even number of points
    assert [row.instability for row in later] == pytest.approx([0, 0], abs=1e-9)
    assert found.first_stable == 10
    assert unstable.aligned is None
    assert told == [(k, 8) for k in range(1, 9)]
    assert str(found).startswith("stable from step 10 on (error on the line below 0.02 above")
    assert found.to_json()["rows"][0]["step"] == 0


def test_children_that_differ_by_a_symmetry_are_stable_once_aligned() -> None:
    """x and -x are one function here."""

    def reflect(b: Params, a: Params) -> Params:
        return {"x": b["x"] * torch.sign(a["x"]) * torch.sign(b["x"])}

    found = instability(roll, START, LOSS, [0, 20], 200, align=reflect)
    assert [row.aligned for row in found.rows] == pytest.approx([0, 0], abs=1e-9)
    assert (found.first_stable_aligned, found.first_stable) == (0, 20)
    assert "aligned" in str(found)


def test_all_pairs_of_children_count() -> None:
    """Two of three children end together: a third of the pairs is stable."""
    found = instability(roll, START, LOSS, [0], 200, children=(1, 2, 3))
    assert len(found.rows[0].barriers) == 3
    assert found.rows[0].instability == pytest.approx(2 / 3, abs=0.01)
    assert found.first_stable is None
    assert str(found).startswith("no step is stable")


def test_the_loss_itself_and_its_threshold() -> None:
    found = instability(roll, START, LOSS, [0], 200, metric=None, threshold=2, points=31)
    assert found.rows[0].instability == pytest.approx(1, abs=1e-6)
    assert found.first_stable == 0


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"steps": []}, r"copies after steps \[\] of a training of 9"),
        ({"steps": [3, 3]}, r"copies after steps \[3, 3\]"),
        ({"steps": [-1]}, r"copies after steps \[-1\]"),
        ({"steps": [3, 10]}, r"copies after steps \[3, 10\] of a training of 9"),
        ({"children": (1, 1)}, r"children of the seeds \[1, 1\]"),
        ({"metric": "recall"}, r"no metric 'recall', expected one of \['accuracy'\]"),
    ],
)
def test_bad_input(options, cause) -> None:
    def never(*_: object) -> Params:
        raise AssertionError("trained before the input was looked at")

    with pytest.raises(BadInput, match=cause):
        instability(never, START, LOSS, **{"steps": [0], "end": 9} | options)
    with pytest.raises(UnknownName):
        instability(never, {"y": START["x"]}, LOSS, [0], 9)
