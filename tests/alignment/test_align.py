"""align as a user meets it: histories, seeds, starts, dtypes, errors."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
import torch
from scipy.optimize import linear_sum_assignment

from isthmus.algebra.elements import Element
from isthmus.algebra.groups import (
    GeneralLinear,
    Moves,
    Permutation,
    PositiveScaling,
    SignedPermutation,
)
from isthmus.algebra.symmetry import Symmetry
from isthmus.alignment import (
    Identity,
    Outward,
    Random,
    Signature,
    WeightMatching,
    align,
    natural_weights,
)
from isthmus.alignment.matcher import Match
from isthmus.ground.certificates import Verdict
from isthmus.ground.errors import BadInput, NotAMember, NotFinite, ShapeMismatch, UnknownName

NAMES = ["mlp", "mlp_tanh", "vgg", "linear_net", "gated_swiglu", "attention_separate", "unet"]


@pytest.mark.parametrize("name", NAMES)
def test_the_objective_never_rises(name: str, tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of(name)
    a, b = tools.independent(name, 1), tools.independent(name, 2)
    fit = align(b, to=a, symmetry=symmetry, method=WeightMatching(sweeps=12))
    history = fit.certificate.evidence["objective"]
    assert len(history) >= 2
    assert all(late <= early for early, late in itertools.pairwise(history))
    assert fit.after <= fit.before
    # Lengths in front of a norm, which least squares would shorten, end as the target's.
    near = fit.certify(b, to=a).certificate.evidence["distance"]
    assert history[-1] ** 0.5 == pytest.approx(near, rel=1e-3)
    assert fit.after == pytest.approx(near, rel=1e-3) or name in ("vgg", "unet")


@pytest.mark.parametrize("name", ["mlp", "vgg", "encoder_layer_relu"])
def test_equal_seeds_give_equal_results(name: str, tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of(name)
    a, b = tools.independent(name, 1), tools.independent(name, 2)
    method = WeightMatching(restarts=2, sweeps=4)
    one, two = (align(b, to=a, symmetry=symmetry, method=method, seed=5) for _ in range(2))
    assert one.after == two.after
    assert all(torch.equal(one.params[n], two.params[n]) for n in one.params)
    assert one.element.to_json() == two.element.to_json()


def test_restarts_are_tried_and_the_best_result_is_kept(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp_gelu")
    a, b = tools.independent("mlp_gelu", 1), tools.independent("mlp_gelu", 2)
    plain = align(b, to=a, symmetry=symmetry)
    method = WeightMatching(restarts=20, finish=23)
    more = align(b, to=a, symmetry=symmetry, method=method)
    evidence = more.certificate.evidence
    assert len(evidence["distances"]) == len(evidence["starts"]) == 23
    assert evidence["starts"].count("Random") == 20
    assert len({round(d, 6) for d in evidence["distances"]}) > 1
    assert more.after <= plain.after
    assert more.after == pytest.approx(min(evidence["distances"]), rel=1e-5)


def test_seeds_lead_to_other_random_starts(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp_gelu")
    a, b = tools.independent("mlp_gelu", 1), tools.independent("mlp_gelu", 2)
    method = WeightMatching(starts=(Random(),), sweeps=1)
    found = {align(b, to=a, symmetry=symmetry, method=method, seed=k).after for k in range(6)}
    assert len(found) > 1


@pytest.mark.parametrize("start", [Identity(), Outward(), Signature(), Random()], ids=repr)
def test_every_start_undoes_a_small_planted_change(start: object, tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp_tanh"), tools.params("mlp_tanh")
    b = symmetry.act(symmetry.sample(seed=1), a)
    fit = align(b, to=a, symmetry=symmetry, method=WeightMatching(starts=(start,)))  # type: ignore[arg-type]
    assert fit.after <= fit.before
    assert fit.certificate.evidence["start"] == type(start).__name__


def test_what_is_aligned_already_stays(tools: SimpleNamespace) -> None:
    for name in ("mlp", "vgg", "attention_separate", "lstm_classifier", "gated_reglu"):
        symmetry, a = tools.symmetry_of(name), tools.params(name)
        fit = align(a, to=a, symmetry=symmetry)
        assert fit.before == 0.0
        assert fit.after <= 1e-6 * tools.norm(a)
        assert tools.gap(a, fit.params) <= 1e-6


def test_the_identity_is_found_exactly_from_the_identity(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("vgg"), tools.params("vgg")
    fit = align(a, to=a, symmetry=symmetry, method=WeightMatching(starts=(Identity(),)))
    assert fit.after <= 1e-7 * tools.norm(a)
    for name, value in fit.element.values.items():
        if not isinstance(value, Moves):
            assert not value.any(), name
            continue
        assert torch.equal(value.perm, torch.arange(len(value.perm)))
        assert bool((value.signs > 0).all())
        assert float(value.logs.abs().max()) < 1e-5


def test_a_pair_after_alignment_is_aligned(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp_gelu")
    a, b = tools.independent("mlp_gelu", 1), tools.independent("mlp_gelu", 2)
    once = align(b, to=a, symmetry=symmetry)
    method = WeightMatching(starts=(Identity(),))
    twice = align(once.params, to=a, symmetry=symmetry, method=method)
    assert twice.after == pytest.approx(once.after, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", ["mlp_gelu", "mlp", "text_classifier"])
def test_parameters_come_back_in_their_dtype(
    name: str, dtype: torch.dtype, tools: SimpleNamespace
) -> None:
    symmetry, a = tools.symmetry_of(name), tools.params(name)
    a = {n: t.to(dtype) for n, t in a.items()}
    b = symmetry.act(symmetry.sample(seed=1), a)
    fit = align(b, to=a, symmetry=symmetry)
    assert all(t.dtype == dtype for t in fit.params.values())
    assert fit.after <= {torch.float64: 1e-6, torch.float16: 3e-3, torch.bfloat16: 2e-2}[
        dtype
    ] * tools.norm({n: t.double() for n, t in a.items()})


def test_inputs_are_left_alone(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("vgg")
    a, b = tools.params("vgg"), tools.params("vgg", seed=4)
    kept = [{n: t.clone() for n, t in p.items()} for p in (a, b)]
    fit = align(b, to=a, symmetry=symmetry, method=WeightMatching(sweeps=2))
    for before, after in zip(kept, (a, b), strict=True):
        assert all(torch.equal(before[n], after[n]) for n in before)
    assert all(fit.params[n].data_ptr() != b[n].data_ptr() for n in b if b[n].numel())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("which", ["b", "to"])
def test_weights_that_are_not_finite_are_refused(
    which: str, value: float, tools: SimpleNamespace
) -> None:
    symmetry = tools.symmetry_of("mlp")
    models = {"b": tools.params("mlp"), "to": tools.params("mlp")}
    models[which]["fc2.bias"][3] = value
    with pytest.raises(NotFinite) as caught:
        align(models["b"], to=models["to"], symmetry=symmetry)
    assert str(caught.value) == (
        f"fc2.bias of {which} holds NaN or infinity; align models of finite weights"
    )


def test_other_architectures_are_refused(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp"), tools.params("mlp")
    with pytest.raises(UnknownName, match="parameter 'fc1.bias' is missing"):
        align({n: t for n, t in a.items() if n != "fc1.bias"}, to=a, symmetry=symmetry)
    with pytest.raises(UnknownName, match="unknown parameter 'fc3.bias'; did you mean"):
        align(a, to={**a, "fc3.bias": a["fc2.bias"]}, symmetry=symmetry)
    with pytest.raises(ShapeMismatch, match=r"fc1.bias has shape \(9,\), expected \(8,\)"):
        align({**a, "fc1.bias": torch.zeros(9)}, to=a, symmetry=symmetry)


def test_the_result_reads_well(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp"), tools.params("mlp")
    fit = align(symmetry.act(symmetry.sample(seed=1), a), to=a, symmetry=symmetry)
    assert str(fit).startswith(f"distance {fit.before:.6g} before, ")
    assert fit.certificate.verdict is Verdict.TESTED
    assert not fit.certificate
    assert fit.certificate.margin == fit.before - fit.after
    data = json.loads(json.dumps(fit.to_json()))
    assert data["before"] == fit.before
    assert data["after"] == fit.after


def test_a_restricted_symmetry_restricts_alignment(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp")
    swaps = symmetry.restrict(Permutation)
    a, b = tools.independent("mlp", 1), tools.independent("mlp", 2)
    fit = align(b, to=a, symmetry=swaps)
    assert all(value.logs.numel() == 0 for value in fit.element.values.values())
    assert align(b, to=a, symmetry=symmetry).after < fit.after
    assert sorted(fit.params["fc1.bias"].tolist()) == sorted(b["fc1.bias"].tolist())


def test_starting_outward_is_not_worse_than_starting_where_one_stands(
    tools: SimpleNamespace,
) -> None:
    symmetry = tools.symmetry_of("mlp_gelu")
    outward, identity = [], []
    for seed in range(12):
        a, b = (tools.independent("mlp_gelu", 2 * seed + k) for k in range(2))
        for start, found in ((Outward(), outward), (Identity(), identity)):
            method = WeightMatching(starts=(start,))
            found.append(align(b, to=a, symmetry=symmetry, method=method).after)
    assert sum(outward) <= sum(identity)


def test_no_symmetry_is_no_alignment() -> None:
    from torch import nn

    from isthmus.discovery import discover

    model = nn.Linear(3, 2)
    symmetry = discover(model, torch.zeros(1, 3))
    a = {n: t.detach() for n, t in model.named_parameters()}
    b = {n: t + 1 for n, t in a.items()}
    fit = align(b, to=a, symmetry=symmetry)
    assert fit.before == fit.after > 0
    assert fit.element.is_identity


@dataclass(frozen=True)
class Wrong:
    """A matcher that leaves the group."""

    value: object
    space: str

    def __call__(self, a: object, b: object, symmetry: Symmetry, generator: object) -> Match:
        values = {**symmetry.identity().values, self.space: self.value}
        return Match(Element(symmetry, values))


EYE = torch.eye(8, dtype=torch.float64)
TURN = torch.linalg.qr(torch.arange(64).sin().reshape(8, 8).double())[0]
STILL = SignedPermutation(8).identity()
BAD = {
    "not a permutation": ("mlp", STILL._replace(perm=torch.zeros(8, dtype=torch.int64))),
    "a scale is not finite": (
        "mlp",
        PositiveScaling(8).identity()._replace(logs=torch.full((1, 8), torch.nan)),
    ),
    "a sign is not 1 or -1": ("mlp_tanh", STILL._replace(signs=torch.full((1, 8), 0.5))),
    "singular": ("linear_net", EYE * torch.tensor([1.0] * 7 + [0.0])),
    "undoing the element": (
        "linear_net",
        TURN @ (1e-13 ** (torch.arange(8).double() / 7)).diag() @ TURN,
    ),
}


@pytest.mark.parametrize("said", BAD)
def test_what_a_matcher_finds_is_checked(said: str, tools: SimpleNamespace) -> None:
    name, value = BAD[said]
    symmetry, a = tools.symmetry_of(name), tools.params(name)
    space = next(n for n, s in symmetry.spaces.items() if s.size == 8)
    with pytest.raises(NotAMember, match=said):
        align(a, to=a, symmetry=symmetry, method=Wrong(value, space))


@pytest.mark.parametrize("name", ["mlp", "linear_net", "gpt", "llama", "gated_swiglu"])
def test_every_alignment_keeps_the_function(name: str, tools: SimpleNamespace) -> None:
    """Of independent models, in float64: the outputs of b, before and after."""
    symmetry, model = tools.symmetry_of(name), tools.model_of(name).double()
    a, b = ({n: t.double() for n, t in tools.independent(name, k).items()} for k in (1, 2))
    fit = align(b, to=a, symmetry=symmetry)
    assert fit.kept <= 1e-9
    assert fit.rounding == 0.0
    example = tools.example_of(name)
    with torch.no_grad():
        expected = torch.func.functional_call(model, b, example)
        found = torch.func.functional_call(model, fit.params, example)
    assert float((found - expected).norm()) <= 1e-9 * float(expected.norm())


def test_rounding_of_half_precision_is_stated(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("mlp"), tools.params("mlp")
    half = {n: t.to(torch.bfloat16) for n, t in a.items()}
    b = symmetry.act(symmetry.sample(seed=1), half)
    assert 1e-4 < align(b, to=half, symmetry=symmetry).rounding < 2**-8
    assert align(a, to=a, symmetry=symmetry).rounding == 0.0


def test_weights_say_which_parameters_count(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("mlp_gelu")
    a, b = tools.independent("mlp_gelu", 1), tools.independent("mlp_gelu", 2)

    def left(name: str, weight: float) -> float:
        method = WeightMatching(weights={name: weight}, restarts=8, finish=11)
        fit = align(b, to=a, symmetry=symmetry, method=method)
        return float((a[name] - fit.params[name]).square().sum())

    for name in ("fc1.weight", "fc2.weight"):
        assert left(name, 1e6) < left(name, 0.0)
    # Alone, the first layer is an assignment problem.
    cost = torch.cdist(a["fc1.weight"], b["fc1.weight"]).square().numpy()
    best = cost[linear_sum_assignment(cost)].sum()
    others = {n: 0.0 for n in symmetry.reps if n != "fc1.weight" and not symmetry.reps[n].fixed}
    fit = align(b, to=a, symmetry=symmetry, method=WeightMatching(weights=others))
    found = float((a["fc1.weight"] - fit.params["fc1.weight"]).square().sum())
    assert found == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"fc1.weight": -1.0}, "the weight of fc1.weight is -1.0; give finite weights, at least 0"),
        ({"fc1.wieght": 1.0}, ("a weight is given for 'fc1.wieght', on which nothing acts; "
                              "did you mean 'fc1.weight'?")),
    ],
)  # fmt: skip
def test_weights_that_make_no_sense_are_refused(
    weights: dict[str, float], said: str, tools: SimpleNamespace
) -> None:
    symmetry, a = tools.symmetry_of("mlp"), tools.params("mlp")
    with pytest.raises(BadInput) as caught:
        align(a, to=a, symmetry=symmetry, method=WeightMatching(weights=weights))
    assert str(caught.value) == said


@pytest.mark.parametrize("name", ["linear_net", "attention_separate", "gpt"])
@pytest.mark.parametrize("seed", range(3))
def test_shears_stay_far_from_singular(name: str, seed: int, tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of(name)
    a, b = tools.independent(name, 2 * seed), tools.independent(name, 2 * seed + 1)
    fit = align(b, to=a, symmetry=symmetry, method=WeightMatching(starts=(Identity(),), sweeps=5))
    for space, value in fit.element.values.items():
        if isinstance(symmetry.spaces[space].group, GeneralLinear):
            assert float(torch.linalg.cond(value).max()) < 2e5
    assert fit.kept < 1e-10


def test_distances_are_those_that_are_minimised(tools: SimpleNamespace) -> None:
    """A sigmoid's constant is absorbed by the next bias: there the action is not linear."""
    symmetry = tools.symmetry_of("mlp_sigmoid")
    a, b = tools.independent("mlp_sigmoid", 1), tools.independent("mlp_sigmoid", 2)
    fit = align(b, to=a, symmetry=symmetry)
    assert fit.certificate.evidence["objective"][-1] ** 0.5 == pytest.approx(fit.after, rel=1e-6)


def test_natural_weights_give_coordinates_the_lengths_of_parameters(tools: SimpleNamespace) -> None:
    symmetry, a = tools.symmetry_of("llama"), tools.params("llama")
    weights = natural_weights(symmetry, a)
    coordinates = symmetry.coordinates(a)
    assert len(weights) > 5
    for name, weight in weights.items():
        assert weight * float(coordinates[name].square().sum()) == pytest.approx(
            float(a[name].square().sum()), rel=1e-5
        )
    b = symmetry.act(symmetry.sample(seed=1), a)
    fit = align(b, to=a, symmetry=symmetry, method=WeightMatching(weights=weights))
    assert fit.after <= 1e-5 * tools.norm(a)


def test_what_a_batch_norm_measured_moves_along_and_does_not_count(tools: SimpleNamespace) -> None:
    symmetry = tools.symmetry_of("vgg")
    a, b = tools.independent("vgg", 1), tools.independent("vgg", 2)
    loud = {n: t * (1000 if n.endswith("running_var") else 1) for n, t in b.items()}
    fit, other = (align(x, to=a, symmetry=symmetry) for x in (b, loud))
    assert (other.before, other.after) == (fit.before, fit.after)
    variances = [name for name in b if name.endswith("running_var")]
    assert variances
    assert not any(torch.equal(other.params[name], loud[name]) for name in variances)
    for name, tensor in fit.params.items():
        assert name in variances or torch.equal(other.params[name], tensor)
