"""transfer: exact on an orbit, for layers of every kind; not so without alignment."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from isthmus.algebra import Symmetry
from isthmus.algebra.groups import Motion
from isthmus.alignment import Match, align
from isthmus.discovery import discover
from isthmus.ground import BadInput, NotFinite, Params, ShapeMismatch, UnknownName, Verdict
from isthmus.merging import carry_task, transfer
from isthmus.testing.zoo import entry, randomise


@pytest.fixture(autouse=True)
def _quiet_torch() -> Iterator[None]:
    """PyTorch's export warns about its own use of pytree; only that is left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        yield


class Case(NamedTuple):
    """A base, what it became, and another model: numbers drawn at random, in float64."""

    model: nn.Module
    x: Tensor
    symmetry: Symmetry
    base: Params
    fine: Params
    other: Params

    def outputs(self, params: Params) -> Tensor:
        with torch.no_grad():
            found: Tensor = functional_call(self.model, params, (self.x,))
        return found

    def settled(self, params: Params) -> Params:
        """With what no output depends on put in the gauge."""
        return self.symmetry.canonical(params)


def gap(a: Params, b: Params) -> float:
    """The largest difference, relative."""
    most = max(float(t.abs().max()) for t in b.values() if t.is_floating_point())
    return max(float((a[n] - t).abs().max()) for n, t in b.items()) / most


def perceptron() -> nn.Module:
    return nn.Sequential(nn.Linear(5, 9), nn.ReLU(), nn.Linear(9, 7), nn.Tanh(), nn.Linear(7, 3))


def convolution() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
        nn.Conv2d(6, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(20, 3),
    )  # fmt: skip


@cache
def case(name: str) -> Case:
    generator = torch.Generator().manual_seed(5)
    if name == "gpt":
        build, example = entry("gpt").build, entry("gpt").example()
        x = example[0] if isinstance(example, tuple) else example
    else:
        build = {"mlp": perceptron, "convolution": convolution}[name]
        shape = (4, 5) if name == "mlp" else (4, 2, 4, 4)
        x = torch.randn(shape, generator=generator, dtype=torch.float64)
    base, other = (
        {n: t.clone() for n, t in randomise(build(), seed).double().eval().state_dict().items()}
        for seed in (3, 4)
    )
    fine = {n: tuned(n, t, generator) for n, t in base.items()}
    model = build().double().eval()
    return Case(model, x, discover(model, x), base, fine, other)


def tuned(name: str, tensor: Tensor, generator: torch.Generator) -> Tensor:
    if not tensor.is_floating_point():
        return tensor
    noise = 0.1 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
    return tensor * (1 + noise) if name.endswith("running_var") else tensor + noise


NAMES = ("mlp", "convolution", "gpt")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", [1, 2])
def test_on_the_orbit_what_was_learned_arrives_whole(name: str, seed: int) -> None:
    one = case(name)
    g = one.symmetry.sample(seed)
    target, wanted = (one.symmetry.act(g, params) for params in (one.base, one.fine))
    found = transfer(one.fine, one.base, to=target, symmetry=one.symmetry)
    assert found.certificate.verdict is Verdict.TESTED
    assert gap(one.settled(found.params), one.settled(wanted)) < 1e-9
    assert torch.allclose(one.outputs(found.params), one.outputs(one.fine), rtol=1e-9, atol=1e-11)
    # Added without alignment it does not.
    naive = {n: t + (one.fine[n] - one.base[n]) for n, t in target.items()}
    away = (one.outputs(naive) - one.outputs(one.fine)).norm() / one.outputs(one.fine).norm()
    assert away > 1e-3
    assert gap(one.settled(naive), one.settled(wanted)) > 1e-2


@pytest.mark.parametrize("name", NAMES)
def test_a_known_element_needs_no_search(name: str) -> None:
    one = case(name)
    g = one.symmetry.sample(7)
    target, wanted = (one.symmetry.act(g, params) for params in (one.base, one.fine))
    found = carry_task(one.fine, one.base, to=target, element=g)
    assert gap(one.settled(found), one.settled(wanted)) < 1e-12
    none = carry_task(one.fine, one.base, to=target, element=g, scale=0.0)
    assert gap(none, target) < 1e-12
    twice = carry_task(one.fine, one.base, to=target, element=g, scale=2.0)
    back = carry_task(one.fine, one.base, to=twice, element=g, scale=-2.0)
    free_of_floors = {n: t for n, t in back.items() if "running_var" not in n}
    assert gap(free_of_floors, {n: target[n] for n in free_of_floors}) < 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_a_base_that_is_moved_with_its_fine_tune_changes_nothing(name: str) -> None:
    """The law for any two models: ``g·h⁻¹`` carries from ``h·A`` what ``g`` carries from A."""
    one = case(name)
    g, h = (one.symmetry.sample(k) for k in (8, 9))
    moved = [one.symmetry.act(h, params) for params in (one.fine, one.base)]
    direct = carry_task(one.fine, one.base, to=one.other, element=g, scale=0.7)
    round_about = carry_task(*moved, to=one.other, element=g @ ~h, scale=0.7)
    assert gap(round_about, direct) < 1e-9
    skewed = carry_task(*moved, to=one.other, element=g, scale=0.7)
    assert gap(skewed, direct) > 1e-3


def test_between_strangers_nothing_is_promised() -> None:
    one = case("mlp")
    found = transfer(one.fine, one.base, to=one.other, symmetry=one.symmetry, scale=0.5)
    assert found.certificate.verdict is Verdict.UNKNOWN
    assert not found.certificate
    assert found.certificate.evidence["left"] > 0.01
    assert found.scale == 0.5
    again = carry_task(one.fine, one.base, to=one.other, element=found.alignment.element, scale=0.5)
    assert gap(found.params, again) == 0
    data = found.to_json()
    assert "params" not in data
    assert data["vector"] == pytest.approx(found.vector)
    assert "task vector of length" in str(found)


def test_permutations_keep_the_length_of_a_task_vector() -> None:
    one = case("mlp")
    turns = one.symmetry.restrict((Motion.SWAP, Motion.FLIP))
    found = transfer(one.fine, one.base, to=one.other, symmetry=turns)
    assert found.moved == pytest.approx(found.vector, rel=1e-12)
    whole = transfer(one.fine, one.base, to=one.other, symmetry=one.symmetry)
    assert whole.moved != pytest.approx(whole.vector, rel=1e-6)


def test_the_method_finds_the_element() -> None:
    one = case("mlp")
    g = one.symmetry.sample(3)

    def known(*_: object) -> Match:
        return Match(g)

    target = one.symmetry.act(g, one.base)
    found = transfer(one.fine, one.base, to=target, symmetry=one.symmetry, method=known)
    assert gap(found.params, one.symmetry.act(g, one.fine)) < 1e-12


def test_variances_stay_positive_and_counts_are_the_targets() -> None:
    one = case("convolution")
    element = align(one.base, to=one.other, symmetry=one.symmetry).element
    shrunk = {n: t / 100 if n.endswith("running_var") else t for n, t in one.fine.items()}
    for scale in (1.0, 5.0):
        found = carry_task(shrunk, one.base, to=one.other, element=element, scale=scale)
        assert all(float(t.min()) > 0 for n, t in found.items() if n.endswith("running_var"))
    counts = [n for n in found if n.endswith("num_batches_tracked")]
    assert counts
    assert all(torch.equal(found[n], one.other[n]) for n in counts)


def test_dtypes_are_kept() -> None:
    one = case("mlp")
    fine, base, to = (
        {n: t.float() for n, t in params.items()} for params in (one.fine, one.base, one.other)
    )
    found = transfer(fine, base, to=to, symmetry=one.symmetry).params
    assert list(found) == list(to)
    assert all(t.dtype == torch.float32 for t in found.values())


def test_bad_input_is_refused() -> None:
    one = case("mlp")

    def given(**more: object) -> object:
        words = {"fine": one.fine, "base": one.base, "to": one.other, "scale": 1.0, **more}
        return transfer(symmetry=one.symmetry, **words)  # type: ignore[arg-type]

    with pytest.raises(BadInput, match="the scale is inf; give a finite number"):
        given(scale=float("inf"))
    with pytest.raises(UnknownName, match="parameter '0.bias' is missing"):
        given(fine={n: t for n, t in one.fine.items() if n != "0.bias"})
    with pytest.raises(ShapeMismatch, match="0.bias has shape"):
        given(fine=one.fine | {"0.bias": torch.zeros(2)})
    with pytest.raises(NotFinite, match="0.bias of the fine-tuned model"):
        given(fine=one.fine | {"0.bias": torch.full((9,), torch.nan)})
