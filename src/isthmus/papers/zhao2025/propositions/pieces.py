"""What `topology` measures: components of sets, of groups and of orbits, counted one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from isthmus.algebra import Rep, Space, Symmetry
from isthmus.algebra.groups import GeneralLinear
from isthmus.ground import Params
from isthmus.papers.bench import Bench
from isthmus.papers.zhao2025.components import random_minimum
from isthmus.papers.zhao2025.networks import normal
from isthmus.topology import LinearMinimum, group_components, orbit_components


@dataclass(frozen=True)
class Settings:
    """What is drawn.

    Attributes:
        draws: Random sets for each statement.
        steps: Of grids, and of paths.
        sizes: n, of the orthogonal groups.
        points: Of each orbit.
        shapes: h and l of linear networks.
    """

    draws: int = 200
    steps: int = 1000
    sizes: tuple[int, ...] = (1, 2, 3)
    points: int = 1500
    shapes: tuple[tuple[int, int], ...] = ((1, 2), (1, 4), (2, 2), (2, 3), (3, 3))


def images(bench: Bench, settings: Settings) -> Params:
    """Proposition 3.4: pieces of a set of intervals, of its continuous image, of a broken one.

    ``images`` is ``(draws, 3)``. Functions are random sums of waves; the broken one has a jump.
    """
    generator = torch.Generator().manual_seed(bench.seed)
    rows = []
    for _ in range(settings.draws):
        count = int(torch.randint(1, 7, (), generator=generator))
        edges = torch.rand(2 * count, generator=generator, dtype=torch.float64).sort().values
        spans = edges.reshape(-1, 2)
        weights, phases = normal(generator, 4), normal(generator, 4)
        waves = torch.arange(1.0, 5.0, dtype=torch.float64)
        jump = float(spans[0].mean())
        found = [count]
        for height in (0.0, 100.0):
            ends = []
            for low, high in spans.tolist():
                x = torch.linspace(low, high, settings.steps, dtype=torch.float64)
                y = (weights * torch.sin(3 * waves * x[:, None] + phases)).sum(1)
                y = y + height * (x > jump)
                ends += _intervals(y)
            found.append(_merged(ends))
        rows.append(found)
    return {"images": torch.tensor(rows)}


def _intervals(values: Tensor) -> list[tuple[float, float]]:
    """What a curve covers, cut where neighbours are further apart than any continuous step is."""
    cuts = ((values.diff().abs() > 1).nonzero().flatten() + 1).tolist()
    parts = torch.tensor_split(values, cuts)
    return [(float(part.min()), float(part.max())) for part in parts]


def _merged(intervals: list[tuple[float, float]]) -> int:
    """How many pieces the union of intervals has."""
    count, reach = 0, -math.inf
    for low, high in sorted(intervals):
        count, reach = count + (low > reach), max(reach, high)
    return count


def grids(bench: Bench, settings: Settings) -> Params:
    """Propositions 3.5 and 3.8: pieces of random sets of cells that share sides.

    ``products``: of two sets and of their product; ``partitions``: of a set, and the sum over the
    parts of a random partition; ``(draws, 3)`` and ``(draws, 2)``.
    """
    random = np.random.default_rng(bench.seed)
    products, partitions = [], []
    for _ in range(settings.draws):
        one, two = (random.random(size) < 0.6 for size in ((6, 6), (12,)))
        both = one[:, :, None] & two[None, None, :]
        products.append([_pieces(one), _pieces(two), _pieces(both)])
        whole = random.random((16, 16)) < 0.6
        cuts = np.sort(random.integers(0, 17, 2))
        part = np.searchsorted(cuts, np.arange(16), side="right")[:, None]  # three strips
        partitions.append([_pieces(whole), sum(_pieces(whole & (part == k)) for k in range(3))])
    return {"products": torch.tensor(products), "partitions": torch.tensor(partitions)}


def _pieces(mask: npt.NDArray[np.bool_]) -> int:
    return int(ndimage.label(mask)[1])


def spheres(bench: Bench, settings: Settings) -> Params:
    """Corollary 3.6: pieces of O(n), and of its orbit of a vector: ``(sizes, 2)``.

    Random points are joined where they are nearer than half of the least distance between both
    pieces of the group, which is 2.
    """
    generator = torch.Generator().manual_seed(bench.seed + 1)
    rows = []
    for n in settings.sizes:
        group = torch.linalg.qr(normal(generator, settings.points, n, n)).Q
        signs = normal(generator, settings.points, 1, n).sign()
        group = group * signs  # both signs of the determinant
        rows.append([_clusters(group.flatten(1)), _clusters(group[:, :, 0])])
    return {"spheres": torch.tensor(rows)}


def _clusters(points: Tensor) -> int:
    near = torch.cdist(points, points) < 1
    return int(connected_components(near.numpy(), directed=False)[0])


def orbits(bench: Bench, settings: Settings) -> Params:
    """Corollaries 3.3 and 3.7: minima of linear networks as orbits of ``GL_h^(l-1)``.

    ``orbits``: pieces of the group, of one orbit (by the stabiliser), of the minimum (labels that
    random minima have), for hidden widths h and h + 1: ``(shapes, 2, 3)``. ``free`` is how far
    ``f⁻¹(f(g))`` is from g at most, and ``transitive`` how far g·W is from W' for the g between
    them, relative.
    """
    generator = torch.Generator().manual_seed(bench.seed + 2)
    rows, worst = [], torch.zeros(2, dtype=torch.float64)
    for h, depth in settings.shapes:
        row = []
        for width in (h, h + 1):
            minimum = _network(generator, h, width, depth)
            symmetry = _group(minimum)
            a = random_minimum(generator, minimum) if width == h else _wide(generator, minimum)
            seen = minimum.components.count or 0
            if width == h:
                draws = [random_minimum(generator, minimum) for _ in range(settings.draws)]
                seen = len({minimum.label(one, 1e-6) for one in draws})
                pairs = pairwise(draws[:11])
                worst = torch.stack([worst, *(_between(minimum, *p) for p in pairs)]).amax(0)
            counts = (group_components(symmetry), orbit_components(symmetry, a))
            row.append([*(round(math.exp(one.log_most)) for one in counts), seen])
        rows.append(row)
    return {"orbits": torch.tensor(rows), "free": worst[0], "transitive": worst[1]}


def _network(generator: torch.Generator, h: int, width: int, depth: int) -> LinearMinimum:
    widths = [h, *[width] * (depth - 1), h]
    shapes = {f"{k}.weight": (widths[k + 1], widths[k]) for k in range(depth)}
    return LinearMinimum(shapes, normal(generator, h, h), normal(generator, h, h))


def _wide(generator: torch.Generator, minimum: LinearMinimum) -> Params:
    """Random weights, and a last one that makes up for them, of wider layers."""
    weights = [normal(generator, *shape) for shape in list(minimum.layers.values())[:-1]]
    before = minimum.inputs.mT
    for weight in weights:
        before = weight @ before
    return minimum.named([*weights, minimum.targets.mT @ torch.linalg.pinv(before)])


def _group(minimum: LinearMinimum) -> Symmetry:
    """``GL(d₁) × ... × GL(d_{l-1})`` on the hidden layers."""
    widths = minimum.hidden
    spaces = {f"h{k}": Space(f"h{k}", n, GeneralLinear(n)) for k, n in enumerate(widths)}
    reps = {}
    for k, (name, (out, into)) in enumerate(minimum.layers.items()):
        left = f"h{k}" if k < len(widths) else str(out)
        reps[name] = Rep.parse(f"{left} ⊗ {f'h{k - 1}*' if k else into}", spaces)
    return Symmetry(spaces, reps)


def _between(minimum: LinearMinimum, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> Tensor:
    """Proposition 4.1: f⁻¹ and back, and the element that leads from a to b."""
    one, two = minimum.weights(a), minimum.weights(b)
    x, y = minimum.inputs.mT, minimum.targets.mT
    groups = [[weights[0] @ x, *weights[1:-1]] for weights in (one, two)]
    last = y
    for g in groups[0]:
        last = torch.linalg.solve(g, last, left=False)
    back = [torch.linalg.solve(x, groups[0][0], left=False), *groups[0][1:], last]
    free = max(_apart(p, q) for p, q in zip(back, one, strict=True))
    moved, before = [], torch.eye(len(x), dtype=torch.float64)
    for k, weight in enumerate(one):
        after = before if k == len(one) - 1 else two[k] @ before @ torch.linalg.inv(weight)
        part = torch.linalg.solve(before, weight, left=False)
        moved.append(part if k == len(one) - 1 else after @ part)
        before = after
    return torch.tensor([free, max(_apart(p, q) for p, q in zip(moved, two, strict=True))])


def _apart(one: Tensor, two: Tensor) -> float:
    return float((one - two).norm() / two.norm())


def paths(bench: Bench, settings: Settings) -> Params:
    """Theorem 3.1: how many labels there are along paths in the minimum, a number for each path."""
    generator = torch.Generator().manual_seed(bench.seed + 3)
    counts = []
    for h, depth in settings.shapes:
        minimum = _network(generator, h, h, depth)
        a = random_minimum(generator, minimum)
        b = random_minimum(generator, minimum)
        while minimum.label(a, 1e-6) != minimum.label(b, 1e-6):
            b = random_minimum(generator, minimum)
        path, steps = minimum.path(a, b), settings.steps // 5
        labels = {minimum.label(path(k / steps), 1e-6) for k in range(steps + 1)}
        counts.append(len(labels))
    return {"labels": torch.tensor(counts)}


def examples(bench: Bench, settings: Settings) -> Params:
    """Appendix A.8 on a grid: pieces of the space, of an orbit at most, the sum over all orbits.

    First two rays under the positive numbers; then the plane without 0, or so many lines of it as
    a grid has exactly, under all numbers but 0; then under the positive ones: ``(3, 3)``.
    """
    x, y = np.mgrid[-20:21, -20:21]
    plane = np.maximum(abs(x), abs(y)) > 1
    lines = [plane & (line == 0) for line in (x, y, x - y, x + y)]
    halves = [line & (side > 0) for line in lines for side in (x + 2 * y, -x - 2 * y)]
    rays = halves[::2][:2]
    rows = []
    for space, parts in ((rays[0] | rays[1], rays), (plane, lines), (plane, halves)):
        pieces = [int(ndimage.label(part, np.ones((3, 3)))[1]) for part in parts]
        rows.append([int(ndimage.label(space, np.ones((3, 3)))[1]), max(pieces), sum(pieces)])
    return {"examples": torch.tensor(rows)}
