"""layer_distances and blocks: planted elements, bounds between figures, other widths, errors."""

from __future__ import annotations

import json
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.alignment.forms.canonical import canonical
from isthmus.discovery import discover
from isthmus.ground.errors import BadInput
from isthmus.ground.params import params_of
from isthmus.testing.zoo import entry, randomise
from isthmus.transport.layers.distances import layer_distances
from isthmus.transport.layers.measuring import Measuring, OnData
from isthmus.transport.measures.activations import activations
from isthmus.transport.measures.blocks import holds_blocks, unit_costs
from isthmus.transport.measures.neurons import Parts, unit_spaces

QUICK = Measuring(repetitions=0)


@cache
def symmetry_of(name: str) -> Symmetry:
    return discover(entry(name).build(), entry(name).example())


def params(name: str, seed: int = 3) -> Params:
    found = params_of(randomise(entry(name).build(), seed))
    return {n: t.double() if t.is_floating_point() else t for n, t in found.items()}


def network(hidden: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 3)
    )


def made(hidden: int, seed: int = 0) -> tuple[Params, Symmetry, nn.Module]:
    torch.manual_seed(seed)
    model = network(hidden)
    return params_of(model), discover(model, torch.zeros(1, 6)), model


def split(given: Params) -> Params:
    """Every hidden unit twice, each read half."""
    out = dict(given)
    for name in ("0", "2"):
        out[f"{name}.weight"] = out[f"{name}.weight"].repeat_interleave(2, 0)
        out[f"{name}.bias"] = out[f"{name}.bias"].repeat_interleave(2, 0)
    for name in ("2", "4"):
        out[f"{name}.weight"] = out[f"{name}.weight"].repeat_interleave(2, 1) / 2
    return out


@pytest.mark.parametrize("name", ["mlp", "mlp_tanh", "gated_fused", "gpt", "llama_four_heads"])
def test_models_of_one_orbit_are_at_no_distance(name: str) -> None:
    symmetry, a = symmetry_of(name), params(name)
    b = symmetry.act(symmetry.sample(seed=5), a)
    found = layer_distances(a, b, symmetry=symmetry, measuring=QUICK)
    assert [one.space for one in found.layers] == unit_spaces(symmetry)
    for one in found.layers:
        assert one.before is not None
        assert one.after[1].distance < 1e-5 * one.length
    deep = found.layers[-1]
    assert deep.before is not None
    assert deep.before[1].distance > 0.1 * deep.length


@pytest.mark.parametrize("name", ["mlp_tanh", "vgg", "gpt"])
def test_the_figures_bound_one_another(name: str) -> None:
    symmetry = symmetry_of(name)
    found = layer_distances(params(name, 1), params(name, 2), symmetry=symmetry, measuring=QUICK)
    for one in found.layers:
        assert one.before is not None
        assert one.matched is not None
        first, second = one.after
        assert 0 < first.distance <= second.distance * (1 + 1e-12)
        # The best matching of a layer is no worse than the one that the alignment chose.
        assert second.distance <= one.matched * (1 + 1e-12)
        for plan in (*one.before, *one.after):
            assert plan.certificate.evidence["optimal"]
            assert plan.sizes == one.sizes


def test_blocks_are_compared_at_their_best_rotations() -> None:
    """Keys (with queries) and values: Procrustes for every pair of heads."""
    symmetry = symmetry_of("gpt")
    space = next(n for n in unit_spaces(symmetry) if holds_blocks(symmetry, n))
    models = [params("gpt", seed) for seed in (1, 2)]
    found = unit_costs(*models, symmetry, space)
    heads = symmetry.spaces[space].size
    layer = space.removesuffix(".head")

    def sides(p: Params) -> list[Tensor]:
        whole = symmetry.coordinates(p)
        parts = {}
        for key in ("q", "k", "v"):
            weight = whole[f"{layer}.{key}.weight"]
            parts[key] = weight.reshape(heads, -1, weight.shape[1])
        bias = whole[f"{layer}.q.bias"].reshape(heads, -1, 1)
        return [torch.cat([parts["q"], parts["k"], bias], 2), parts["v"]]

    for i in range(heads):
        for j in range(heads):
            total = 0.0
            for one, other in zip(*map(sides, models), strict=True):
                overlap = torch.linalg.svdvals(one[i] @ other[j].T).sum()
                total += float(one[i].square().sum() + other[j].square().sum() - 2 * overlap)
            assert float(found[i, j]) == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("name", ["gpt", "depthwise_grouped"])
def test_what_is_inside_a_block_may_be_moved(name: str) -> None:
    symmetry, a = symmetry_of(name), params(name)
    space = next(n for n in unit_spaces(symmetry) if holds_blocks(symmetry, n))
    inner = [n for n, one in symmetry.spaces.items() if space in one.over]
    only = symmetry.restrict(lambda one: one.name == space or one.name in inner)
    b = only.act(only.sample(seed=1), a)
    one, other = (canonical(p, symmetry, ordered=False) for p in (a, b))
    costs = unit_costs(one, other, symmetry, space, parts=Parts(outgoing=True))
    assert costs.amin(1).max() < 1e-9 * costs.amax()
    assert costs.amax() > 0.1


def test_units_that_were_split_are_at_no_distance() -> None:
    pytest.importorskip("ot")
    a, small, _ = made(5)
    large = made(10)[1]
    raw = Measuring(form=None, repetitions=0)
    wide = large.act(large.sample(3, scale=0.0), split(a))
    found = layer_distances(a, wide, symmetry=small, other=large, measuring=raw)
    for one in found.layers:
        assert one.sizes == (5, 10)
        assert one.after[1].distance < 1e-6
        assert one.before is None
        assert one.matched is None
    far = layer_distances(a, made(10, 1)[0], symmetry=small, other=large, measuring=raw)
    assert all(one.after[0].distance > 0.1 for one in far.layers)


def test_dimensions_rates_and_data() -> None:
    (a, symmetry, model), (b, _, _) = made(40, 0), made(40, 1)
    x = torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    data = OnData(model, [(x, None)])
    found = layer_distances(a, b, symmetry=symmetry, data=data, measuring=Measuring(form=None))
    first = found.layers[0]
    weight = a["0.weight"].double()
    naive = weight.T @ weight
    moment = x.double().T @ x.double() / len(x)
    ours = weight @ moment @ weight.T
    shown = torch.relu(x.double() @ weight.T + a["0.bias"].double())
    for estimate, matrix in (
        (first.dimensions.weights, naive),
        (first.dimensions.data, ours),
        (first.dimensions.shown, shown.T @ shown),
    ):
        assert estimate is not None
        ratio = float(matrix.trace() ** 2 / (matrix @ matrix).trace())
        assert estimate.value == pytest.approx(ratio, rel=1e-4)
    assert first.dimensions.intrinsic is not None
    assert first.dimensions.law is not None
    assert first.fit is not None
    assert first.fit.widths == (10, 20)
    weighted = layer_distances(a, b, symmetry=symmetry, data=OnData(model, [(x, None)], True))
    assert weighted.layers[0].after[1].distance != first.after[1].distance
    text = str(weighted)
    assert text.startswith("Distances\nunits of")
    assert "Fournier and Guillin" in text
    assert "in the metric of the data, of units" in text
    table = json.loads(json.dumps(weighted.to_json(), allow_nan=False))
    assert table["layers"][0]["law"]["theorem"] == first.dimensions.law.theorem


def test_few_units_have_no_dimension() -> None:
    (a, symmetry, _), (b, _, _) = made(8, 0), made(8, 1)
    for one in layer_distances(a, b, symmetry=symmetry).layers:
        assert one.dimensions.weights is None
        assert one.dimensions.law is None
        assert one.fit is None


def test_dead_units_count_once() -> None:
    (a, symmetry, _), (b, _, _) = made(80, 0), made(80, 1)
    for name in ("0.weight", "0.bias"):
        a[name][40:] = 0
    layers = layer_distances(a, b, symmetry=symmetry).layers
    assert layers[0].fit is not None
    assert layers[0].fit.widths == (10, 20)
    a["0.weight"][20:], a["0.bias"][20:] = 0, 0
    layers = layer_distances(a, b, symmetry=symmetry).layers
    assert layers[0].fit is None
    assert layers[1].fit is not None


def test_activations_are_of_units_in_their_order() -> None:
    name = "vgg"
    symmetry = symmetry_of(name)
    a = {n: t.float() if t.is_floating_point() else t for n, t in params(name).items()}
    only = symmetry.restrict(lambda space: space.name == unit_spaces(symmetry)[0])
    g = only.sample(2, scale=0.0)
    (x,) = entry(name).example()  # type: ignore[misc]
    batches = [(x, None)] * 2
    model = entry(name).build()
    before, after = (activations(model, batches, p, symmetry, 50) for p in (a, only.act(g, a)))
    space = unit_spaces(symmetry)[0]
    order = g.values[space].perm
    assert before[space].shape == (50, symmetry.spaces[space].size)
    torch.testing.assert_close(
        before[space][:, order].abs(), after[space].abs(), rtol=1e-3, atol=1e-4
    )


def test_what_is_refused() -> None:
    (a, small, model), (b, large, _) = made(4), made(6)
    with pytest.raises(BadInput, match="incoming weights and biases alone; leave parts"):
        layer_distances(
            a, b, symmetry=small, other=large, measuring=Measuring(Parts(outgoing=True))
        )
    with pytest.raises(BadInput, match="there are no batches"):
        layer_distances(a, a, symmetry=small, data=OnData(model, []))
    still = small.restrict(lambda space: False)
    with pytest.raises(BadInput, match="nothing is permuted in this model; it has no layers of"):
        layer_distances(a, a, symmetry=still)
    with pytest.raises(BadInput, match="is not in the"):
        layer_distances(a, params("mlp"), symmetry=small, other=symmetry_of("mlp"))
