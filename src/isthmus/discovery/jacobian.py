"""The Jacobian of a model's outputs by all its float parameters, in float64."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from isthmus.algebra.groups import FLOAT
from isthmus.algebra.symmetry import Params
from isthmus.discovery.evaluation import Inputs, outputs, run
from isthmus.discovery.precision import DoublePrecision
from isthmus.ground.errors import BadInput

STEP = 1e-6
"""Relative length of the steps by which derivatives are checked against differences."""

AGREEMENT = 1e-3
"""Relative disagreement between a derivative and its difference quotient that is an error."""


class Differentiable(DoublePrecision):
    """Float64, with true derivatives where PyTorch's operators give none.

    Batch statistics are parameters that the group moves, but PyTorch has no derivative by them;
    and an embedding leaves out the row of its padding token.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Replace the operators named above."""
        if func in _EMBEDDINGS:
            ids, table = args[:2] if func is F.embedding else (args[1], args[0])
            return table[ids]
        if func in _NORMS:
            given = dict(zip(_NORMS[func], args, strict=False)) | (kwargs or {})
            if not given.get(_BATCH[func], False) and given.get("running_mean") is not None:
                return _normed(given)
        return super().__torch_function__(func, types, args, kwargs)


_ATEN = torch.ops.aten
_EMBEDDINGS = {F.embedding, torch.embedding, _ATEN.embedding.default}
_BATCH = {
    F.batch_norm: "training",
    torch.batch_norm: "training",
    _ATEN.batch_norm.default: "training",
    F.instance_norm: "use_input_stats",
    torch.instance_norm: "use_input_stats",
    _ATEN.instance_norm.default: "use_input_stats",
}
_OUTER = ("input", "running_mean", "running_var", "weight", "bias", "flag", "momentum", "eps")
_INNER = ("input", "weight", "bias", "running_mean", "running_var", "flag", "momentum", "eps")
_NORMS = {
    func: tuple(flag if name == "flag" else name for name in names)
    for func, flag in _BATCH.items()
    for names in [_OUTER if func in (F.batch_norm, F.instance_norm) else _INNER]
}


def _normed(given: Mapping[str, Any]) -> Tensor:
    """Normalisation by running statistics, written out."""
    x: Tensor = given["input"]
    shape = (1, -1) + (1,) * (x.ndim - 2)
    mean, variance = given["running_mean"].view(shape), given["running_var"].view(shape)
    out: Tensor = (x - mean) * torch.rsqrt(variance + given.get("eps", 1e-5))
    if given.get("weight") is not None:
        out = out * given["weight"].view(shape)
    if given.get("bias") is not None:
        out = out + given["bias"].view(shape)
    return out


def jacobian(model: nn.Module, params: Params, inputs: Inputs) -> Tensor:
    """The derivative of every output by every float parameter.

    Returns:
        ``(outputs, parameters)`` in float64, in the order of ``params``. Complex outputs count
        twice, integer outputs not at all, and rows that are not finite are left out.

    Raises:
        BadInput: the model does not run, or an operator has no derivative.
    """
    moving = {n: t.detach().requires_grad_() for n, t in params.items() if t.is_floating_point()}
    with sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
        try:
            found = outputs(model, {**params, **moving}, inputs, Differentiable())
        except RuntimeError as error:
            raise BadInput(
                f"{type(model).__name__} cannot be differentiated: {error}",
                "give an example of the right shapes, or write the operator out in others",
            ) from error
        flat = [_reals(t).flatten() for t in found if t.is_floating_point() or t.is_complex()]
        rows = _rows(torch.cat(flat), list(moving.values())) if flat else None
    width = sum(t.numel() for t in moving.values())
    if rows is None:
        return torch.zeros(0, width, dtype=FLOAT)
    return rows[rows.isfinite().all(1)]


def _reals(x: Tensor) -> Tensor:
    return (torch.view_as_real(x) if x.is_complex() else x).to(FLOAT)


def _rows(out: Tensor, moving: list[Tensor]) -> Tensor:
    if not out.requires_grad:
        return torch.zeros(len(out), sum(t.numel() for t in moving), dtype=FLOAT)
    one = torch.eye(len(out), dtype=FLOAT)

    def back(vector: Tensor, batched: bool) -> Tensor:
        grads = torch.autograd.grad(
            out, moving, vector, retain_graph=True, allow_unused=True, is_grads_batched=batched
        )
        lead = vector.shape[:-1]
        parts = [
            t.new_zeros(*lead, t.numel()) if g is None else g.reshape(*lead, -1)
            for g, t in zip(grads, moving, strict=True)
        ]
        return torch.cat(parts, -1)

    with warnings.catch_warnings():  # torch says where it loops instead
        warnings.filterwarnings("ignore", ".*batching rule")
        try:
            return back(one, True)
        except RuntimeError:  # an operator that cannot be batched at all
            return torch.stack([back(row, False) for row in one])


def check_jacobian(model: nn.Module, params: Params, inputs: Inputs, rows: Tensor) -> None:
    """Compare the Jacobian on these inputs with difference quotients along a random direction.

    Raises:
        BadInput: They disagree: the model stops gradients, or is not deterministic.
    """
    generator = torch.Generator().manual_seed(0)
    direction = {
        n: torch.randn(t.shape, generator=generator, dtype=FLOAT) * (t.abs().mean() or 1.0)
        for n, t in params.items()
        if t.is_floating_point()
    }
    if _disagreement(model, params, inputs, rows, direction) <= AGREEMENT:
        return
    zero = {n: torch.zeros_like(t) for n, t in direction.items()}
    wrong = [
        n
        for n, t in direction.items()
        if _disagreement(model, params, inputs, rows, {**zero, n: t}) > AGREEMENT
    ]
    raise BadInput(
        f"{type(model).__name__}: the gradients by {', '.join(wrong) or 'the parameters'} are not "
        "the derivatives",
        "the model detaches, rounds or draws random numbers; remove that for this check",
    )


def _disagreement(
    model: nn.Module, params: Params, inputs: Inputs, rows: Tensor, direction: Params
) -> float:
    def moved(step: float) -> Tensor:
        at = {n: t + step * direction[n] if n in direction else t for n, t in params.items()}
        found = run(model, at, inputs)
        flat = [_reals(t).flatten() for t in found if t.is_floating_point() or t.is_complex()]
        return torch.cat(flat)

    quotient = (moved(STEP) - moved(-STEP)) / (2 * STEP)
    quotient = quotient[quotient.isfinite()]
    product = rows @ torch.cat([t.flatten() for t in direction.values()])
    if len(quotient) != len(product) or not len(product):
        return 0.0
    noise = 1e-9 * float(torch.cat([t.flatten() for t in direction.values()]).norm() * rows.norm())
    size = float(product.abs().max().clamp_min(quotient.abs().max()))
    return float((quotient - product).abs().max()) / size if size > noise else 0.0
