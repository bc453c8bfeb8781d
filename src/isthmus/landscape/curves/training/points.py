"""ControlPoints: rows of one matrix, and a copy of the model that stands at a mixture of them."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, NotFinite, Params, aliases
from isthmus.ground.params import is_statistic
from isthmus.landscape.loss import Loss
from isthmus.landscape.paths import require_alike
from isthmus.landscape.running import Batch, Inputs, place, run, weights_for


class Surface(Protocol):
    """Where mixtures of control points are kept."""

    def retract(self, tensors: Params, weights: Tensor) -> None:
        """Move the tensors of a mixture to where they belong, in place."""

    def pull_back(self, name: str, grad: Tensor) -> Tensor:
        """The gradient by a tensor of the mixture, before it was moved."""


class ControlPoints:
    """Control points, some of them trained, and the gradient of a loss at mixtures of them.

    All numbers of a point are one row of ``matrix``, so a mixture is one product. It is written
    into the parameters of a copy of the model, which is then run like any other: a step costs a
    plain training step and that product. The gradient of a trained point is that of the mixture
    times the point's weight. The caller's model is never touched. On a `surface`, the model stands
    where that moves the mixture.

    Half precision is trained in float32. Statistics of BatchNorm are no part of the rows: they
    begin as those of the first point and are averaged by the model as in any training.

    Args:
        loss: Model and dtype.
        points: Params, all alike.
        trained: Which of them are trained.
        only: Which parameters are trained, by name; None trains all.

    Attributes:
        matrix: ``(points, numbers)``; the rows of trained points change.
        flat: ``(numbers,)``: where the model stands.
        parts: Where a tensor lies in a row, by name.
        model: The copy, in training mode.

    Raises:
        BadInput: A parameter is complex, or none is trained.
        NotFinite: A point holds NaN or infinity.
        UnknownName: The points are not of the model; so ShapeMismatch and DtypeMismatch.
    """

    def __init__(
        self,
        loss: Loss,
        points: Sequence[Mapping[str, Tensor]],
        trained: Sequence[int],
        only: Callable[[str], bool] | None = None,
    ) -> None:
        first = points[0]
        for point in points[1:]:
            require_alike(first, point)
        own = dict(loss.model.named_parameters())
        self.like = {n: t.detach() for n, t in first.items()}
        self.parameters = [n for n in first if n in own and (only is None or only(n))]
        self.dtype = _wide(first, loss.dtype)
        held = weights_for(loss.model, first, self.dtype, loss.device)
        self.parts = _parts(points, own)
        if not self.parameters:
            raise BadInput("no parameter is trained", "let `only` accept some of the names")
        self.device = next(iter(held.values())).device
        rows = [
            torch.cat([p[n].detach().flatten().to(held[n]) for n in self.parts]) for p in points
        ]
        self.matrix = torch.stack(rows)
        self._require_finite()
        self.flat = self.matrix[0].clone()
        self.model = self._bound(loss.model, held)
        self.surface: Surface | None = None
        self.choose(trained)

    def _bound(self, model: nn.Module, held: Mapping[str, Tensor]) -> nn.Module:
        """A copy of ``model`` in training mode, its parameters views of ``flat``."""
        twin = copy.deepcopy(model).train()
        tensors: dict[str, Any] = {
            n: t.detach() if n in self.parts else t.detach().clone() for n, t in held.items()
        }
        tensors |= self.split(self.flat)
        alias = aliases(model)
        for name in dict(model.named_parameters()):
            tensors[name] = nn.Parameter(tensors[name], requires_grad=name in self.parameters)
        tensors |= {other: tensors[kept] for other, kept in alias.items()}
        for name, tensor in tensors.items():
            owner, _, last = name.rpartition(".")
            setattr(twin.get_submodule(owner), last, tensor)
        leaves = dict(twin.named_parameters())
        self._leaves = [leaves[name] for name in self.parameters]
        return twin

    def _require_finite(self) -> None:
        for k, row in enumerate(self.matrix):
            if not row.isfinite().all():
                bad = next(n for n, t in self.split(row).items() if not t.isfinite().all())
                raise NotFinite(
                    f"control point {k}: {bad!r} holds NaN or infinity",
                    "start from a path whose points are finite",
                )

    def split(self, row: Tensor) -> Params:
        """The tensors that a row holds, as views of it."""
        return {name: row[part].view(self.like[name].shape) for name, part in self.parts.items()}

    def choose(self, trained: Sequence[int]) -> None:
        """Train these points from now on; the optimiser must be made anew."""
        self.trained = tuple(trained)
        self.rows: dict[int, list[Tensor]] = {}
        for k in self.trained:
            views = self.split(self.matrix[k])
            self.rows[k] = [nn.Parameter(views[name]) for name in self.parameters]

    def put(self, k: int, point: Mapping[str, Tensor]) -> None:
        """Make ``point``, which is like all others, point ``k``."""
        require_alike(self.like, point)
        for name, tensor in self.split(self.matrix[k]).items():
            tensor.copy_(point[name].detach())

    def stand(self, weights: Tensor) -> None:
        """Put the model at the mixture with these weights, ``(points,)``."""
        there = weights.nonzero().flatten().tolist()
        # Rows without weight before the first and after the last that has some are not even read.
        used = slice(there[0], there[-1] + 1)
        torch.mv(self.matrix[used].T, weights[used].to(self.matrix), out=self.flat)
        if self.surface is not None:
            self.surface.retract(self.split(self.flat), weights)

    def outputs(self, inputs: Inputs) -> Any:
        """What the model says there. Raises BadInput where it cannot take ``inputs``."""
        return run(self.model, {}, inputs)

    def placed(self, batch: Batch) -> Batch:
        """``batch`` on the device and in the dtype of the points."""
        inputs, targets = place(batch, self.device, self.dtype)
        return inputs, targets

    def differentiate(self, value: Tensor, weights: Tensor) -> None:
        """The gradients of ``value``, computed at the mixture, by the trained points.

        A point without weight gets no gradient, so that its optimiser rests.
        """
        shares = {k: float(weights[k]) for k in self.trained}
        moved = [k for k, share in shares.items() if share]
        # A single point's share scales the whole backward pass: that costs nothing.
        whole = shares[moved[0]] if len(moved) == 1 else 1.0
        for leaf in self._leaves:
            leaf.grad = None
        value.backward(torch.full_like(value, whole))  # type: ignore[no-untyped-call]
        grads = [leaf.grad for leaf in self._leaves]
        if self.surface is not None:
            back = self.surface.pull_back
            named = zip(self.parameters, grads, strict=True)
            grads = [None if grad is None else back(name, grad) for name, grad in named]
        for k in self.trained:
            factor = 1.0 if len(moved) == 1 else shares[k]
            for target, grad in zip(self.rows[k], grads, strict=True):
                if grad is None or k not in moved:
                    target.grad = None
                else:
                    target.grad = grad if factor == 1 else grad * factor

    def params(self, k: int) -> Params:
        """Point ``k`` as Params of the given dtypes; statistics are the model's averages."""
        held = self.split(self.matrix[k])
        state = dict(self.model.named_buffers())
        return {
            name: (held[name] if name in held else state.get(name, like)).to(like.dtype, copy=True)
            if name in held or is_statistic(name)
            else like
            for name, like in self.like.items()
        }


def _wide(first: Mapping[str, Tensor], asked: torch.dtype | None) -> torch.dtype | None:
    """The dtype to cast to: the one asked for, or float32 and wider where dtypes are mixed."""
    if asked is not None:
        return asked  # also where the points have it: the inputs may not
    held = {t.dtype for t in first.values() if t.is_floating_point()}
    wide = functools.reduce(torch.promote_types, held, torch.float32)
    return None if held <= {wide} else wide


def _parts(
    points: Sequence[Mapping[str, Tensor]], parameters: Mapping[str, Tensor]
) -> dict[str, slice]:
    """Where every parameter, and every other number that varies, lies in a row."""
    found: dict[str, slice] = {}
    begin = 0
    first = points[0]
    for name, tensor in first.items():
        varies = name in parameters or (
            tensor.is_floating_point()
            and not is_statistic(name)
            and not all(torch.equal(tensor, point[name]) for point in points[1:])
        )
        if varies and not tensor.is_floating_point():
            raise BadInput(
                f"parameter {name!r} has dtype {tensor.dtype}, expected a floating-point one",
                "train with real parameters, as torch.view_as_real makes them",
            )
        if varies:
            found[name] = slice(begin, begin := begin + tensor.numel())
    return found
