"""How the moved parameters change along the Lie algebra, and the adjoint of that.

One velocity per space, ``(*batch, lie_dim)``. `push` takes velocities to changes of parameters,
``X ↦ d/ds exp(sX)·w``; `pull` takes changes of parameters to velocities. Scales act on one
coordinate at a time and are kept diagonal; all others act by their generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property

import torch
from torch import Tensor

from isthmus.algebra.groups import AbstractMonomial, AbstractRotation, Group
from isthmus.algebra.groups.base import along, spread
from isthmus.algebra.groups.moves import combined
from isthmus.alignment.matching.pairs import FADED
from isthmus.alignment.matching.problem import Occurrence, Problem
from isthmus.ground import matrices

Velocities = dict[str, Tensor]


class Derivative:
    """The derivative of the action at the moved parameters of a problem."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.symmetry = problem, problem.symmetry
        self.names = [
            n for n, s in self.symmetry.spaces.items() if s.group.lie_dim and problem.places[n]
        ]
        self._adjoints: dict[str, Callable[[Tensor], tuple[Tensor]]] = {}
        self.at: dict[str, list[tuple[str, Occurrence]]] = {}
        for name in self.names:
            for place in problem.places[name]:
                self.at.setdefault(place.name, []).append((name, place))
        # Each place is read once; places of one parameter that share a block share the reading.
        self.read = {
            _key(place): place.block.read(problem.moved[parameter])
            for parameter, places in self.at.items()
            for _, place in places
        }

    def shape(self, name: str) -> tuple[int, ...]:
        """Of one velocity."""
        return (*self.symmetry.batch(name), self.symmetry.spaces[name].group.lie_dim)

    def push(self, velocity: Velocities) -> dict[str, Tensor]:
        """The change of every parameter that is acted on."""
        return self._pushed(self._rates(velocity), self.at)

    def pull(self, change: Mapping[str, Tensor]) -> Velocities:
        """The adjoint of `push`."""
        return self._pulled([change])

    def gradient(self) -> Velocities:
        """What of the distance to the target lies along the group, pulled back."""
        target, moved = self.problem.target, self.problem.moved
        gaps = ({n: target[n] - moved[n] for n in names} for names in self.problem.coupled)
        return self._pulled(map(self.problem.weighed, gaps))

    def normal(self, velocity: Velocities) -> Velocities:
        """The normal equations: pushed, weighed and pulled, a few parameters at a time."""
        rates = self._rates(velocity)
        images = (self._pushed(rates, names) for names in self.problem.coupled)
        return self._pulled(map(self.problem.weighed, images))

    def _rates(self, velocity: Velocities) -> dict[str, Callable[[Tensor, Occurrence], Tensor]]:
        return {n: _rate(self.symmetry.spaces[n].group, velocity[n]) for n in self.names}

    def _pushed(
        self,
        rates: Mapping[str, Callable[[Tensor, Occurrence], Tensor]],
        parameters: Iterable[str],
    ) -> dict[str, Tensor]:
        out: dict[str, Tensor] = {}
        for parameter in parameters:
            for name, place in self.at.get(parameter, ()):
                if parameter not in out:
                    out[parameter] = torch.zeros_like(self.problem.moved[parameter])
                whole, change = out[parameter], rates[name](self.read[_key(place)], place)
                place.block.write(whole, place.block.read(whole) + change)
        return out

    def _pulled(self, changes: Iterable[Mapping[str, Tensor]]) -> Velocities:
        groups = {name: self.symmetry.spaces[name].group for name in self.names}
        sums = {
            name: torch.zeros(
                *self.symmetry.batch(name),
                group.scales if isinstance(group, AbstractMonomial) else group.size,
                group.size,
                dtype=torch.float64,
            )
            for name, group in groups.items()
        }
        for change in changes:
            for parameter, tensor in change.items():
                for name, place in self.at.get(parameter, ()):
                    self._gather(sums[name], groups[name], tensor, place)
        return {
            name: total.flatten(-2)
            if isinstance(groups[name], AbstractMonomial)
            else self._onto(name, total)
            for name, total in sums.items()
        }

    def _gather(self, total: Tensor, group: Group, change: Tensor, place: Occurrence) -> None:
        """Add what a change of one place says of its space."""
        if isinstance(group, AbstractMonomial):
            summed = _coordinates(place.block.read(change) * self.read[_key(place)], place)
            for k, power in enumerate(place.character.scales):
                if power:
                    total[..., k, :] += power * summed
            return
        overlap = place.rows(change) @ place.rows(self.problem.moved[place.name]).mT
        total += -overlap.mT if place.character.dual else overlap

    def without_fading(self, velocity: Velocities) -> Velocities:
        """Velocities without those that shrink a unit of which next to nothing is left.

        Where a unit speaks against its partner, the nearest scale is 0, which is none.
        """
        out = dict(velocity)
        for name in self.names:
            if isinstance(self.symmetry.spaces[name].group, AbstractMonomial):
                here, there = (self._sizes(name, x) for x in ("moved", "target"))
                faded = (here[0] < 2 * FADED * there[0]) & (here[1] * velocity[name] < 0)
                out[name] = torch.where(faded, 0.0, velocity[name])
        return out

    def _sizes(self, name: str, which: str) -> tuple[Tensor, Tensor]:
        """Squares of what each scale is felt by, and how they grow with it."""
        group, batch = self.symmetry.spaces[name].group, self.symmetry.batch(name)
        assert isinstance(group, AbstractMonomial)
        sums = torch.zeros(2, *batch, group.scales, group.size, dtype=torch.float64)
        for place in self.problem.places[name]:
            tensor = getattr(self.problem, which)[place.name]
            squares = _coordinates(place.block.read(tensor).square(), place).unsqueeze(-2)
            power = torch.tensor(place.character.scales, dtype=torch.float64).unsqueeze(-1)
            sums += torch.stack([power.square() * squares, power * squares])
        return sums[0].flatten(-2), sums[1].flatten(-2)

    def precondition(self, velocity: Velocities) -> Velocities:
        """Each space's own normal equations solved, the others held."""
        return {
            name: self._solved(name, parts, velocity[name]) for name, parts in self._own.items()
        }

    def _solved(self, name: str, parts: tuple[Tensor, ...], velocity: Tensor) -> Tensor:
        """A velocity, divided by what its own space's normal equations multiply it with."""
        group = self.symmetry.spaces[name].group
        if isinstance(group, AbstractMonomial):
            (sums,) = parts
            return velocity / sums.clamp_min(1e-12 * float(sums.max()) + 1e-300)
        one, basis, two, other = parts
        sums = two.unsqueeze(-1) + one.unsqueeze(-2)
        sums = sums.clamp_min(1e-12 * float(sums.max()) + 1e-300)
        inside = other.mT @ group.generator(velocity) @ basis
        return self._onto(name, other @ (inside / sums) @ basis.mT)

    def _onto(self, name: str, matrix: Tensor) -> Tensor:
        """The adjoint of the generator of a space's group, which is linear: traced once."""
        if name not in self._adjoints:
            group, zero = self.symmetry.spaces[name].group, torch.zeros(self.shape(name))
            self._adjoints[name] = torch.func.vjp(group.generator, zero.double())[1]
        found: Tensor = self._adjoints[name](matrix)[0]
        return found

    @cached_property
    def _own(self) -> dict[str, tuple[Tensor, ...]]:
        """What each space's own normal equations are made of."""
        found: dict[str, tuple[Tensor, ...]] = {}
        for name in self.names:
            group, batch = self.symmetry.spaces[name].group, self.symmetry.batch(name)
            if isinstance(group, AbstractMonomial):
                found[name] = (self._sizes(name, "moved")[0],)
                continue
            sides = torch.zeros(2, *batch, group.size, group.size, dtype=torch.float64)
            for place in self.problem.places[name]:
                rows = place.rows(self.problem.moved[place.name])
                sides[int(place.character.dual)] += rows @ rows.mT
            if isinstance(group, AbstractRotation):  # skew X: X C is felt as (X C + C X) / 2
                sides = sides.sum(0, keepdim=True).expand_as(sides) / 2
            found[name] = (*matrices.symmetric(sides[0]), *matrices.symmetric(sides[1]))
        return found


def _key(place: Occurrence) -> tuple[str, int]:
    return place.name, id(place.block)


def _rate(group: Group, velocity: Tensor) -> Callable[[Tensor, Occurrence], Tensor]:
    """How a block changes where a space moves with a velocity."""
    if isinstance(group, AbstractMonomial):
        logs = velocity.reshape(*velocity.shape[:-1], group.scales, group.size)

        def grown(x: Tensor, place: Occurrence) -> Tensor:
            felt = combined(logs, place.character.scales)
            return x * spread(felt, [*place.over, place.dim], x.dim())

        return grown
    matrix = group.generator(velocity)

    def turned(x: Tensor, place: Occurrence) -> Tensor:
        felt = -matrix.mT if place.character.dual else matrix
        return along(felt, x, place.dim, place.over)

    return turned


def _coordinates(x: Tensor, place: Occurrence) -> Tensor:
    """Sums over all dimensions of a block but those of the space and of what indexes it."""
    kept = [*place.over, place.dim]
    rest = [d for d in range(x.dim()) if d not in kept]
    summed = x.sum(rest) if rest else x
    order = sorted(kept)
    return summed.permute([order.index(d) for d in kept]).double()
