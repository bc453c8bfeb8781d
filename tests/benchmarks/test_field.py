"""The baselines do what their papers say: a planted permutation is undone."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from isthmus import discover, params_of
from isthmus.alignment.interchange.axes import to_axes

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
METHODS = ("weight_matching", "frank_wolfe", "sinkhorn")


@pytest.fixture
def field(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The package of baselines."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import field

    return field


class Convolutional(nn.Module):
    """Two convolutions with a residual branch, pooled: permutations on kernels, and one shared."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3)
        self.inner, self.outer = nn.Conv2d(8, 6, 3, padding=1), nn.Conv2d(6, 8, 3, padding=1)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.outer(torch.relu(self.inner(torch.relu(x))))
        return self.head(torch.relu(x).mean((2, 3)))


def mlp() -> nn.Module:
    return nn.Sequential(
        nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 5)
    )


@pytest.fixture(params=["mlp", "convolutional"])
def pair(request: pytest.FixtureRequest) -> SimpleNamespace:
    """Two random models and the axes of their permutations."""
    torch.manual_seed(0)
    make = {"mlp": mlp, "convolutional": Convolutional}[request.param]
    one, two = make(), make()
    x = torch.randn(2, 12) if request.param == "mlp" else torch.randn(2, 3, 6, 6)
    axes = to_axes(discover(one, x, gauge="asis")).mapping
    return SimpleNamespace(a=params_of(one), b=params_of(two), axes=axes, model=two, x=x)


def moved(
    pair: SimpleNamespace, b: dict[str, Tensor], perms: dict[str, Tensor]
) -> dict[str, Tensor]:
    """By indexing, written out anew."""
    out = dict(b)
    for name, axes in pair.axes.items():
        for axis, perm in enumerate(axes):
            if perm is not None:
                out[name] = out[name].transpose(0, axis)[perms[perm]].transpose(0, axis)
    return out


def run(field: ModuleType, method: str, *models: object) -> dict[str, Tensor]:
    limits = {"weight_matching": {}, "frank_wolfe": {"seconds": 4.0}}
    found = limits.get(method, {"seconds": 4.0, "steps": 200})
    perms: dict[str, Tensor] = getattr(field, method)(*models, **found)
    return perms


def gap(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return float(sum((a[n] - b[n]).double().square().sum() for n in a) ** 0.5)


@pytest.mark.parametrize("method", METHODS)
def test_a_planted_permutation_is_undone(
    field: ModuleType, pair: SimpleNamespace, method: str
) -> None:
    generator = torch.Generator().manual_seed(1)
    names = {p for axes in pair.axes.values() for p in axes if p is not None}
    sizes = {p: pair.a[n].shape[k] for n, axes in pair.axes.items() for k, p in enumerate(axes)}
    planted = {p: torch.randperm(sizes[p], generator=generator) for p in sorted(names)}
    assert len(names) == 2
    there = moved(pair, pair.a, planted)
    assert gap(pair.a, there) > 1
    found = run(field, method, pair.a, there, pair.axes)
    assert gap(pair.a, moved(pair, there, found)) == 0.0


@pytest.mark.parametrize("method", METHODS)
def test_other_models_come_nearer_and_keep_their_function(
    field: ModuleType, pair: SimpleNamespace, method: str
) -> None:
    found = run(field, method, pair.a, pair.b, pair.axes)
    there = moved(pair, pair.b, found)
    assert gap(pair.a, there) < 0.97 * gap(pair.a, pair.b)
    expected = pair.model(pair.x)
    pair.model.load_state_dict(there)
    assert torch.allclose(pair.model(pair.x), expected, atol=1e-5)


def test_no_single_permutation_is_better_than_that_of_weight_matching(
    field: ModuleType, pair: SimpleNamespace
) -> None:
    """It ends where no swap of two units gains."""
    found = field.weight_matching(pair.a, pair.b, pair.axes)
    best = gap(pair.a, moved(pair, pair.b, found))
    for perm, order in found.items():
        for i in range(3):
            for j in range(i + 1, len(order)):
                swapped = order.clone()
                swapped[[i, j]] = order[[j, i]]
                assert gap(pair.a, moved(pair, pair.b, {**found, perm: swapped})) >= best - 1e-5


def test_the_gradient_through_the_sinkhorn_limit(field: ModuleType) -> None:
    """That of the implicit function theorem is that of many unrolled iterations."""
    from field.sinkhorn import Limit

    generator = torch.Generator().manual_seed(2)
    logits, weights = torch.randn(2, 6, 6, generator=generator)
    by_limit, unrolled = (logits.clone().requires_grad_() for _ in range(2))
    (Limit.apply(by_limit, 200) * weights).sum().backward()
    logs = unrolled
    for _ in range(200):
        logs = logs - logs.logsumexp(1, keepdim=True)
        logs = logs - logs.logsumexp(0, keepdim=True)
    (logs.exp() * weights).sum().backward()
    assert torch.allclose(by_limit.grad, unrolled.grad, atol=1e-4)
    assert float(unrolled.grad.abs().max()) > 0.01


def test_the_step_is_exact(field: ModuleType) -> None:
    """At the top of the parabola, or at the end of the segment that is higher."""
    from field.frank_wolfe import _length

    for curve in ((0.0, 4.0, -5.0), (1.0, 1.0, 3.0), (0.0, 4.0, -1.0), (2.0, 0.5, -3.0)):

        def value(t: float, curve: tuple[float, ...] = curve) -> float:
            return curve[0] + curve[1] * t + curve[2] * t * t

        best = max((value(k / 1000), k / 1000) for k in range(1001))[1]
        assert _length(value(0), curve[1], value(1)) == pytest.approx(best, abs=1e-3)
