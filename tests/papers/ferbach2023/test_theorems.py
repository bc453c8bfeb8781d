"""The theorems at the smallest scale: they run, what they claim holds, and false numbers fail."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from isthmus.ground import Params, load
from isthmus.papers import ferbach2023
from isthmus.papers.bench import Bench, Findings, Scale
from isthmus.papers.ferbach2023.theorems.birkhoff import Birkhoff
from isthmus.papers.ferbach2023.theorems.depth import Depth
from isthmus.papers.ferbach2023.theorems.dimension import Dimensions
from isthmus.papers.ferbach2023.theorems.dropout import Dropout
from isthmus.papers.ferbach2023.theorems.falls import Falls, missed
from isthmus.papers.ferbach2023.theorems.low_dimension import Turn
from isthmus.papers.ferbach2023.theorems.lower_bound import Floor
from isthmus.papers.ferbach2023.theorems.mean_field import Connection, Settings, run, task
from isthmus.papers.ferbach2023.theorems.rates import Rates, matching_cost
from isthmus.transport import Estimate, Measure, wasserstein

pytestmark = pytest.mark.xdist_group("theorems")  # what all tests look at is made once

THEOREMS = {
    one.name.partition(".")[2]: one
    for one in ferbach2023.EXPERIMENTS
    if one is not ferbach2023.learning_rates
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Findings, Path]]:
    """Every theorem at the smallest scale, run once."""
    folder = tmp_path_factory.mktemp("theorems")
    return {n: (one.run("smoke", folder=folder / n), folder / n) for n, one in THEOREMS.items()}


@pytest.mark.parametrize("name", THEOREMS)
def test_every_theorem_runs_and_is_drawn(name: str, found) -> None:
    here, folder = found[name]
    assert here.passed, [str(check) for check in here.check()]
    assert list(here.draw()) == [name]
    assert (folder / f"{name}.svg").read_text("utf-8").startswith("<svg")
    assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((folder / "result.json").read_text("utf-8"))["remarks"]
    assert load(folder / "arrays.safetensors").keys() == here.arrays().keys()
    assert str(here)
    names = [check.name for check in here.check()]
    assert len(set(names)) == len(names)


def failed(found: Findings) -> set[str]:
    return {check.name for check in found.check() if not check.passed}


def changed(found: Falls, **scores: torch.Tensor) -> Falls:
    return replace(found, scores={**found.scores, **scores})


def flat(found: Falls, name: str) -> torch.Tensor:
    """The same at every width."""
    return found.scores[name][:1].expand_as(found.scores[name])


def test_a_dearer_plan_is_seen(found) -> None:
    here: Birkhoff = found["birkhoff"][0]
    assert failed(replace(here, costs=here.costs * torch.tensor([1 + 1e-7, 1]))) == {"equal"}
    assert failed(replace(here, split=here.split + 1e-3)) == {"extreme point"}
    assert failed(replace(here, wrong=torch.ones_like(here.wrong))) == {"wrong permutations"}
    assert failed(replace(here, weighed=torch.ones_like(here.weighed))) == {"unequal masses"}


def test_gaps_that_break_a_bound_or_do_not_fall_are_seen(found) -> None:
    here: Connection = found["mean_field"][0]
    assert failed(changed(here, used=here.scores["used"] + 1)) == {"bounds"}
    stays = changed(here, matched=flat(here, "matched"))
    assert {"error", "only with it"} <= failed(stays)
    alike = changed(here, matched=here.scores["unmatched"])
    assert "permutation" in failed(alike)
    assert "W2 squared" in failed(changed(here, **{"W2 squared": flat(here, "W2 squared")}))


def test_rates_of_another_dimension_are_seen(found) -> None:
    here: Rates = found["rates"][0]
    swapped = here.scores["sphere, D = 8, W2 squared"]
    wrong = changed(here, **{"sphere, D = 5, W2 squared": swapped})
    assert failed(wrong) >= {"slopes on the sphere", "dimension from slopes"}
    assert failed(changed(here, **{"cube, D = 5, W1": 0.01 * here.scores["cube, D = 5, W1"]})) == {
        "lower bounds"
    }
    assert "trace ratio" in failed(replace(here, dimensions=here.dimensions + 1))


def test_errors_below_the_floor_are_seen(found) -> None:
    here: Floor = found["lower_bound"][0]
    low = {n: 0.3 * v for n, v in here.scores.items()}
    assert failed(replace(here, scores=low)) == {"floor"}
    dense = changed(here, flat=here.scores["cube, D = 8"])
    assert failed(dense) == {"only rows that fill the space"}


def test_one_rate_where_there_are_two_is_seen(found) -> None:
    here: Turn = found["low_dimension"][0]
    assert {"ambient rate returns", "not one alone"} <= failed(
        changed(here, thick=here.scores["flat"])
    )
    assert "thin" in failed(changed(here, thin=here.scores["full"]))


def test_layers_that_gain_from_width_are_seen(found) -> None:
    here: Depth = found["depth"][0]
    first = here.scores["weights, matching 1"]
    assert failed(changed(here, **{"weights, matching 2": first})) == {"later layers"}
    assert failed(changed(here, **{"data, matching 3": here.scores["weights, matching 3"]})) >= {
        "less on data"
    }
    assert failed(changed(here, lemma=here.scores["lemma"] + 1)) == {"lemma"}
    stays = changed(here, **{"weights, matching 1": flat(here, "weights, matching 1")})
    assert failed(stays) == {"first layer", "two layers"}


def test_dropping_that_breaks_its_bound_is_seen(found) -> None:
    here: Dropout = found["dropout"][0]
    assert failed(changed(here, margin=-here.scores["margin"])) == {"bound"}
    assert failed(changed(here, heavy=here.scores["dropped"])) == {"many units"}
    twice = changed(here, dropped=2 * here.scores["dropped"])
    assert failed(twice) == {"variance"}


def test_dimensions_that_explain_nothing_are_seen(found) -> None:
    here: Dimensions = found["dimension"][0]
    same = here.ratios[:, :1].expand_as(here.ratios)
    assert failed(replace(here, ratios=same)) == {"low-dimensional on data"}
    assert failed(replace(here, left=here.left.flip(1))) == {"so matching works"}
    assert failed(replace(here, inputs=2 * here.inputs)) == {"start"}


def test_a_run_is_in_the_scaling_of_the_paper(tmp_path) -> None:
    """One sample a step, N ε times the gradient: by hand."""
    settings = Settings((8,), pace=0.1, time=0.5)
    one = task(settings, 8, 3)
    assert len(one.x) == 5
    params: Params = dict(one.fresh(3).state_dict())
    order = torch.randperm(5, generator=torch.Generator().manual_seed(3))
    for k in order.tolist():
        w, b, r = (params[name] for name in ("up.weight", "up.bias", "down.weight"))
        h = torch.tanh(w @ one.x[k] + b)
        slope = 2 * (r @ h / 8 - one.y[k]) * settings.pace
        inner = slope * r[0] * (1 - h**2)
        params = {
            "up.weight": w - torch.outer(inner, one.x[k]),
            "up.bias": b - inner,
            "down.weight": r - slope * h,
        }
    found = run(Bench(tmp_path), settings, 8, 3)
    for name, value in params.items():
        torch.testing.assert_close(found[name], value)


def test_costs_are_those_of_transport() -> None:
    generator = torch.Generator().manual_seed(0)
    one, two = torch.rand(2, 20, 3, generator=generator, dtype=torch.float64)
    for order in (1.0, 2.0):
        exact = wasserstein(Measure(one), Measure(two), order).cost
        assert matching_cost(one, two, order) == pytest.approx(exact, rel=1e-12)


def test_how_far_an_interval_is_from_others() -> None:
    found = Estimate(0.5, 0.4, 0.6, 0.95, "made up")
    assert missed(found, 0.45) == 0
    assert missed(found, 0.7) == pytest.approx(0.1)
    assert missed(found, 0.1, 0.3) == pytest.approx(0.1)
    assert missed(found, 0.1, 0.41) == 0


def test_experiments_are_in_the_order_of_the_paper() -> None:
    assert list(THEOREMS) == [
        "mean_field",
        "rates",
        "depth",
        "lower_bound",
        "low_dimension",
        "dimension",
        "birkhoff",
        "dropout",
    ]
    for one in THEOREMS.values():
        assert set(one.settings) == set(Scale)
