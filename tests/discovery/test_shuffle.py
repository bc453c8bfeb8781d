"""Index sets: channel shuffles, steps and odd halves keep the group as large as it is."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from isthmus.algebra.reps import Rep
from isthmus.algebra.symmetry import Symmetry
from isthmus.discovery import discover, verify
from isthmus.ground.certificates import Verdict
from isthmus.ground.params import params_of


class Unit(nn.Module):
    """A unit that keeps the resolution: half of the channels passes, half is convolved."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.branch = nn.Sequential(
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, half, 3, 1, 1, groups=half, bias=False),
            nn.BatchNorm2d(half),
            nn.Conv2d(half, half, 1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, h, w) to the same."""
        kept, other = x.chunk(2, 1)
        return shuffled(torch.cat([kept, self.branch(other)], 1))


def shuffled(x: Tensor) -> Tensor:
    """The two halves of the channels interleaved."""
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Stack(nn.Module):
    """Some units in series, between a stem and a linear head."""

    def __init__(self, channels: int, units: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, channels, 1)
        self.units = nn.Sequential(*(Unit(channels) for _ in range(units)))
        self.head = nn.Linear(channels, 4)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, h, w) to (n, 4)."""
        return self.head(self.units(torch.relu(self.stem(x))).mean((2, 3)))


def stack(channels: int, units: int) -> tuple[nn.Module, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = Stack(channels, units).eval()
    return model, torch.randn(2, 3, 4, 4, generator=torch.Generator().manual_seed(2))


Label = tuple[int, int]
"""The unit that made a channel (-1 for the stem), and which of its channels it is."""


def flow(channels: int, units: int) -> tuple[list[list[Label]], list[Label]]:
    """By hand: which channels each unit's branch reads, in order, and which the head."""
    half = channels // 2
    now = [(-1, k) for k in range(channels)]
    read = []
    for unit in range(units):
        read.append(now[half:])
        both = [now[:half], [(unit, k) for k in range(half)]]
        now = [both[row][k] for k in range(half) for row in range(2)]
    return read, now


def exchanged(model: nn.Module, channels: int, units: int, a: Label, b: Label) -> dict[str, Tensor]:
    """The parameters with two channels of one origin exchanged wherever they occur."""
    params = {name: tensor.clone() for name, tensor in params_of(model).items()}

    def swap(name: str, dim: int, i: int, j: int) -> None:
        index = list(range(params[name].shape[dim]))
        index[i], index[j] = j, i
        params[name] = params[name].index_select(dim, torch.tensor(index))

    read, last = flow(channels, units)
    if a[0] < 0:
        written = ["stem.weight", "stem.bias"]
    else:
        norm = [f"6.{n}" for n in ("weight", "bias", "running_mean", "running_var")]
        written = [f"units.{a[0]}.branch.{n}" for n in ("5.weight", *norm)]
    for name in written:
        swap(name, 0, a[1], b[1])
    for unit, labels in enumerate(read):
        if a in labels and b in labels:
            swap(f"units.{unit}.branch.0.weight", 1, labels.index(a), labels.index(b))
    if a in last and b in last:
        swap("head.weight", 1, last.index(a), last.index(b))
    return params


@torch.no_grad()
def by_brute_force(model: nn.Module, x: Tensor, channels: int, units: int) -> list[set[Label]]:
    """The classes of channels of which every two may be exchanged: tried, two by two."""
    model = model.double()
    before = model(x.double())
    origins = [[(-1, k) for k in range(channels)]]
    origins += [[(unit, k) for k in range(channels // 2)] for unit in range(units)]
    classes: list[set[Label]] = []
    for labels in origins:
        for label in labels:
            for known in classes:
                other = min(known)
                if other[0] == label[0]:
                    params = exchanged(model, channels, units, other, label)
                    after = torch.func.functional_call(model, params, (x.double(),))
                    if float((after - before).abs().max() / before.abs().max()) < 1e-12:
                        known.add(label)
                        break
            else:
                classes.append({label})
    return classes


def spaces_of(symmetry: Symmetry, name: str) -> list[set[int]]:
    """The coordinates of the first axis of a parameter, by the space they belong to."""
    found: dict[str | None, set[int]] = {}
    for block in symmetry.reps[name].blocks:
        index = block.index[0]
        places = range(index.start, index.stop) if isinstance(index, slice) else index.tolist()
        key = block.axes[0][0].space or f"fixed {block.start}"
        found.setdefault(key, set()).update(places)
    return sorted(found.values(), key=min)


@pytest.mark.parametrize(("channels", "units"), [(8, 1), (8, 2), (12, 2), (12, 3), (20, 3)])
def test_exactly_the_channels_that_brute_force_finds(channels: int, units: int) -> None:
    model, x = stack(channels, units)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.2 * torch.randn_like(tensor).abs())
    assert verify(discover(model, x), model, x).verdict is Verdict.TESTED
    symmetry = discover(model, x, gauge="asis")
    assert verify(symmetry, model, x).verdict is Verdict.TESTED
    expected = by_brute_force(model, x, channels, units)
    for origin in range(-1, units):
        name = "stem.weight" if origin < 0 else f"units.{origin}.branch.5.weight"
        mine = sorted(({k for _, k in c} for c in expected if min(c)[0] == origin), key=min)
        assert spaces_of(symmetry, name) == mine, name


@torch.no_grad()
def test_channels_of_two_classes_cannot_be_exchanged() -> None:
    model, x = stack(12, 3)
    classes = by_brute_force(model, x, 12, 3)
    before = model(x.double())
    for a, b in itertools.combinations([min(c) for c in classes], 2):
        if a[0] == b[0]:
            params = exchanged(model, 12, 3, a, b)
            after = torch.func.functional_call(model, params, (x.double(),))
            assert float((after - before).abs().max() / before.abs().max()) > 1e-6


def test_a_stack_of_real_width() -> None:
    model, x = stack(116, 4)
    symmetry = discover(model, x)
    assert verify(symmetry, model, x, samples=2).verdict is Verdict.TESTED
    assert spaces_of(symmetry, "stem.weight")[-1] == set(range(58, 116))
    sizes = sorted(space.size for space in symmetry.spaces.values())
    inner, last, one = [58] * 4, [58], [58]
    assert sizes == sorted([7, 7, 7, 8, 14, 14, 15, 15, *[29] * 5, *inner, *last, *one])


def test_reps_with_places_are_read_back() -> None:
    model, x = stack(12, 3)
    symmetry = discover(model, x)
    placed = [r for r in symmetry.reps.values() if "@" in r.text(symmetry.spaces)]
    assert placed
    for rep in placed:
        text = rep.text(symmetry.spaces)
        again = Rep.parse(text, symmetry.spaces)
        assert again.text(symmetry.spaces) == text
        tiles = torch.zeros(rep.shape)
        for block in again.blocks:
            block.write(tiles, block.read(tiles) + 1)
        assert bool((tiles == 1).all())


SETS: dict[str, tuple[Callable[[Any, Tensor], Tensor], dict[str, Any], str]] = {
    "every other": (
        lambda m, x: m.h(torch.relu(m.a(x)[:, ::2])) + m.k(torch.tanh(m.a(x)[:, 1::2])),
        {"a": (6, 8), "h": (4, 3), "k": (4, 3)},
        "M⁺(4) × B(4)",
    ),
    "every other of an odd number": (
        lambda m, x: m.h(torch.relu(m.a(x)[:, ::2])) + m.k(torch.tanh(m.a(x)[:, 1::2])),
        {"a": (6, 9), "h": (5, 3), "k": (4, 3)},
        "M⁺(5) × B(4)",
    ),
    "every third, and the rest": (
        lambda m, x: m.h(torch.relu(m.a(x)[:, ::3])) + m.k(torch.tanh(m.a(x)[:, 1::3])),
        {"a": (6, 8), "h": (3, 3), "k": (3, 3)},
        "M⁺(3) × B(3) × GL(2)",
    ),
    "a step inside": (
        lambda m, x: m.h(torch.relu(m.a(x)[:, 1:6:2])),
        {"a": (6, 8), "h": (3, 3)},
        "GL(5) × M⁺(3)",
    ),
    "interleaved and halved": (
        lambda m, x: m.h(
            torch.relu(torch.cat([m.a(x), m.b(x)], 1).view(-1, 2, 5).mT.flatten(1)[:, :5])
        ),
        {"a": (6, 5), "b": (6, 5), "h": (5, 3)},
        "M⁺(3) × GL(2) × M⁺(2) × GL(3)",
    ),
}


@pytest.mark.parametrize("kind", SETS)
def test_sets_of_indices(kind: str, tools: SimpleNamespace) -> None:
    forward, parts, expected = SETS[kind]
    found = tools.groups(forward, **parts)
    assert sorted(found.split(" × ")) == sorted(expected.split(" × "))


Layer = Callable[[Tensor, int], Tensor]


def rearranged(rng: random.Random, steps: int) -> Callable[[Tensor, Layer], Tensor]:
    """A network of linear layers between random rearrangements of their units."""
    kinds = ("shuffle", "half", "step", "cat", "layer", "relu", "add", "tanh", "odd")
    program = [(rng.choice(kinds), rng.randrange(8), rng.randrange(8)) for _ in range(steps)]

    def run(x: Tensor, layer: Layer) -> Tensor:
        pool = [layer(x, 8), layer(x, 8)]
        for kind, i, j in program:
            made = _step(kind, pool[i % len(pool)], pool[j % len(pool)], i, layer)
            if made is not None and 2 <= made.shape[1] <= 24:
                pool.append(made)
        return torch.cat([layer(a, 2) for a in pool[-3:]], 1)

    return run


def _step(kind: str, a: Tensor, b: Tensor, i: int, layer: Layer) -> Tensor | None:
    size = a.shape[1]
    if kind == "shuffle":
        rows = next((r for r in (2, 3, 4) if size % r == 0), 0)
        return a.view(-1, rows, size // rows).mT.flatten(1) if rows else None
    if kind == "half":
        return a[:, : size // 2] if i % 2 else a[:, size // 2 :]
    if kind == "odd":
        return a[:, 1 : size - i % 2]
    if kind == "step":
        return a[:, i % 2 :: 2 + i % 3]
    if kind == "cat":
        return torch.cat([a, b], 1)
    if kind == "layer":
        return layer(a, 4 + i)
    if kind == "add":
        return a + b if a.shape == b.shape else None
    return torch.relu(a) if kind == "relu" else torch.tanh(a)


class Rearranged(nn.Module):
    """A network that makes its layers as it is first run."""

    def __init__(self, seed: int, steps: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        self.run = rearranged(random.Random(seed), steps)
        self.run(torch.zeros(2, 6), self._made)

    def _made(self, x: Tensor, size: int) -> Tensor:
        self.layers.append(nn.Linear(x.shape[1], size))
        return self.layers[-1](x)

    def forward(self, x: Tensor) -> Tensor:
        """(2, 6) to (2, 6)."""
        layers = iter(self.layers)
        return self.run(x, lambda y, _: next(layers)(y))


def check(seeds: Sequence[int]) -> None:
    for seed in seeds:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = Rearranged(seed, 4 + seed % 9).eval()
        x = torch.randn(2, 6, generator=torch.Generator().manual_seed(seed))
        symmetry = discover(model, x)
        certificate = verify(symmetry, model, x, samples=4)
        assert certificate.verdict is Verdict.TESTED, f"seed {seed}\n{symmetry}\n{certificate}"


def test_nothing_unsound_comes_out_of_rearranging() -> None:
    check(range(60))


@pytest.mark.slow
@pytest.mark.parametrize("block", range(10))
def test_many_rearrangements(block: int) -> None:
    check(range(1000 + 100 * block, 1100 + 100 * block))
