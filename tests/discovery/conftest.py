"""Modules written as functions, and modules composed at random from the operator vocabulary."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery.discover import discover
from isthmus.discovery.verify import verify
from isthmus.ground.certificates import Certificate, Verdict

Forward = Callable[..., Any]
Step = tuple[int, int, int, int]
"""Which operator, on which tensors of the pool, in which variant."""
Run = Callable[["Composed", Tensor, Tensor], Tensor]
Made = Run | None


@pytest.fixture(autouse=True)
def _quiet_torch() -> Iterator[None]:
    """PyTorch's export warns about its own use of pytree; only that is left out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
        yield


class Written(nn.Module):
    """A module whose forward is a function of itself and its inputs."""

    def __init__(self, forward: Forward, parts: dict[str, Any]) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)
        self.written = forward

    def forward(self, *inputs: Any) -> Any:
        """What was written."""
        return self.written(self, *inputs)


def written(forward: Forward, **parts: Any) -> nn.Module:
    """A seeded module from a function; integers ``(in, out)`` stand for linear layers."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        made = {name: part() if callable(part) and not isinstance(part, nn.Module) else part
                for name, part in parts.items()}  # fmt: skip
        return Written(forward, {n: _part(part) for n, part in made.items()}).eval()


def _part(part: Any) -> Any:
    if isinstance(part, tuple):
        return nn.Linear(*part)
    if isinstance(part, list):
        return nn.Parameter(torch.randn(part))
    return part


def noise(*shape: int) -> Tensor:
    """Inputs, equal at every call."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def typed(
    forward: Forward, example: Any = None, samples: int = 6, **parts: Any
) -> tuple[Symmetry, Certificate]:
    """The symmetry of a written module, and whether it holds."""
    model = written(forward, **parts)
    example = noise(2, 6) if example is None else example
    symmetry = discover(model, example)
    return symmetry, verify(symmetry, model, example, samples=samples)


def groups(forward: Forward, example: Any = None, **parts: Any) -> str:
    """The groups, in order, of a written module whose symmetry holds."""
    symmetry, certificate = typed(forward, example, **parts)
    assert certificate.verdict is Verdict.TESTED, f"{certificate}\n{symmetry}"
    return headline(symmetry)


def headline(symmetry: Symmetry) -> str:
    """The groups without the names of spaces: ``S(2) × GL(4)≀``, ``≀`` for indexed ones."""
    shown = [f"{s.group}{'≀' if s.over else ''}" for s in symmetry.spaces.values()]
    return " × ".join(shown) or "1"


class Composed(nn.Module):
    """A network replayed from steps: each makes a tensor of earlier ones, or is skipped."""

    def __init__(self, steps: Sequence[Step], example: Tensor) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.weights = nn.ParameterList()
        self.program: list[Callable[[Composed, list[Tensor]], Tensor]] = []
        self.text: list[str] = []
        pool = [example]
        for op, first, second, variant in [(0, 0, 0, 0), *steps]:
            a, b = first % len(pool), second % len(pool)
            run = OPERATORS[op % len(OPERATORS)](self, pool[a], pool[b], variant)
            if run is not None:
                self._append(run, a, b, pool, OPERATORS[op % len(OPERATORS)].__name__)
        self.readers = nn.ModuleList(nn.Linear(t.flatten(1).shape[1], 3) for t in pool[-2:])
        self.eval()

    def _append(self, run: Run, a: int, b: int, pool: list[Tensor], name: str) -> None:
        with torch.no_grad():
            made = run(self, pool[a], pool[b])
        if not 2 <= made.ndim <= 4 or made.numel() > 400 or made.shape[0] != 2:
            return
        pool.append(made)
        self.program.append(lambda m, values: run(m, values[a], values[b]))
        self.text.append(f"v{len(pool) - 1} {tuple(made.shape)} = {name}(v{a}, v{b})")

    def forward(self, x: Tensor) -> Tensor:
        """(2, …) to (2, 3)."""
        values = [x]
        for step in self.program:
            values.append(step(self, values))
        return sum(  # type: ignore[return-value]
            read(value.flatten(1)) for read, value in zip(self.readers, values[-2:], strict=False)
        )


def linear(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    return _layer(net, nn.Linear(a.shape[-1], (8, 4, 6, 12)[k % 4], bias=k % 3 != 0))


def again(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    fits = _fitting(net, "in_features", a.shape[-1])
    return (lambda m, x, _: m.layers[fits[k % len(fits)]](x)) if fits else None


def transposed_weight(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    fits = _fitting(net, "out_features", a.shape[-1])
    return (lambda m, x, _: x @ m.layers[fits[k % len(fits)]].weight) if fits else None


def _fitting(net: Composed, side: str, size: int) -> list[int]:
    """The linear layers with so many features."""
    return [i for i, layer in enumerate(net.layers) if getattr(layer, side, 0) == size]


def _layer(net: Composed, layer: nn.Module) -> Made:
    net.layers.append(layer)
    place = len(net.layers) - 1
    return lambda m, x, _: m.layers[place](x)


def activation(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    chosen = (F.relu, torch.tanh, F.gelu, torch.abs, torch.sin, torch.square, F.hardtanh, torch.cos)
    return lambda m, x, _: chosen[k % len(chosen)](x)


def homogeneous(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    chosen = (F.relu, F.leaky_relu, torch.sign, lambda x: F.relu(x) ** 2, lambda x: x**3)
    return lambda m, x, _: chosen[k % len(chosen)](x)


def add(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    if a.shape != b.shape:
        return None
    return lambda m, x, y: x + y if k % 2 else x - y


def multiply(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    if a.shape != b.shape:
        return None
    return (lambda m, x, y: F.silu(x) * y) if k % 2 else (lambda m, x, y: x * y)


def divide(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    return (lambda m, x, y: x / (y.abs() + 1)) if a.shape == b.shape else None


def larger(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    if a.shape != b.shape:
        return None
    if k % 2:
        return lambda m, x, y: torch.where(x > y, x, y)
    return lambda m, x, y: torch.maximum(x, y)


def masked(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    return (lambda m, x, y: x * (y > 0)) if a.shape == b.shape else None


def concatenate(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    dim = 1 + k % (a.ndim - 1)
    same = a.ndim == b.ndim and all(
        m == n for d, (m, n) in enumerate(zip(a.shape, b.shape, strict=True)) if d != dim
    )
    return (lambda m, x, y: torch.cat([x, y], dim)) if same else None


def stack(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    dim = 1 + k % a.ndim
    return (lambda m, x, y: torch.stack([x, y], dim)) if a.shape == b.shape else None


def cut(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    dim = 1 + k % (a.ndim - 1)
    size = a.shape[dim]
    if size < 2:
        return None
    start, length = ((0, size // 2), (size // 2, size - size // 2), (1, size - 1), (0, size - 1))[
        (k // 3) % 4
    ]
    return lambda m, x, _: x.narrow(dim, start, length)


def stride(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    if a.shape[-1] % 2:
        return None
    return lambda m, x, _: x[..., k % 2 :: 2]


def pick(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    dim = 1 + k % (a.ndim - 1)
    return (lambda m, x, _: x.select(dim, (k // 2) % a.shape[dim])) if a.ndim > 2 else None


def chunks(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    if a.shape[-1] % 2:
        return None

    def halves(m: Composed, x: Tensor, _: Tensor) -> Tensor:
        one, two = x.chunk(2, -1)
        return F.relu(one) * two if k % 2 else torch.cat([two, one], -1)

    return halves


def split_view(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    parts = (2, 3, 4)[k % 3]
    if a.shape[-1] % parts:
        return None
    sizes = (parts, -1) if (k // 3) % 2 else (-1, parts)
    return lambda m, x, _: x.unflatten(-1, sizes)


def join_view(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    return (lambda m, x, _: x.flatten(-2)) if a.ndim > 2 else None


def other_view(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    parts = (2, 3, 4)[k % 3]
    if a.ndim < 3 or a[0].numel() % parts:
        return None
    return lambda m, x, _: x.reshape(2, parts, -1)


def swap_axes(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    if a.ndim < 3:
        return None
    return lambda m, x, _: x.transpose(-1, 1 + k % (a.ndim - 2))


def softmax(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    return lambda m, x, _: x.softmax(1 + k % (a.ndim - 1))


def total(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    chosen = (torch.sum, torch.mean, torch.amax, torch.var, torch.linalg.vector_norm)
    dim = 1 + k % (a.ndim - 1)
    if a.shape[dim] < 2:
        return None
    keep = a.ndim == 2 or bool(k % 2)
    return lambda m, x, _: chosen[(k // 2) % 5](x, dim=dim, keepdim=keep)


def spread(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    return (lambda m, x, y: x * y) if a.ndim == b.ndim and _broadcasts(a, b) else None


def _broadcasts(a: Tensor, b: Tensor) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(a.shape, b.shape, strict=True))


def norm(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    affine = bool(k % 2)
    if (k // 2) % 2:
        layer: nn.Module = nn.RMSNorm(a.shape[-1], elementwise_affine=affine)
    else:
        layer = nn.LayerNorm(a.shape[-1], elementwise_affine=affine)
    return _layer(net, layer)


def channel_norm(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    if a.ndim > 3:
        return None
    channels = a.shape[1]
    kinds: tuple[Callable[[], nn.Module], ...] = (
        lambda: nn.BatchNorm1d(channels, affine=bool(k % 2)),
        lambda: nn.GroupNorm(2 if channels % 2 == 0 else 1, channels, affine=bool(k % 2)),
    )
    if (k // 2) % 2 and a.ndim < 3:
        return None
    return _layer(net, kinds[(k // 2) % 2]())


def parameter(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    shape = a.shape[1 + k % (a.ndim - 1) :]
    net.weights.append(nn.Parameter(torch.randn(shape)))
    at = len(net.weights) - 1
    return (
        (lambda m, x, _: x + m.weights[at]) if k // 3 % 2 else (lambda m, x, _: x * m.weights[at])
    )


def convolution(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    if a.ndim != 3 or a.shape[1] % 2:
        return None
    grouped = 2 if k % 2 else 1
    return _layer(net, nn.Conv1d(a.shape[1], 4, 1 + 2 * (k // 2 % 2), 1, 1, groups=grouped))


def scores(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    if a.ndim < 3 or a.shape != b.shape:
        return None
    if k % 2:
        return lambda m, x, y: F.scaled_dot_product_attention(
            x, y, y + x, is_causal=bool(k % 4 == 1)
        )
    return lambda m, x, y: x @ y.transpose(-1, -2)


def contraction(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    if a.ndim != 3 or b.ndim != 3:
        return None
    word = ("bij,bkj->bik", "bij,bij->bi", "bij,bij->bj", "bij,bik->bjk")[k % 4]
    known: dict[str, int] = {}
    for letter, size in zip("".join(word[:7].split(",")), (*a.shape, *b.shape), strict=True):
        if known.setdefault(letter, size) != size:
            return None
    return lambda m, x, y: torch.einsum(word, x, y)


def positional(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    dim = 1 + k % (a.ndim - 1)
    chosen = (
        lambda m, x, _: x.flip(dim),
        lambda m, x, _: x.cumsum(dim),
        lambda m, x, _: x.roll(1, dim),
        lambda m, x, _: F.pad(x, (1, 0)),
    )
    return chosen[(k // 3) % 4]


def copies(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    if k % 2:
        return lambda m, x, _: x.repeat_interleave(2, -1)
    return lambda m, x, _: torch.cat([x, x], -1)


def in_place(net: Composed, a: Tensor, b: Tensor, k: int) -> Made:
    def write(m: Composed, x: Tensor, y: Tensor) -> Tensor:
        z = x * 1
        view = z[..., : max(1, z.shape[-1] // 2)]
        (view.relu_, z.tanh_, lambda: z.mul_(2.0), view.sigmoid_)[k % 4]()
        return z

    return write


OPERATORS = (
    linear, activation, linear, add, multiply, concatenate, cut, split_view, join_view, norm,
    softmax, again, homogeneous, swap_axes, total, transposed_weight, larger, masked, stack,
    stride, pick, chunks, other_view, spread, channel_norm, parameter, convolution, scores,
    contraction, positional, copies, divide, in_place,
)  # fmt: skip


def compose(steps: Sequence[Step], shape: Sequence[int]) -> tuple[nn.Module, Tensor, str]:
    """A network from its steps, its input, and its text."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        example = noise(*shape)
        net = Composed(steps, example)
    return net, example, "\n".join(net.text)


@pytest.fixture(scope="session")
def tools() -> SimpleNamespace:
    """What the tests of discovery share."""
    return SimpleNamespace(
        written=written,
        noise=noise,
        typed=typed,
        groups=groups,
        headline=headline,
        compose=compose,
        operators=OPERATORS,
    )
