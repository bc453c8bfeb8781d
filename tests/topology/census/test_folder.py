"""A census in a folder: interrupted it goes on, and no other takes it up."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.topology.census.conftest import FOUR, at, hills, wells

from isthmus.alignment import WeightMatching
from isthmus.ground import BadInput, OutputExists, plain
from isthmus.landscape import PolygonalChain, Refinement, Training
from isthmus.topology.census import Aligned, Bent, Chain, PathSampling, Straight, components
from isthmus.topology.census.folder import words

SAMPLING = PathSampling(points=5)
census = partial(components, level=1.5, sampling=SAMPLING)


def files(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def stop(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Interrupts the line after so many more pairs."""
    whole = Straight.path

    def after(pairs: int) -> None:
        left = iter(range(pairs))

        def path(self: Straight, *rest: Any) -> Any:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return whole(self, *rest)

        monkeypatch.setattr(Straight, "path", path)

    return after


def test_an_interrupted_census_goes_on(tmp_path, stop):
    torch.manual_seed(0)
    loss = hills(wells, torch.randn(50, 1, dtype=torch.float64).mul(0.01))
    expected = census(FOUR, loss)
    folder = tmp_path / "census"
    stop(3)
    with pytest.raises(KeyboardInterrupt):
        census(FOUR, loss, folder=folder)
    kept = files(folder)
    assert len(kept) == 4
    assert "census.json" in kept  # and three pairs, and nothing else
    stop(3)  # three are enough for the rest
    found = census(FOUR, loss, folder=folder)
    assert found == expected
    assert len(files(folder)) == 8
    assert json.loads((folder / "result.json").read_text()) == plain(expected.to_json())
    stop(0)
    assert census(FOUR, loss, folder=folder) == expected
    # All pairs and other names are asked of the same census.
    again = census(FOUR, loss, folder=folder, all_pairs=True, names="abcd")
    assert again.meetings == expected.meetings


def test_a_folder_of_another_census_is_refused(tmp_path):
    folder = tmp_path / "census"
    first = census(FOUR, hills(wells), folder=folder)
    others = [
        ("of other minima", lambda: census(FOUR[:3], hills(wells), folder=folder)),
        ("of other minima", lambda: census([*FOUR[:3], at(1, -1)], hills(wells), folder=folder)),
        (
            "with another loss or other data",
            lambda: census(FOUR, hills(lambda point: wells(point) + 0.1), folder=folder),
        ),
        ("at another level", lambda: census(FOUR, hills(wells), level=1.6, folder=folder)),
        (
            "with other connectors or options",
            lambda: census(FOUR, hills(wells), folder=folder, seed=1),
        ),
        (
            "with other connectors or options",
            lambda: census(FOUR, hills(wells), folder=folder, connector=Bent(steps=3)),
        ),
    ]
    for why, attempt in others:
        with pytest.raises(BadInput, match=f"holds a census {why}; choose another folder, or"):
            attempt()
    assert census(FOUR, hills(wells), folder=folder) == first
    forced = census(FOUR[:3], hills(wells), folder=folder, force=True)
    assert forced == census(FOUR[:3], hills(wells))
    assert len(files(folder)) == 5


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(OutputExists, match="exists already and is no folder of a census"):
        census(FOUR, hills(wells), folder=tmp_path, force=True)
    assert files(tmp_path) == ["thesis.tex"]
    with pytest.raises(OutputExists, match="is no folder of a census"):
        census(FOUR, hills(wells), folder=tmp_path / "thesis.tex")


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_file_is_named(tmp_path, text):
    expected = census(FOUR, hills(wells), folder=tmp_path)
    (tmp_path / "pairs" / "0-1.json").write_text(text)
    with pytest.raises(BadInput, match="0-1.json is damaged or no part of a census; delete it"):
        census(FOUR, hills(wells), folder=tmp_path)
    (tmp_path / "pairs" / "0-1.json").unlink()
    assert census(FOUR, hills(wells), folder=tmp_path) == expected
    (tmp_path / "census.json").write_text(text)
    with pytest.raises(BadInput, match="holds a census with a damaged census.json; choose"):
        census(FOUR, hills(wells), folder=tmp_path)


def test_options_that_differ_have_other_words_and_the_same_have_the_same():
    def told(options: object) -> str:
        return " ".join(words(options))

    def adam(tensors: list[torch.Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(tensors)

    made = [
        Straight(),
        Bent(),
        Bent(steps=3),
        Bent(PolygonalChain(2)),
        Bent(training=Training(optimiser=adam)),
        Bent(training=Training(optimiser=partial(adam, 0.1))),
        Bent(training=Training(optimiser=partial(adam, lr=0.2))),
        Aligned(),
        Aligned(method=WeightMatching(weights={"point": 2.0})),
        Aligned(method=WeightMatching(weights={"point": 3.0})),
        Chain((Straight(),)),
        Chain((Straight(), Bent())),
        SAMPLING,
        replace(SAMPLING, refine=Refinement(0.1)),
        replace(SAMPLING, interval=None),
    ]
    assert len({told(one) for one in made}) == len(made)
    assert told(Bent(loss=hills(wells))) == told(Bent())
    assert "0x" not in " ".join(map(told, made))
