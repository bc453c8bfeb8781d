"""Params: a plain dict of tensors by state-dict name, and the little arithmetic that all need.

Params hold parameters and persistent buffers. A tensor that a model has under several names (tied
weights) appears once, under the first of them; `aliases` tells the others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TypeAlias

import torch
from torch import Tensor, nn

from isthmus.ground.errors import DtypeMismatch, NotFinite, ShapeMismatch, UnknownName, closest

Params: TypeAlias = dict[str, Tensor]


def params_of(model: nn.Module) -> Params:
    """The parameters and persistent buffers of `model` by state-dict name: detached clones.

    Tied tensors appear once, under the first name; non-persistent buffers are not in.

    Example:
        >>> sorted(params_of(nn.Linear(2, 3)))
        ['bias', 'weight']
    """
    kept, alias = _tensors(model), aliases(model)
    return {name: t.detach().clone() for name, t in kept.items() if name not in alias}


def aliases(model: nn.Module) -> dict[str, str]:
    """Every further name of a tied tensor of `model`, to the name that `params_of` keeps.

    Two names are tied where they hold the very same tensor object, as `torch.func.functional_call`
    understands it; two tensors that only share memory count as two.
    """
    first: dict[int, str] = {}
    return {
        name: first[id(tensor)]
        for name, tensor in _tensors(model).items()
        if first.setdefault(id(tensor), name) != name
    }


def _tensors(model: nn.Module) -> Params:
    """The state dict of `model` with its own tensor objects, extra states left out."""
    state = model.state_dict(keep_vars=True)
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def check(
    params: Mapping[str, Tensor],
    like: Mapping[str, Tensor],
    *,
    aliases: Mapping[str, str] | None = None,
    source: str = "params",
) -> Params:
    """`params` in the order of `like`: same names, shapes and dtypes, and every number finite.

    Args:
        params: What is checked.
        like: What it must agree with; only names, shapes and dtypes count, so meta tensors do.
        aliases: Further names of tied tensors (see `aliases`). One found in `params` is dropped
            where it equals the kept tensor, and stands in for it where that is missing.
        source: Where `params` come from, for the messages: a path, as a rule.

    Raises:
        UnknownName: A name is missing, is not one of `like`, or is an alias with other numbers.
        ShapeMismatch: A tensor has another shape.
        DtypeMismatch: A tensor has another dtype.
        NotFinite: A tensor holds NaN or infinity.
    """
    found = _untie(params, like, aliases or {}, source)
    _check_names(found, like, source)
    for name, expected in like.items():
        _check_tensor(name, found[name], expected, source)
    return {name: found[name] for name in like}


def _untie(
    params: Mapping[str, Tensor], like: Mapping[str, Tensor], alias: Mapping[str, str], source: str
) -> Params:
    """`params` with the names in `alias` dropped or, where the kept one is missing, renamed."""
    found = dict(params)
    for name, kept in alias.items():
        if name in like or name not in found:
            continue
        tensor = found.pop(name)
        if not _same(found.setdefault(kept, tensor), tensor):
            raise UnknownName(
                f"{source}: {name!r} and {kept!r} differ, expected one tied tensor",
                f"delete {name!r} from the checkpoint, or untie the two in the model",
            )
    return found


def _same(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors are equal number by number, NaN counted equal to NaN."""
    if a is b:
        return True
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    return bool(((a == b) | (a.isnan() & b.isnan())).all())


def _check_names(params: Mapping[str, Tensor], like: Mapping[str, Tensor], source: str) -> None:
    missing = [name for name in like if name not in params]
    extra = [name for name in params if name not in like]
    if missing:
        near = closest(missing[0], extra)
        raise UnknownName(
            f"{source}: {missing[0]!r} is missing{_more(missing)}, expected {len(like)} names",
            f"rename {near!r}, the nearest name found"
            if near
            else "use a checkpoint of this model",
        )
    if extra:
        near = closest(extra[0], like)
        raise UnknownName(
            f"{source}: unknown name {extra[0]!r}{_more(extra)}, expected {len(like)} names",
            (f"did you mean {near!r}? " if near else "")
            + "remove it or use a checkpoint of this model",
        )


def _more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _check_tensor(name: str, tensor: Tensor, expected: Tensor, source: str) -> None:
    if tensor.shape != expected.shape:
        raise ShapeMismatch(
            f"{source}: {name!r} has shape {tuple(tensor.shape)}, expected {tuple(expected.shape)}",
            "use a checkpoint of the same architecture and width",
        )
    if tensor.dtype != expected.dtype:
        raise DtypeMismatch(
            f"{source}: {name!r} has dtype {_dtype(tensor)}, expected {_dtype(expected)}",
            f"convert it with .to({expected.dtype})",
        )
    if tensor.is_meta or not is_real_valued(tensor):
        return
    bad = int((~tensor.isfinite()).sum())
    if bad:
        nans = int(tensor.isnan().sum())
        kinds = [f"{n} {word}" for n, word in ((nans, "NaN"), (bad - nans, "Inf")) if n]
        raise NotFinite(
            f"{source}: {name!r} holds {' and '.join(kinds)} among {tensor.numel()} numbers",
            "use a checkpoint from before the training diverged",
        )


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def is_real_valued(tensor: Tensor) -> bool:
    """Whether `tensor` holds floating-point or complex numbers: the ones that interpolate."""
    return tensor.is_floating_point() or tensor.is_complex()


def is_statistic(name: str) -> bool:
    """Whether a BatchNorm measures what is called so: no parameter, it follows from data."""
    return name.endswith(("running_mean", "running_var"))


def lerp(a: Mapping[str, Tensor], b: Mapping[str, Tensor], t: float) -> Params:
    """(1 − t)·a + t·b, exact at t = 0 and t = 1; integer tensors are those of `a`.

    Args:
        a: Where t = 0.
        b: Where t = 1; the same names, shapes and dtypes.
        t: Any number; outside [0, 1] it extrapolates.

    Raises:
        UnknownName: The names differ.
        ShapeMismatch: Two shapes differ.
        DtypeMismatch: Two dtypes differ.
    """
    return {name: torch.lerp(x, y, t) if is_real_valued(x) else x for name, x, y in _pairs(a, b)}


def distances(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> dict[str, float]:
    """The Euclidean distance of each floating-point tensor of `a` from its namesake.

    In float64; of float32 to eight digits (`square_norm`).

    Raises:
        UnknownName: The names differ.
        ShapeMismatch: Two shapes differ.
        DtypeMismatch: Two dtypes differ.
    """
    return {
        name: math.sqrt(square_norm(_difference(x.detach(), y.detach())))
        for name, x, y in _pairs(a, b)
        if is_real_valued(x)
    }


def distance(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> float:
    """‖a − b‖ over all floating-point tensors. Computed, and raises, as `distances`."""
    return math.hypot(*distances(a, b).values())


def norm(params: Mapping[str, Tensor]) -> float:
    """‖params‖ over all floating-point tensors, in float64."""
    return math.hypot(*(_length(_wide(x)) for x in params.values() if is_real_valued(x)))


def square_norm(tensor: Tensor) -> float:
    """‖tensor‖² of real numbers, to eight digits for float32: three times as fast as in float64.

    Blocks of single precision are summed in double; where they overflow or vanish, all is double.
    """
    if tensor.dtype == torch.float32:
        flat = tensor.detach().flatten()
        whole = flat.numel() // _BLOCK * _BLOCK
        blocks, rest = flat[:whole].view(-1, _BLOCK), flat[whole:]
        found = float(torch.linalg.vecdot(blocks, blocks).double().sum()) + float(rest @ rest)
        if 1e-30 < found < 1e30:
            return found
    return _length(_wide(tensor)) ** 2


_BLOCK = 4096


def _difference(x: Tensor, y: Tensor) -> Tensor:
    """In the precision that a distance needs: that of half precision is float64's."""
    return x - y if x.dtype == torch.float32 else _wide(x) - _wide(y)


def double(params: Mapping[str, Tensor]) -> Params:
    """The same in float64, complex tensors in complex128; integers as they are."""

    def widened(tensor: Tensor) -> Tensor:
        if tensor.is_complex():
            return tensor.to(torch.complex128)
        return tensor.double() if tensor.is_floating_point() else tensor

    return {name: widened(tensor) for name, tensor in params.items()}


def _wide(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.complex128 if tensor.is_complex() else torch.float64)


def _length(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(tensor))


def _pairs(
    a: Mapping[str, Tensor], b: Mapping[str, Tensor]
) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(name, x, y) of two Params with the same names, shapes and dtypes, in the order of `a`."""
    _check_names(b, a, "second params")
    for name, x in a.items():
        y = b[name]
        if x.shape != y.shape:
            raise ShapeMismatch(
                f"second params: {name!r} has shape {tuple(y.shape)}, expected {tuple(x.shape)}",
                "compare two models of the same architecture and width",
            )
        if x.dtype != y.dtype:
            raise DtypeMismatch(
                f"second params: {name!r} has dtype {_dtype(y)}, expected {_dtype(x)}",
                f"convert it with .to({x.dtype})",
            )
        yield name, x, y
