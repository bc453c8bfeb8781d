"""completeness: the directions that leave the function alone, counted, against the group's own."""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from isthmus.algebra.groups import FLOAT
from isthmus.algebra.orbits import Orbit
from isthmus.algebra.symmetry import Params, Symmetry
from isthmus.discovery.capture import Example, capture
from isthmus.discovery.directions import Direction, directions, fewest_tensors, summary
from isthmus.discovery.draws import draws
from isthmus.discovery.evaluation import perturbed
from isthmus.discovery.jacobian import check_jacobian, jacobian
from isthmus.discovery.spectrum import FLAT, Rank, Rows, row_space
from isthmus.ground.errors import BadInput
from isthmus.ground.matrices import singular
from isthmus.ground.params import params_of
from isthmus.ground.results import Result

PATIENCE = 2
"""So many further batches of inputs must leave the rank where it is."""


@dataclass(frozen=True)
class Completeness(Result):
    """How many flat directions a model has at generic parameters, and how many its group explains.

    Attributes:
        parameters: float entries of the state dict, each tied tensor once: what the group moves.
        statistics: how many of them are buffers (running means and variances), not parameters.
        rank: of the Jacobian of all outputs on many inputs by them.
        explained: independent directions of the group's orbit that are flat; never more than
            the nullity.
        unexplained: as many directions as are missing; with those of the orbit they span all that
            are flat. Of all such they are ones that move few tensors (see `fewest_tensors`).
        gap: last singular value kept over first dropped.
        clear: whether the gap is so wide that the rank is beyond doubt.
        residual: the largest change that a direction of the orbit makes to the outputs, over the
            largest that any direction of its length makes: rounding error for a true symmetry.
        rows: numbers computed by the model: rows of the Jacobian.
    """

    parameters: int
    statistics: int
    rank: int
    nullity: int
    explained: int
    unexplained: tuple[Direction, ...]
    gap: float
    clear: bool
    residual: float
    rows: int
    names: tuple[str, ...] = field(metadata={"json": False}, repr=False)

    @property
    def complete(self) -> bool:
        """Whether the group explains every flat direction, beyond doubt."""
        return self.clear and self.explained == self.nullity and self.sound

    @property
    def sound(self) -> bool:
        """Whether the whole orbit is flat."""
        return self.residual <= FLAT

    def __str__(self) -> str:
        statistics = f" ({self.statistics} of them statistics)" if self.statistics else ""
        doubt = "" if self.clear else ", NOT CLEAR: the rank is in doubt"
        lines = [
            f"{self.nullity} flat directions, {self.explained} explained",
            f"  {self.parameters} parameters{statistics}, rank {self.rank} of {self.rows} outputs",
            f"  gap of the singular values {self.gap:.1e}{doubt}",
            f"  the orbit changes outputs by {self.residual:.1e} of what a direction can"
            + ("" if self.sound else ": NOT A SYMMETRY"),
        ]
        if self.unexplained:
            lines.append(f"  {len(self.unexplained)} not explained; they move")
            lines += [f"    {line}" for line in self.moves()]
        return "\n".join(lines)

    def moves(self) -> list[str]:
        """What the unexplained directions move: one line for all that move the same tensors."""
        return summary(self.unexplained, self.names)


def completeness(
    symmetry: Symmetry,
    model: nn.Module,
    inputs: Example,
    *,
    seed: int = 0,
    randomise: bool = True,
    limit: int = 6000,
) -> Completeness:
    """Count the flat directions of a model and those that its symmetry group explains.

    The nullity of the Jacobian of the outputs, on so many random inputs that its rank has stopped
    growing, is the number of flat directions: for a model that is smooth in its parameters, all
    there are. For piecewise-linear activations it is the number at these parameters on these
    inputs, of which not all need belong to a symmetry of the whole model.

    Args:
        symmetry: as `discover` returned it.
        model: any module with numbers in it; a copy is used, in float64 and evaluation mode.
        inputs: an example; further inputs are drawn like it (see `draws`).
        seed: fixes parameters and inputs.
        randomise: perturb the parameters, as in `verify`: initial values are not generic.
        limit: the most parameters to accept: time grows with the cube, memory with the square.

    Raises:
        BadInput: the model is too large, holds no numbers, or its gradients are no derivatives.
        UnknownName: the symmetry is of another model; so ShapeMismatch.
        CaptureFailed: the model cannot be traced on the example.
    """
    given = params_of(model)
    symmetry.check(given)
    width = sum(t.numel() for t in given.values() if t.is_floating_point())
    _check_size(model, given, width, limit)
    generator = torch.Generator().manual_seed(seed)
    params = {n: t.to(FLOAT) if t.is_floating_point() else t for n, t in given.items()}
    if randomise:
        params = perturbed(params, generator)
    rows, found = _collect(model, params, inputs, width, generator)
    parameters = dict(model.named_parameters(remove_duplicate=False))
    return _counted(symmetry, params, rows, found, parameters)


def _counted(
    symmetry: Symmetry, params: Params, rows: Rows, found: Rank, parameters: Container[str]
) -> Completeness:
    """The null space of the rows against the tangent of the orbit."""
    moving = {n: t for n, t in params.items() if t.is_floating_point()}
    scale, width = _sizes(params), sum(t.numel() for t in moving.values())
    flat = rows.null_space(found.rank)
    tangent = row_space(Orbit(symmetry, params).tangent() / scale)
    explained = _inside(tangent, flat)
    rest = fewest_tensors(flat, explained, [t.numel() for t in moving.values()])
    return Completeness(
        parameters=width,
        statistics=sum(t.numel() for n, t in moving.items() if n not in parameters),
        rank=found.rank,
        nullity=width - found.rank,
        explained=len(explained),
        unexplained=directions(rest, moving, scale),
        gap=found.gap,
        clear=found.clear,
        residual=rows.residual(tangent),
        rows=rows.count,
        names=tuple(moving),
    )


def _check_size(model: nn.Module, given: Params, width: int, limit: int) -> None:
    if width > limit:
        raise BadInput(
            f"{type(model).__name__} has {width} parameters, completeness takes at most {limit}",
            "count on a small instance of the same architecture, or raise limit",
        )
    empty = [n for n, t in given.items() if t.is_meta]
    if empty:
        raise BadInput(
            f"{empty[0]} is a meta tensor without numbers", "build the model with weights"
        )


def _collect(
    model: nn.Module, params: Params, example: Example, width: int, generator: torch.Generator
) -> tuple[Rows, Rank]:
    """The Jacobian's rows on more and more inputs, until its rank stops growing."""
    double = copy.deepcopy(model).to(FLOAT).eval()
    scale, rows = _sizes(params), Rows(width)
    source = draws(capture(model, example), example, generator)
    ranks: list[Rank] = []
    while len(ranks) <= PATIENCE or ranks[-1].rank > ranks[-1 - PATIENCE].rank:
        batch: list[Tensor] = []
        while sum(map(len, batch)) <= width // 3:
            given = next(source)
            batch.append(jacobian(double, params, given))
            if not ranks and len(batch) == 1:
                check_jacobian(double, params, given, batch[0])
            if not len(batch[-1]):
                break
        rows.append(_even(torch.cat(batch) * scale))
        ranks.append(rows.rank())
        if ranks[-1].rank == width:
            break
    return rows, ranks[-1]


def _even(rows: Tensor) -> Tensor:
    """Rows longer than the median cut down to it: they say the same, and drown no others."""
    lengths = rows.norm(dim=1, keepdim=True)
    return rows / (lengths / lengths.median()).clamp_min(1.0) if len(rows) else rows


def _sizes(params: Mapping[str, Tensor]) -> Tensor:
    """The root mean square of its tensor, for every parameter.

    Columns of the Jacobian in these units are relative changes: tensors of very different size
    then share one scale, and no singular value is small for its units alone.
    """
    parts = [
        t.square().mean().sqrt().clamp_min(1e-12).expand(t.numel())
        for t in params.values()
        if t.is_floating_point() and t.numel()
    ]
    return torch.cat(parts) if parts else torch.zeros(0, dtype=FLOAT)


def _inside(tangent: Tensor, flat: Tensor) -> Tensor:
    """An orthonormal basis of what of ``tangent`` lies in ``flat``, in coordinates of ``flat``."""
    inside = tangent @ flat.T
    left, sines, _ = singular(tangent - inside @ flat)
    return row_space(left.T[sines <= FLAT] @ inside)
