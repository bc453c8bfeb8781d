"""Task vectors: the formulas of arithmetic, TIES and DARE, entry by entry."""

import pytest
import torch

from isthmus.ground import BadInput, UnknownName
from isthmus.merging import Average, Dare, TaskArithmetic, Ties, merge


def problem(count=3):
    generator = torch.Generator().manual_seed(0)
    rows = [
        {"w": torch.randn(6, 4, generator=generator).double(), "n": torch.tensor(k)}
        for k in range(count + 1)
    ]
    return rows[0], rows[1:]


def test_arithmetic_with_the_share_of_one_is_the_average():
    base, models = problem()
    found = merge(models, TaskArithmetic(base, 1 / 3))["w"]
    assert torch.allclose(found, merge(models, Average())["w"], atol=1e-14)
    assert torch.equal(merge(models, TaskArithmetic(base, 0.0))["w"], base["w"])


def test_a_negative_scale_moves_away():
    base, models = problem(2)
    same = [models[0], models[0]]
    found = merge(same, TaskArithmetic(base, -0.5))["w"]
    assert torch.allclose(found, base["w"] - (models[0]["w"] - base["w"]))


def test_ties_by_hand():
    base = {"w": torch.zeros(4).double()}
    models = [{"w": torch.tensor(row).double()} for row in ([4, -3, 1, 0.1], [2, 3.5, -5, 0.2])]
    # The two largest of each are kept: [4, -3, 0, 0] and [0, 3.5, -5, 0]; signs +, +, -.
    found = merge(models, Ties(base, keep=0.5))["w"]
    assert torch.allclose(found, torch.tensor([4, 3.5, -5, 0]).double())
    # All kept: signs +, +, -, +; the mean of those that agree.
    assert torch.allclose(
        merge(models, Ties(base, keep=1))["w"], torch.tensor([3, 3.5, -5, 0.15]).double()
    )


def test_dare_drops_the_share_and_keeps_the_mean():
    base = {"w": torch.zeros(200, 100).double()}
    model = {"w": torch.ones(200, 100).double()}
    found = merge([model, model], Dare(TaskArithmetic(base, 0.5), drop=0.75))["w"]
    assert set(found.unique().tolist()) == {0.0, 2.0, 4.0}
    assert float((found == 0).double().mean()) == pytest.approx(0.75**2, abs=0.01)
    assert float(found.mean()) == pytest.approx(1, abs=0.03)


def test_dare_is_fixed_by_its_seed_and_drops_nothing_at_zero():
    base, models = problem()
    plain = TaskArithmetic(base)
    one, two, other = (merge(models, Dare(plain, seed=s))["w"] for s in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(merge(models, Dare(plain, drop=0))["w"], merge(models, plain)["w"])


def test_complex_tensors_are_pairs_of_numbers():
    base = {"w": torch.zeros(3, dtype=torch.complex64)}
    models = [{"w": torch.tensor([1 + 2j, 3j, 1], dtype=torch.complex64)} for _ in range(2)]
    assert torch.equal(merge(models, Ties(base, keep=1))["w"], models[0]["w"])


@pytest.mark.parametrize("share", [0, -1, 1.5, float("nan")])
def test_shares_that_make_no_sense(share):
    with pytest.raises(BadInput, match="keep is .*, expected a share"):
        Ties({}, keep=share)
    if share:
        with pytest.raises(BadInput, match="drop is .*, expected a share"):
            Dare(Ties({}), drop=share)


def test_a_base_of_another_model_is_refused():
    base, models = problem()
    with pytest.raises(UnknownName, match="the base: 'n' is missing"):
        merge(models, Ties({"w": base["w"]}))
