"""The methods of the landscape at the smallest scale: they run, and can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from isthmus.ground import params_of
from isthmus.papers.bench import Standing
from isthmus.papers.methods.landscape.taylor import Heights, Settings
from isthmus.papers.methods.landscape.training import Descent, Network, outputs, scores


def test_what_is_wrong_fails_and_what_is_explained_is_a_finding() -> None:
    exact = Heights(Settings(), torch.ones(2, 2, 5, 4))
    assert {one.standing for one in exact.check()} == {Standing.PASSED}
    names = {0: "formula", 1: "short lines", 2: "whole lines"}
    for figure, share, wrong in ((2, 1, 0), (1, 0, 1), (1, -1, 2)):
        heights = exact.heights.clone()
        heights[..., share, figure] = 1.6
        standing = {one.name: one.standing for one in replace(exact, heights=heights).check()}
        bad = Standing.FINDING if wrong == 2 else Standing.FAILED
        assert standing == {n: bad if k == wrong else Standing.PASSED for k, n in names.items()}
    young = replace(exact, settings=Settings(trained=False))
    assert [one.name for one in young.check()] == ["formula", "short lines"]


def test_a_training_is_the_same_however_it_is_cut() -> None:
    task = Network("digits", (8,), 200, 50).task()
    seen: list[int] = []
    train = Descent(task, lambda step: 0.1, after=lambda step, model: seen.append(step))
    start = params_of(task.fresh(1))
    whole, part = train(start, 3, 0, 9), train(train(start, 3, 0, 4), 3, 4, 9)
    assert all(torch.equal(x, part[name]) for name, x in whole.items())
    assert seen == [*range(9), *range(9)]
    other = train(start, 4, 0, 9)
    assert not all(torch.equal(x, other[name]) for name, x in whole.items())


def test_scores_are_those_of_the_mean_of_probabilities() -> None:
    task = Network("digits", (8,), 50, 40).task()
    members = [params_of(task.fresh(seed)) for seed in (1, 2)]
    mean = torch.stack([outputs(task, one).softmax(-1) for one in members]).mean(0)
    loss, error = scores(task, members).tolist()
    chosen = mean.gather(1, task.y_test[:, None])
    assert loss == pytest.approx(float(-chosen.log().mean()))
    assert error == pytest.approx(float((mean.argmax(-1) != task.y_test).double().mean()))
    assert scores(task, members[:1])[0] == pytest.approx(task.loss(test=True)(members[0]), rel=1e-5)
