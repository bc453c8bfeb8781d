"""The main job as a function: what it promises about function, ends, paths and merging."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from isthmus.ground import BadInput, params_of
from isthmus.landscape import Barrier, Evaluation
from isthmus.report import ALIGNED, HOME, NAIVE, Settings, connect, headline
from isthmus.report.advice import advise
from isthmus.report.words import Outcome, home_text, outcome, short, superscript


def test_the_aligned_model_computes_what_b_computes(connection):
    for split in connection.splits:
        barriers = connection.barriers[split]
        assert barriers[ALIGNED].losses[-1] == pytest.approx(barriers[NAIVE].losses[-1], abs=1e-5)
        assert barriers[ALIGNED].losses[0] == barriers[NAIVE].losses[0]


def test_the_way_home_is_flat_and_ends_at_b(connection):
    for split in connection.splits:
        home = connection.barriers[split][HOME]
        assert home.height < 1e-5
        assert home.losses[0] == pytest.approx(connection.barriers[split][ALIGNED].losses[-1])
        assert home.losses[-1] == pytest.approx(connection.scores[split]["b"].loss, abs=1e-5)


def test_alignment_brings_b_nearer(connection):
    assert connection.alignment.after < connection.alignment.before
    after = torch.tensor(list(connection.distances_after.values()))
    assert float(after.norm()) == pytest.approx(connection.alignment.after, rel=1e-6)
    assert connection.worst(ALIGNED) < connection.worst(NAIVE)


def test_the_merged_model_is_the_middle_of_the_line(connection):
    middle = connection.barriers["test"][ALIGNED].losses[4]
    assert connection.scores["test"]["merged"].loss == pytest.approx(middle, abs=1e-6)


def test_there_is_no_plane_through_a_model_and_itself(connected):
    assert connected(0, 0, surface=3).surface is None


def test_the_plane_holds_all_three_models(connected):
    found = connected(surface=3)
    assert found.surface is not None
    for name, end in ((NAIVE, 0), (ALIGNED, 0), (NAIVE, -1), (ALIGNED, -1)):
        trace = found.surface.paths[name]
        assert trace.losses[end] == pytest.approx(
            found.barriers["test"][name].losses[end], rel=1e-5
        )
        assert max(trace.away) < 1e-4 * found.surface.x[-1]


def test_the_result_is_plain_data(connection):
    data = json.loads(json.dumps(connection.to_json(), allow_nan=False))
    assert data["metric"] == "accuracy"
    assert data["alignment"]["after"] == connection.alignment.after
    assert "merged" not in data
    assert "test barrier, naive" in str(connection)


def test_progress_reaches_its_total(network, task):
    told = []
    x, y = task(20, 0)
    a, b = params_of(network()), params_of(network())
    connect(
        network(),
        a,
        b,
        example=x,
        test=[(x, y)],
        settings=Settings(points=2),
        progress=lambda what, done, total: told.append((done, total)),
    )
    assert told[-1][0] == told[-1][1]
    assert told == sorted(told)


def test_equal_networks_lie_in_one_valley(connected):
    same = connected(0, 0)
    assert outcome(same) is Outcome.ALREADY
    assert "from the start" in headline(same)
    assert home_text(same)


def test_no_test_data_is_refused(network):
    params = params_of(network())
    with pytest.raises(BadInput, match="there are no test data; give at least one batch"):
        connect(network(), params, params, example=torch.zeros(2, 6), test=[])


def with_heights(connection, naive: float, aligned: float):
    """The connection as if its barriers had these heights."""

    def raised(barrier: Barrier, height: float) -> Barrier:
        return replace(barrier, height=height)

    barriers = {
        split: {
            NAIVE: raised(paths[NAIVE], naive),
            ALIGNED: raised(paths[ALIGNED], aligned),
            HOME: paths[HOME],
        }
        for split, paths in connection.barriers.items()
    }
    return replace(connection, barriers=barriers)


@pytest.mark.parametrize(
    ("naive", "aligned", "expected", "words", "first"),
    [
        (1.2, 0.01, Outcome.SAME, "the same valley in other coordinates", "Use B′"),
        (1.2, 0.4, Outcome.CLOSER, "a ridge of 0.4 remains", "Try more starts"),
        (1.2, 1.3, Outcome.APART, "did not join", "Do not average"),
        (0.01, 0.0, Outcome.ALREADY, "in one valley from the start", "Average them as they are"),
        (0.01, 0.5, Outcome.APART, "did not join", "Do not average"),
    ],
)
def test_the_headline_is_honest(connection, naive, aligned, expected, words, first):
    changed = with_heights(connection, naive, aligned)
    assert outcome(changed) is expected
    assert words in headline(changed)
    assert advise(changed)[0].title.startswith(first)


def test_advice_follows_the_merged_model(connection):
    def merged(accuracy: float):
        score = Evaluation(0.1, {"accuracy": accuracy}, 100_000)
        scores = {s: {**models, "merged": score} for s, models in connection.scores.items()}
        return [step.title for step in advise(replace(connection, scores=scores))]

    assert "Ship the merged model" in merged(1.0)
    assert "Fine-tune the merged model before use" in merged(0.2)


def test_numbers_are_short():
    assert [short(v) for v in (0.0, 1e-9, 0.01234, 12.345, 123456.0, float("inf"))] == [
        "0",
        "0",
        "0.0123",
        "12.3",
        "123456",
        "inf",
    ]
    assert superscript(-20) == "⁻²⁰"
