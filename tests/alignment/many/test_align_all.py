"""Many models: planted ones meet, cycles close, the sum of squared distances never rises."""

from __future__ import annotations

import itertools
import json
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.algebra.groups import Motion, Permutation
from isthmus.alignment.many.align_all import Alignments, align_all
from isthmus.alignment.many.strategies import Pairwise, Star
from isthmus.alignment.many.universe import Universe
from isthmus.alignment.matcher import Match
from isthmus.alignment.weights import WeightMatching
from isthmus.ground import BadInput, NotFinite

NAMES = ["mlp", "mlp_tanh", "gated_swiglu", "vgg"]
ORBITS = [*NAMES, "gpt", "llama"]
QUICK = WeightMatching(sweeps=20)


def planted(name: str, tools: SimpleNamespace, count: int = 2):
    symmetry, a = tools.symmetry_of(name), tools.wide(tools.params(name))
    return symmetry, [a, *(symmetry.act(symmetry.sample(seed=k), a) for k in range(count))]


def nothing(a, b, symmetry, generator) -> Match:
    return Match(symmetry.identity())


def strangers(name: str, tools: SimpleNamespace, count: int = 4, first: int = 0):
    return [tools.wide(tools.independent(name, first + k)) for k in range(count)]


@pytest.mark.parametrize("name", ORBITS)
def test_models_of_one_orbit_meet(name: str, tools: SimpleNamespace) -> None:
    symmetry, models = planted(name, tools)
    fits = align_all(models, symmetry=symmetry, strategy=Universe(reference=2))
    assert float(fits.before.max()) > 0.05 * tools.norm(models[0])
    assert float(fits.after.max()) <= 1e-10 * tools.norm(models[0])
    assert tools.gap(models[2], fits.mean) <= 1e-10


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_comes_back_as_it_was(name: str, tools: SimpleNamespace) -> None:
    symmetry, models = tools.symmetry_of(name), strangers(name, tools, 3)
    for strategy in (Universe(reference=1), Star(reference=1)):
        fits = align_all(models, symmetry=symmetry, method=nothing, strategy=strategy)
        assert fits.reference == 1
        assert fits.elements[1].is_identity
        assert all(torch.equal(fits.params[1][n], t) for n, t in models[1].items())


CROWDS = [*((name, 4) for name in NAMES), ("mlp", 2), ("mlp", 20)]


@pytest.mark.parametrize(("name", "count"), CROWDS)
def test_cycles_close_exactly(name: str, count: int, tools: SimpleNamespace) -> None:
    symmetry, models = tools.symmetry_of(name), strangers(name, tools, count)
    strategy = Universe(rounds=5)
    fits = align_all(models, symmetry=symmetry, method=nothing, strategy=strategy)
    around = [*itertools.permutations(range(count), 2), *itertools.permutations(range(count), 3)]
    for first, *others in around[:: max(len(around) // 60, 1)]:
        cycle = symmetry.identity()
        for source, target in itertools.pairwise((first, *others, first)):
            cycle = fits.between(source, target) @ cycle
        for space, value in symmetry.identity().values.items():
            found = cycle.values[space]
            if isinstance(found, torch.Tensor):
                assert float((found - value).abs().max()) <= 1e-12 * _condition(fits, space)
            else:
                assert torch.equal(found.perm, value.perm)
                assert torch.equal(found.signs, value.signs)
                assert not found.logs.numel() or float(found.logs.abs().max()) <= 1e-12


def _condition(fits: Alignments, space: str) -> float:
    """What rounding grows by where inverses of shears are taken."""
    values = [g.values[space] for g in fits.elements]
    square = values[0].dim() > 1
    return max(float(torch.linalg.cond(v).max()) for v in values) ** 3 if square else 1.0


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 10**6), count=st.integers(2, 5))
def test_the_sum_of_squared_distances_never_rises(tools, seed: int, count: int) -> None:
    symmetry = tools.symmetry_of("mlp_tanh")
    models = strangers("mlp_tanh", tools, count, seed)
    fits = align_all(models, symmetry=symmetry, method=QUICK, seed=seed)
    history = fits.certificate.evidence["objective"]
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(history))
    # The group keeps lengths here, so the sum can be taken from the result as well, without that
    # on which nothing acts.
    pairs = itertools.combinations([p["head.bias"] for p in models], 2)
    idle = sum(float((a - b).square().sum()) for a, b in pairs)
    assert history[-1] == pytest.approx(float(fits.after.square().sum()) / 2 - idle)


def test_a_universe_is_nearer_than_a_star(tools: SimpleNamespace) -> None:
    symmetry, models = tools.symmetry_of("mlp_tanh"), strangers("mlp_tanh", tools, 6)
    sums = {
        type(strategy).__name__: float(
            align_all(models, symmetry=symmetry, strategy=strategy).after.square().sum()
        )
        for strategy in (Universe(), Star(), Pairwise())
    }
    assert sums["Pairwise"] < sums["Universe"] < 0.99 * sums["Star"]


def test_pairs_by_themselves_are_not_consistent(tools: SimpleNamespace) -> None:
    symmetry, models = tools.symmetry_of("mlp_tanh"), strangers("mlp_tanh", tools)
    fits = align_all(models, symmetry=symmetry, strategy=Pairwise())
    assert fits.certificate.evidence["inconsistency"] > 0.1
    assert fits.certificate.evidence["triples"] == 24
    for i, j in itertools.permutations(range(4), 2):
        moved = symmetry.act(fits.between(i, j), models[i])
        gap = tools.gauged_distance(symmetry, moved, models[j])
        assert float(fits.after[i, j]) == pytest.approx(gap)
    symmetry, models = planted("mlp_tanh", tools, 3)
    fits = align_all(models, symmetry=symmetry, strategy=Pairwise())
    assert fits.certificate.evidence["largest_inconsistency"] < 1e-12


@pytest.mark.parametrize("name", ["mlp", "vgg"])
def test_the_result_does_not_depend_on_how_models_are_scaled(
    name: str, tools: SimpleNamespace
) -> None:
    """Nothing is gained by shrinking: scales are not what the universe is chosen by."""
    symmetry, models = tools.symmetry_of(name), strangers(name, tools, 3)
    scales = symmetry.restrict([Motion.STRETCH])
    scaled = [
        symmetry.act(symmetry.lift(scales.sample(seed=k, scale=1.0)), one)
        for k, one in enumerate(models)
    ]
    # No method: what is compared is the universe, not its start.
    one, two = (align_all(m, symmetry=symmetry, method=nothing) for m in (models, scaled))
    found = [fits.certificate.evidence["objective"] for fits in (one, two)]
    assert found[0] == pytest.approx(found[1], rel=1e-8)
    for fits, base in ((one, models), (two, scaled)):
        for params in fits.params:
            # What is as long as the reference has not shrunk.
            for n in ("fc1.weight", "0.weight"):
                if n in params:
                    assert float(params[n].norm()) > 0.3 * float(base[0][n].norm())


@pytest.mark.parametrize("name", ORBITS)
def test_every_function_is_kept(name: str, tools: SimpleNamespace) -> None:
    symmetry, models = tools.symmetry_of(name), strangers(name, tools, 3)
    fits = align_all(models, symmetry=symmetry, method=nothing)
    for before, after in zip(models, fits.params, strict=True):
        one, two = tools.outputs(name, before), tools.outputs(name, after)
        assert float((one - two).abs().max()) <= 1e-9 * float(one.abs().max())


def test_the_mean_keeps_dtypes_and_the_integers_of_the_reference(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("vgg")
    models = [tools.independent("vgg", k) for k in range(3)]
    for k, params in enumerate(models):
        params["1.num_batches_tracked"] = torch.tensor(k)
    fits = align_all(models, symmetry=symmetry, method=nothing, strategy=Universe(reference=2))
    assert {n: t.dtype for n, t in fits.mean.items()} == {n: t.dtype for n, t in models[0].items()}
    assert fits.mean["1.num_batches_tracked"] == 2
    expected = torch.stack([p["9.weight"].double() for p in fits.params]).mean(0).float()
    assert torch.equal(fits.mean["9.weight"], expected)
    assert all(bool((p["1.running_var"] > 0).all()) for p in (*fits.params, fits.mean))


def test_a_subgroup_is_kept_to(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp").restrict(Permutation)
    models = strangers("mlp", tools, 3)
    fits = align_all(models, symmetry=symmetry)
    for before, after in zip(models, fits.params, strict=True):
        assert torch.equal(after["fc1.weight"].sort(0).values, before["fc1.weight"].sort(0).values)
    assert float(fits.after.sum()) < float(fits.before.sum())


def test_the_mean_is_one_function_in_whatever_coordinates(tools: SimpleNamespace) -> None:
    symmetry, models = tools.symmetry_of("mlp"), strangers("mlp", tools, 3)
    means = [
        align_all(models, symmetry=symmetry, method=nothing, strategy=Universe(reference=k)).mean
        for k in (0, 2)
    ]
    one, two = (tools.outputs("mlp", mean) for mean in means)
    assert tools.gap(*means) > 0.05
    torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-10)


def test_where_nothing_acts_nothing_moves(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp").restrict(lambda _: False)
    models = strangers("mlp", tools, 3)
    for strategy in (Universe(), Star(), Pairwise()):
        fits = align_all(models, symmetry=symmetry, strategy=strategy)
        assert torch.equal(fits.before, fits.after)
        for before, after in zip(models, fits.params, strict=True):
            assert all(torch.equal(t, after[n]) for n, t in before.items())


def test_the_result_reads_well_and_is_data(tools: SimpleNamespace) -> None:
    symmetry, models = planted("mlp_tanh", tools, 2)
    fits = align_all(models, symmetry=symmetry)
    assert str(fits).startswith("3 models in the coordinates of model 0: mean distance ")
    data = json.loads(json.dumps(fits.to_json(), allow_nan=False))
    assert len(data["before"]) == 3
    assert "params" not in data


def test_what_cannot_be_aligned(tools: SimpleNamespace) -> None:
    symmetry, models = planted("mlp_tanh", tools, 1)
    with pytest.raises(BadInput, match="1 models to align; give 2 to 100"):
        align_all(models[:1], symmetry=symmetry)
    with pytest.raises(BadInput, match="101 models to align"):
        align_all([models[0]] * 101, symmetry=symmetry)
    for strategy in (Universe(reference=2), Star(reference=-1)):
        with pytest.raises(BadInput, match=r"reference -?\d for 2 models; give a number from 0 to"):
            align_all(models, symmetry=symmetry, strategy=strategy)
    models[1]["fc1.bias"] = models[1]["fc1.bias"] * torch.nan
    with pytest.raises(NotFinite, match=r"fc1.bias of model 1 holds NaN"):
        align_all(models, symmetry=symmetry)
