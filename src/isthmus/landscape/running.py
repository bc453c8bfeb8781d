"""Running a model at given Params on a batch, the model itself left as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from isthmus.ground import BadInput, ShapeMismatch, UnknownName, aliases, closest

Inputs: TypeAlias = "Tensor | tuple[Any, ...] | list[Any] | Mapping[str, Any]"
"""What a model is called with: one tensor, positional arguments, or keyword arguments."""

Batch: TypeAlias = "tuple[Inputs, Any]"
"""Inputs and targets; the first dimension of every tensor counts the samples."""


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Every module of ``model`` in evaluation mode, and afterwards in the mode it had."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def weights_for(
    model: nn.Module,
    params: Mapping[str, Tensor],
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
) -> dict[str, Tensor]:
    """All that ``model`` needs to run at ``params``, on ``device`` or else where they are.

    That is ``params``, in ``dtype`` where one is given and they are floating-point, and the buffers
    that are in no state dict, which come from the model.

    Raises:
        UnknownName: A name is missing, or is not one of the model, or is a second name of a tied
            tensor.
        ShapeMismatch: A tensor has another shape than the model's.
    """
    _check(model, params)
    weights = {name: _cast(tensor, dtype).to(device) for name, tensor in params.items()}
    device = next((t.device for t in weights.values()), torch.device("cpu"))
    state = model.state_dict(keep_vars=True)
    for name, buffer in model.named_buffers():
        if name not in state:
            weights[name] = _cast(buffer, dtype).to(device)
    return weights


def weights_like(
    model: nn.Module, params: Mapping[str, Tensor], first: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """`weights_for` at ``params`` as at ``first``, which were made by that: dtype, device, buffers.

    Where names and shapes are those of ``first``, the model is not asked again.
    """
    alike = all(n in first and t.shape == first[n].shape for n, t in params.items())
    hidden = {name: tensor for name, tensor in first.items() if name not in params}
    if not alike or any(name in model.state_dict(keep_vars=True) for name in hidden):
        _check(model, params)
    return hidden | {name: tensor.to(first[name]) for name, tensor in params.items()}


def _check(model: nn.Module, params: Mapping[str, Tensor]) -> None:
    alias = aliases(model)
    state = model.state_dict(keep_vars=True)
    held = {n: t for n, t in state.items() if isinstance(t, Tensor) and n not in alias}
    for name, tensor in held.items():
        if name not in params:
            raise UnknownName(
                f"parameter {name!r} is missing, expected {len(held)} names",
                "pass all that params_of(model) has",
            )
        if params[name].shape != tensor.shape:
            raise ShapeMismatch(
                f"{name} has shape {tuple(params[name].shape)}, expected {tuple(tensor.shape)}",
                "use params of this model's architecture and width",
            )
    for name in params:
        if name in alias:
            raise UnknownName(
                f"{name!r} is a second name of the tied tensor {alias[name]!r}",
                "give a tied tensor once, as params_of(model) does",
            )
        if name not in held:
            near = closest(name, held)
            raise UnknownName(
                f"unknown parameter {name!r}",
                f"did you mean {near!r}?" if near else "pass params of this model",
            )


def _cast(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor if dtype is None or not tensor.is_floating_point() else tensor.to(dtype)


def place(tree: Any, device: torch.device, dtype: torch.dtype | None) -> Any:
    """Every tensor in ``tree`` on ``device``, the floating-point ones in ``dtype`` if given."""
    if isinstance(tree, Tensor):
        return _cast(tree, dtype).to(device)
    if isinstance(tree, Mapping):
        return {name: place(item, device, dtype) for name, item in tree.items()}
    if isinstance(tree, tuple | list):
        return tuple(place(item, device, dtype) for item in tree)
    return tree


def tensors(tree: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and mappings, in order."""
    if isinstance(tree, Tensor):
        return [tree]
    items = tree.values() if isinstance(tree, Mapping) else tree
    return [t for item in items for t in tensors(item)] if isinstance(tree, _HOLDERS) else []


_HOLDERS = (Mapping, tuple, list)


def shape_text(tree: Any) -> str:
    """The shapes of the tensors in ``tree``, for a message."""
    shapes = [str(tuple(tensor.shape)) for tensor in tensors(tree)]
    return " and ".join(shapes) or type(tree).__name__


def run(model: nn.Module, weights: Mapping[str, Tensor], inputs: Inputs) -> Any:
    """The outputs of ``model`` with ``weights`` on one batch of ``inputs``.

    Raises:
        BadInput: The model cannot take the batch; its own error is quoted.
    """
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    if isinstance(inputs, Mapping):
        kwargs = dict(inputs)
    else:
        args = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    try:
        return torch.func.functional_call(model, dict(weights), args, kwargs)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        raise BadInput(
            f"the model cannot take inputs of shape {shape_text(inputs)}: {said(error)}",
            "give data of the shape and dtype that the model was made for",
        ) from error


def said(error: Exception) -> str:
    """The first line of an error."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def pair(batch: Any, index: int) -> Batch:
    """``batch`` as (inputs, targets).

    Raises:
        BadInput: It is something else.
    """
    if isinstance(batch, tuple | list) and len(batch) == 2:
        return batch[0], batch[1]
    found = type(batch).__name__
    found += f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
    raise BadInput(f"batch {index} is a {found}", "give each batch as a pair (inputs, targets)")
