"""PCB-Merging: its formula, and what weights that are positive imply."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from isthmus.ground import BadInput
from isthmus.merging import PcbMerging, merge


def problem(seed=0, count=3):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count + 1, 20, generator=generator, dtype=torch.float64)
    base, *models = ({"v": row[:8].view(2, 4), "w": row[8:]} for row in rows)
    return base, models


def flat(params):
    return torch.cat([params["v"].flatten(), params["w"]])


def normed(row):
    return (row - row.min()) / (row.max() - row.min())


@pytest.mark.parametrize("keep", [1.0, 0.3])
def test_it_is_the_formula(keep) -> None:
    base, models = problem()
    taus = [flat(model) - flat(base) for model in models]
    above, below = torch.zeros(20).double(), torch.zeros(20).double()
    for tau in taus:
        own = torch.softmax(len(taus) * normed(tau * tau), 0)
        inter = sum(torch.softmax(normed(tau * other), 0) for other in taus)
        score = own * inter
        kept = score >= score.sort(descending=True).values[round(keep * 20) - 1]
        above += kept * score * tau
        below += kept * score
    expected = flat(base) + 0.7 * above / below.clamp_min(1e-300)
    found = flat(merge(models, PcbMerging(base, keep, 0.7)))
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-12)


@given(seed=st.integers(0, 10**6), keep=st.floats(0.05, 1), scale=st.floats(-2, 2))
def test_an_entry_is_a_mean_of_those_that_are_kept(seed, keep, scale) -> None:
    base, models = problem(seed)
    taus = torch.stack([flat(model) - flat(base) for model in models])
    found = flat(merge(models, PcbMerging(base, keep))) - flat(base)
    slack = 1e-12
    low, high = taus.amin(0).clamp_max(0), taus.amax(0).clamp_min(0)
    assert bool(((found >= low - slack) & (found <= high + slack)).all())
    scaled = flat(merge(models, PcbMerging(base, keep, scale))) - flat(base)
    assert torch.allclose(scaled, scale * found, atol=1e-12)


def test_equal_models_are_kept_where_they_moved_most() -> None:
    base, models = problem()
    same = [models[0]] * 3
    assert torch.allclose(flat(merge(same, PcbMerging(base, 1.0))), flat(models[0]), atol=1e-14)
    moved = flat(merge(same, PcbMerging(base, 0.25))) - flat(base)
    tau = flat(models[0]) - flat(base)
    assert set(moved.nonzero().flatten().tolist()) == set(tau.abs().topk(5).indices.tolist())


def test_what_agrees_weighs_more() -> None:
    base = {"w": torch.zeros(4).double()}
    models = [
        {"w": torch.tensor(row).double()}
        for row in ([1.0, 2.0, -2.0, 0.5], [1.0, 2.0, 2.0, 0.5], [1.0, 2.0, 1.9, 0.5])
    ]
    found = merge(models, PcbMerging(base, 1.0))["w"]
    assert float(found[2]) > sum(float(m["w"][2]) for m in models) / 3 + 0.05
    assert torch.allclose(found[[0, 1, 3]], models[0]["w"][[0, 1, 3]])


def test_a_share_that_makes_no_sense() -> None:
    with pytest.raises(BadInput, match="keep is 0, expected a share in .0, 1.; give 0.1, say"):
        PcbMerging({}, keep=0)
