"""Charts: reversible, harmless, and said where they are singular; the action's laws in them."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from isthmus import discover
from isthmus.algebra.charts import Chart, GaugeWarning
from isthmus.algebra.groups import Permutation, Translation
from isthmus.algebra.groups.base import Motion
from isthmus.algebra.orbits import Orbit
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.discovery.verify import relative_change
from isthmus.ground.errors import BadInput
from isthmus.ground.params import params_of
from isthmus.landscape.orbit_paths import OrbitPath
from isthmus.testing.zoo import entry, randomise

NAMES = (
    "gpt", "gpt_tied", "gpt_rms_norm", "llama", "llama_four_heads", "mlp_mixer", "convnext",
    "encoder_layer_gelu", "encoder_layer_gelu_norm_first", "attention_module", "lstm_classifier",
    "gru_classifier", "resnet20", "hf_gpt2",
)  # fmt: skip
NORMED = ("gpt", "gpt_tied", "llama", "encoder_layer_gelu", "mlp_mixer", "convnext")

seeds = st.integers(0, 2**16)
quick = settings(max_examples=5)


@cache
def discovered(name: str) -> tuple[Symmetry, nn.Module]:
    """The symmetry, and a double model."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        one = entry(name)
        model = one.build()
        return discover(model, one.example()), model.double().eval()


def point(name: str, seed: int | None) -> Params:
    """Parameters in float64: those of initialisation, or generic ones."""
    model = entry(name).build()
    model = model if seed is None else randomise(model, seed)
    return {n: t.clone() for n, t in params_of(model.double()).items()}


def value(name: str, params: Params) -> Tensor:
    """The model's output."""
    model, inputs = discovered(name)[1], entry(name).example()
    named = inputs if isinstance(inputs, dict) else {}
    given = () if isinstance(inputs, dict) else inputs
    wide = tuple(x.double() if x.is_floating_point() else x for x in given)
    with torch.no_grad():
        out: Tensor = torch.func.functional_call(model, params, wide, named)
    return out


def kept(name: str, before: Params, after: Params) -> float:
    """How much the function has changed."""
    return relative_change([value(name, before)], [value(name, after)])


def gap(a: Params, b: Params) -> float:
    """The largest difference, over the size of its tensor and at least a hundredth."""
    assert list(a) == list(b)
    return max(
        float((a[n] - b[n]).abs().max()) / max(0.01, float(a[n].abs().max()))
        for n in a
        if a[n].is_floating_point() and a[n].numel()
    )


def free_spaces(symmetry: Symmetry) -> set[str]:
    return {symmetry.reps[name].spaces[0] for name in symmetry.chart.canonical}


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_there_and_back(name: str, seed: int | None) -> None:
    symmetry, params = discovered(name)[0], point(name, seed)
    back = symmetry.chart.back(symmetry.chart.to(params))
    assert gap(params, {n: back[n] for n in params}) < 1e-12
    assert gap(params, symmetry.act(symmetry.identity(), params)) < 1e-12


@pytest.mark.parametrize("name", NAMES)
def test_the_caller_s_tensors_are_left_alone(name: str) -> None:
    symmetry, params = discovered(name)[0], point(name, 3)
    before = {n: t.clone() for n, t in params.items()}
    symmetry.canonical(params)
    symmetry.act(symmetry.sample(0), params)
    assert all(torch.equal(before[n], t) for n, t in params.items())


@quick
@given(seed=seeds, name=st.sampled_from(NAMES))
def test_the_action_is_one_of_a_group(seed: int, name: str) -> None:
    symmetry, params = discovered(name)[0], point(name, seed % 50)
    g, h = symmetry.sample(seed), symmetry.sample(seed + 1)
    assert gap(symmetry.act(g @ h, params), symmetry.act(g, symmetry.act(h, params))) < 1e-10
    assert gap(params, symmetry.act(~g, symmetry.act(g, params))) < 1e-10
    assert kept(name, params, symmetry.act(g, params)) < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_the_canonical_form(name: str) -> None:
    symmetry, params = discovered(name)[0], point(name, 4)
    settled = symmetry.canonical(params)
    assert [(n, t.shape, t.dtype) for n, t in settled.items()] == [
        (n, t.shape, t.dtype) for n, t in params.items()
    ]
    assert kept(name, params, settled) < 1e-9
    assert gap(settled, symmetry.canonical(settled)) < 1e-12
    free = free_spaces(symmetry)
    alone = symmetry.restrict(lambda space: space.name in free)
    moved = alone.act(alone.sample(5), params)
    assert gap(settled, symmetry.canonical(moved)) < 1e-11
    if free:
        assert gap(params, moved) > 1e-3
    coordinates = symmetry.coordinates(settled)
    for coordinate, wanted in symmetry.chart.canonical.items():
        shown = coordinates[coordinate]
        shown = shown[:-1] if isinstance(symmetry.spaces[
            symmetry.reps[coordinate].spaces[0]].group, Translation) else shown  # fmt: skip
        assert float((shown - wanted).abs().max()) < 1e-11, coordinate


@pytest.mark.parametrize("name", NAMES)
def test_the_essential_part_goes_with_the_canonical_form(name: str) -> None:
    """canonical(g p) = g canonical(p), where g moves nothing that is free."""
    symmetry, params = discovered(name)[0], point(name, 6)
    free = free_spaces(symmetry)
    essential = symmetry.restrict(lambda space: space.name not in free)
    g = essential.sample(7)
    one = symmetry.canonical(essential.act(g, params))
    assert gap(one, symmetry.canonical(essential.act(g, symmetry.canonical(params)))) < 1e-10


@pytest.mark.parametrize("name", ["gpt", "gpt_tied", "gpt_rms_norm", "llama", "llama_four_heads"])
def test_no_generator_is_redundant(name: str) -> None:
    symmetry = discovered(name)[0]
    tangent = Orbit(symmetry, point(name, 8)).tangent()
    assert tangent.shape[0] == symmetry.lie_dim
    assert int(torch.linalg.matrix_rank(tangent)) == symmetry.lie_dim


@pytest.mark.parametrize("name", ["gpt", "gpt_tied", "llama", "encoder_layer_gelu", "mlp_mixer"])
def test_flows_keep_the_function(name: str) -> None:
    symmetry, params = discovered(name)[0], point(name, 9)
    path = OrbitPath(symmetry, symmetry.sample(10), params)
    for t in (0.0, 0.3, 0.71, 1.0):
        assert kept(name, params, path(t)) < 1e-9


@pytest.mark.parametrize("name", ["gpt", "llama", "mlp_mixer", "lstm_classifier"])
def test_restrictions_act_and_lift(name: str) -> None:
    symmetry, params = discovered(name)[0], point(name, 11)
    free = free_spaces(symmetry)
    for smaller in (
        symmetry.restrict(Translation),
        symmetry.restrict([Motion.SHIFT]),
        symmetry.restrict(Permutation),
        symmetry.restrict([Motion.SWAP, Motion.TURN]),
        symmetry.restrict(lambda space: space.name in free),
        symmetry.restrict(lambda space: space.name not in free),
    ):
        g = smaller.sample(12)
        moved = smaller.act(g, params)
        assert kept(name, params, moved) < 1e-9
        assert gap(moved, symmetry.act(symmetry.lift(g), params)) < 1e-12


def test_only_shifts_are_left_of_a_restriction_to_translations() -> None:
    symmetry = discovered("gpt")[0]
    shifts = symmetry.restrict(Translation)
    assert shifts.lie_dim == sum(
        s.group.lie_dim for s in symmetry.spaces.values() if isinstance(s.group, Translation)
    )
    assert shifts.lie_dim > 0


@pytest.mark.parametrize("name", NAMES)
def test_charts_are_data(name: str) -> None:
    symmetry, params = discovered(name)[0], point(name, 13)
    assert Chart.from_json(json.loads(json.dumps(symmetry.chart.to_json()))) == symmetry.chart
    read = Symmetry.from_json(json.loads(json.dumps(symmetry.to_json())))
    assert read == symmetry
    assert gap(symmetry.act(symmetry.sample(1), params), read.act(read.sample(1), params)) == 0


@pytest.mark.parametrize(
    "step", [{"kind": "twist"}, {"kind": "offset", "name": "a"}, {"kind": "flat", "size": 3}]
)
def test_a_chart_of_unknown_steps_is_refused(step: dict[str, object]) -> None:
    with pytest.raises(BadInput, match="cannot read the chart"):
        Chart.from_json({"steps": [step], "canonical": {}, "shapes": {}})


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["gpt", "llama", "gru_classifier"])
def test_dtypes_are_kept(name: str, dtype: torch.dtype) -> None:
    symmetry = discovered(name)[0]
    params = {n: t.to(dtype) for n, t in point(name, 14).items()}
    tolerance = 40 * torch.finfo(dtype).eps
    back = symmetry.act(symmetry.identity(), params)
    assert {t.dtype for t in back.values()} == {dtype}
    wide = {n: t.double() for n, t in params.items()}
    assert gap(wide, {n: t.double() for n, t in back.items()}) < tolerance
    moved = symmetry.act(symmetry.sample(0), params)
    assert {t.dtype for t in moved.values()} == {dtype}
    assert {t.dtype for t in symmetry.canonical(params).values()} == {dtype}


def fill(
    weight: Callable[[Tensor], object], bias: Callable[[Tensor], object]
) -> Callable[..., None]:
    """Change the gains and biases of norms."""

    def change(params: Params) -> None:
        for name, tensor in params.items():
            if "norm" in name:
                (weight if name.endswith("weight") else bias)(tensor)

    return change


def nothing(tensor: Tensor) -> None:
    """Leave it."""


def first(number: float) -> Callable[[Tensor], object]:
    return lambda tensor: tensor[:1].fill_(number)


SINGULAR = {
    "a gain of zero": fill(first(0.0), nothing),
    "gains of zero": fill(lambda t: t.zero_(), nothing),
    "all of zero": fill(lambda t: t.zero_(), lambda t: t.zero_()),
    "a gain of zero without bias": fill(first(0.0), first(0.0)),
    "a gain near zero": fill(first(1e-12), nothing),
    "a gain of almost nothing": fill(first(1e-30), nothing),
    "a bias of mean zero": fill(lambda t: t.fill_(1), lambda t: t.sub_(t.mean())),
    "a bias of exact mean zero": fill(
        lambda t: t.fill_(1),
        lambda t: t.copy_(torch.tensor([1.0, -1.0]).repeat(len(t) // 2)),
    ),
}


@pytest.mark.parametrize("case", SINGULAR)
@pytest.mark.parametrize("name", NORMED)
def test_where_the_gauge_is_singular(name: str, case: str) -> None:
    """No division by what vanishes: the function stays, the numbers stay finite and small."""
    symmetry, params = discovered(name)[0], point(name, 15)
    SINGULAR[case](params)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        images = [symmetry.canonical(params), symmetry.act(symmetry.identity(), params)]
        images += [symmetry.act(symmetry.sample(seed), params) for seed in range(3)]
    for image in images:
        assert all(bool(t.isfinite().all()) for t in image.values())
        assert max(float(t.abs().max()) for t in image.values()) < 1e3
        assert kept(name, params, image) < 1e-9
    assert {w.category for w in said} <= {GaugeWarning}
    if "gain" in case:
        assert "it becomes one" in str(said[0].message)
        assert "norm" in str(said[0].message)


def test_a_bias_of_zero_stays_zero() -> None:
    """Before a head without bias the level of the norm's bias is 0, and scales leave it there."""
    symmetry, params = discovered("gpt")[0], point("gpt", 16)
    params["norm.bias"].zero_()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moved = symmetry.act(symmetry.sample(3), params)
        assert not bool(moved["norm.bias"].any())
        assert not bool(symmetry.canonical(params)["norm.bias"].any())
        assert gap(params, symmetry.act(symmetry.identity(), params)) < 1e-12
    assert kept("gpt", params, moved) < 1e-9


def test_a_level_that_vanishes_is_said() -> None:
    symmetry, params = discovered("gpt")[0], point("gpt", 17)
    SINGULAR["a bias of exact mean zero"](params)
    with pytest.warns(GaugeWarning, match="norm.bias over norm.weight has mean zero"):
        symmetry.canonical(params)
