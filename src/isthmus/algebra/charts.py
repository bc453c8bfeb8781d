"""Charts: invertible changes of parameters, after which the group acts linearly.

Networks carry redundant coordinates: a norm's gain that its readers could hold, a key's bias that
softmax cannot see, the mean that a layer norm takes away. A chart moves each of these into a
coordinate of its own, on which the function does not depend at all, and leaves the rest (the
*essential* parameters) in the gauge in which the largest group acts. Group elements move the
essential part linearly and the redundant part freely; going back gives parameters in the caller's
own gauge.

A chart is a list of steps. Every step changes a dictionary of tensors in place, and can be undone.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass, field
from dataclasses import fields as dataclass_fields
from typing import Any, ClassVar, Protocol, TypeAlias, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from isthmus.algebra.streams import Shared, Shear, Size
from isthmus.algebra.waves import Rise, Turn, Wrap, columns, taken
from isthmus.ground.errors import BadInput
from isthmus.ground.matrices import helmert

Working: TypeAlias = "MutableMapping[str, Tensor]"


SINGULAR = 1e-6
"""A gain this much smaller than the largest counts as zero: to divide by it would cost too much."""


class GaugeWarning(UserWarning):
    """A parameter was where the gauge is singular: what stands for it is said."""


class Step(Protocol):
    """One reversible change."""

    kind: ClassVar[str]

    def forward(self, x: Working) -> None:
        """Towards the gauge."""

    def back(self, x: Working) -> None:
        """From the gauge to the parameters."""


@dataclass(frozen=True, slots=True)
class Layout:
    """A weight as a linear map: which dimension is put out, which is taken in.

    Further dimensions (a kernel) are summed over. ``groups`` as in a grouped convolution.
    """

    weight: str
    out: int
    into: int
    groups: int = 1

    def apply(self, weight: Tensor, vector: Tensor) -> Tensor:
        """What the map makes of a vector that is the same everywhere."""
        matrix = weight.movedim((self.out, self.into), (0, 1))
        matrix = matrix.flatten(2).sum(2) if matrix.dim() > 2 else matrix
        if self.groups == 1:
            return matrix @ vector
        rows = matrix.reshape(self.groups, -1, matrix.shape[1])
        return (rows @ vector.view(self.groups, -1, 1)).flatten()


@dataclass(frozen=True, slots=True)
class Offset:
    """A number added: a gain stored as its difference from one."""

    name: str
    amount: float
    kind: ClassVar[str] = "offset"

    def forward(self, x: Working) -> None:
        """Add."""
        x[self.name] = x[self.name] + self.amount

    def back(self, x: Working) -> None:
        """Take off."""
        x[self.name] = x[self.name] - self.amount


@dataclass(frozen=True, slots=True)
class Gain:
    """A gain multiplied into the weights beside it, along one dimension of each."""

    gain: str
    weights: tuple[tuple[str, int], ...]
    kind: ClassVar[str] = "gain"

    def forward(self, x: Working) -> None:
        """Multiply; where the gain is zero, what it silenced is set to zero and the gain to one."""
        for name, dim in self.weights:
            x[name] = x[name] * self._along(x[self.gain], x[name], dim)
        x[self.gain] = _without_zeros(self.gain, x[self.gain])

    def back(self, x: Working) -> None:
        """Divide."""
        for name, dim in self.weights:
            x[name] = x[name] / self._along(x[self.gain], x[name], dim)

    def _along(self, gain: Tensor, weight: Tensor, dim: int) -> Tensor:
        return columns(gain.flatten().expand(weight.shape[dim]), weight, dim)


@dataclass(frozen=True, slots=True)
class Carry:
    """A constant added at one place, made up for at another: ``target += L source``.

    ``take[i]`` is the entry of the source that reaches coordinate i, or -1; None: each its own.
    Without a layout the source is added as it is, along the target's last dimensions.
    """

    source: str
    target: str
    layout: Layout | None = None
    take: tuple[int, ...] | None = None
    factor: float = 1.0
    kind: ClassVar[str] = "carry"

    def forward(self, x: Working) -> None:
        """Make up for it."""
        x[self.target] = x[self.target] + self._carried(x)

    def back(self, x: Working) -> None:
        """Undo."""
        x[self.target] = x[self.target] - self._carried(x)

    def _carried(self, x: Working) -> Tensor:
        vector = self.factor * x[self.source].flatten()
        if self.take is not None:
            vector = taken(vector, self.take)
        target = x[self.target]
        if self.layout is not None:
            return self.layout.apply(x[self.layout.weight], vector).reshape(target.shape)
        rest = list(target.shape)
        while rest and math.prod(rest) > vector.numel():
            rest.pop(0)
        return vector.reshape(rest)


@dataclass(frozen=True, slots=True)
class Part:
    """Some entries of a parameter as a coordinate of their own; zero is left in their place."""

    name: str
    into: str
    entries: tuple[int, ...]
    kind: ClassVar[str] = "part"

    def forward(self, x: Working) -> None:
        """Take the entries out."""
        index = torch.tensor(self.entries)
        flat = x[self.name].flatten().clone()
        x[self.into] = flat[index]
        flat[index] = 0.0
        x[self.name] = flat.reshape(x[self.name].shape)

    def back(self, x: Working) -> None:
        """Put them back."""
        index = torch.tensor(self.entries)
        flat = x[self.name].flatten().clone()
        flat[index] = x.pop(self.into)
        x[self.name] = flat.reshape(x[self.name].shape)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean along a dimension as a coordinate of its own; what is left has mean zero.

    Along the dimensions ``centred`` the mean itself is known to sum to zero: there it is held in
    one coordinate less (`helmert`).
    """

    name: str
    dim: int
    into: str
    centred: tuple[int, ...] = ()
    kind: ClassVar[str] = "mean"

    def forward(self, x: Working) -> None:
        """Take the mean out, times √n, so that lengths are kept."""
        mean = x[self.name].mean(self.dim, keepdim=True)
        x[self.name] = x[self.name] - mean
        x[self.into] = self._held(mean * math.sqrt(x[self.name].shape[self.dim]), back=False)

    def back(self, x: Working) -> None:
        """Put it back."""
        size = x[self.name].shape[self.dim]
        shape = list(x[self.name].shape)
        shape[self.dim] = 1
        for d in self.centred:
            shape[d] -= 1
        held = self._held(x.pop(self.into).reshape(shape), back=True)
        x[self.name] = x[self.name] + held / math.sqrt(size)

    def _held(self, mean: Tensor, *, back: bool) -> Tensor:
        for d in self.centred:
            size = mean.shape[d] + back
            basis = helmert(size).to(mean)
            mean = torch.tensordot(mean, basis, ([d], [0 if back else 1])).movedim(-1, d)
        return mean if back else mean.flatten()


@dataclass(frozen=True, slots=True)
class Readout:
    """A layer norm's gain γ and bias β before readers of which some have no bias of their own.

    The normalised x̂ sums to zero, so the mean of a reader's row meets only the bias: it *is* the
    reader's bias. In the gauge γ = β = 1, and a reader is ``A + v 1ᵀ/n`` with ``A 1 = 0`` and
    ``v = W β``. Free are γ, the mean of β/γ (the *level*), and the rest of β/γ over the level (the
    *shift*).
    """

    gain: str
    bias: str
    readers: tuple[tuple[str, int], ...]
    kind: ClassVar[str] = "readout"

    def forward(self, x: Working) -> None:
        """Fold both into the readers; what is left of the bias are its level and its shift."""
        gain, bias = x[self.gain], x.pop(self.bias)
        size = gain.numel()
        safe = _without_zeros(self.gain, gain)
        ratio = bias / safe
        level = ratio.mean()
        if bool((ratio != 0).any()) and bool(level.abs() <= SINGULAR * ratio.abs().max()):
            _say(f"{self.bias} over {self.gain} has mean zero (or as good as): it becomes one")
            level = torch.ones_like(level)
        for name, dim in self.readers:
            rows = x[name].movedim(dim, -1)
            scaled = rows * gain
            if bool(level != 0):
                fixed = rows @ bias
                scaled = scaled - scaled.mean(-1, keepdim=True) + fixed.unsqueeze(-1) / size
            x[name] = scaled.movedim(-1, dim)
        basis = helmert(size).to(ratio)
        x[self.gain] = safe
        x[f"{self.bias}.level"] = level.reshape(1)
        x[f"{self.bias}.shift"] = basis @ (ratio / level) if bool(level != 0) else basis @ ratio

    def back(self, x: Working) -> None:
        """Unfold. A bias of zero stays zero: its level does."""
        gain = x[self.gain]
        level, shift = x.pop(f"{self.bias}.level"), x.pop(f"{self.bias}.shift")
        size = gain.numel()
        ratio = level * (1 + shift @ helmert(size).to(shift))
        for name, dim in self.readers:
            rows = x[name].movedim(dim, -1)
            if bool(level != 0):
                fixed = rows.sum(-1)
                centred = rows - fixed.unsqueeze(-1) / size
                mean = (fixed - centred @ ratio) / (size * level)
                rows = centred + mean.unsqueeze(-1)
            x[name] = (rows / gain).movedim(-1, dim)
        x[self.bias] = ratio * gain


@dataclass(frozen=True, slots=True)
class Tap:
    """What a reader of ``γ x̂ + β`` does not see, where x̂ sums to zero: ``a (1/γ)ᵀ``.

    The reader's bias takes up ``a Σ β/γ``. Where an entry of the gain vanishes nothing is taken.
    ``centred``: a is known to sum to zero, and held in one coordinate less (`helmert`).
    """

    weight: str
    dim: int
    gain: str
    bias: str | None
    target: str | None
    into: str
    centred: bool = False
    kind: ClassVar[str] = "tap"

    def forward(self, x: Working) -> None:
        """Take it out: what is left times γ sums to zero."""
        gain = x[self.gain]
        rows = x[self.weight].movedim(self.dim, -1)
        unseen = rows @ gain / gain.numel()
        unseen = torch.zeros_like(unseen) if bool(_vanishing(gain).any()) else unseen
        self._add(x, -unseen)
        basis = helmert(unseen.numel()).to(unseen) if self.centred else None
        x[self.into] = unseen if basis is None else basis @ unseen.flatten()

    def back(self, x: Working) -> None:
        """Put it back."""
        unseen = x.pop(self.into)
        if self.centred:
            unseen = unseen @ helmert(unseen.numel() + 1).to(unseen)
        self._add(x, unseen)

    def _add(self, x: Working, unseen: Tensor) -> None:
        gain = x[self.gain]
        if bool(_vanishing(gain).any()):
            return
        rows = x[self.weight].movedim(self.dim, -1)
        unseen = unseen.reshape(rows.shape[:-1])
        x[self.weight] = (rows + unseen.unsqueeze(-1) / gain).movedim(-1, self.dim)
        if self.bias is not None and self.target is not None:
            level = (x[self.bias] / gain).sum()
            x[self.target] = x[self.target] - unseen.reshape(x[self.target].shape) * level


@dataclass(frozen=True, slots=True)
class Level:
    """The size of the first of some parameters, taken out of all of them."""

    names: tuple[str, ...]
    into: str
    kind: ClassVar[str] = "level"

    def forward(self, x: Working) -> None:
        """Divide all by the root mean square of the first."""
        level = x[self.names[0]].square().mean().sqrt()
        level = torch.where(level == 0, torch.ones_like(level), level)
        for name in self.names:
            x[name] = x[name] / level
        x[self.into] = level.reshape(1)

    def back(self, x: Working) -> None:
        """Multiply."""
        level = x.pop(self.into)
        for name in self.names:
            x[name] = x[name] * level


@dataclass(frozen=True, slots=True)
class Flat:
    """A free coordinate as one vector; a shift in homogeneous coordinates, with a one behind."""

    name: str
    shape: tuple[int, ...]
    homogeneous: bool
    kind: ClassVar[str] = "flat"

    def forward(self, x: Working) -> None:
        """Flatten."""
        flat = x[self.name].flatten()
        x[self.name] = torch.cat([flat, flat.new_ones(1)]) if self.homogeneous else flat

    def back(self, x: Working) -> None:
        """The shape it had."""
        flat = x[self.name][:-1] if self.homogeneous else x[self.name]
        x[self.name] = flat.reshape(self.shape)


def _vanishing(gain: Tensor) -> Tensor:
    """Where a gain is zero, or so small that dividing by it would lose what it multiplies."""
    return gain.abs() <= SINGULAR * gain.abs().max()


def _without_zeros(name: str, gain: Tensor) -> Tensor:
    zero = _vanishing(gain)
    if not bool(zero.any()):
        return gain
    _say(
        f"{name} is zero (or as good as) at {int(zero.sum())} places: there it becomes one, and "
        "the weights that it silenced become zero (or as good as)"
    )
    return torch.where(zero, torch.ones_like(gain), gain)


def _say(text: str) -> None:
    warnings.warn(text, GaugeWarning, stacklevel=4)


STEPS: tuple[type[Any], ...] = (
    Offset, Gain, Carry, Part, Mean, Readout, Tap, Level, Flat, Rise, Turn, Wrap,
    Shared, Size, Shear,
)  # fmt: skip
"""All kinds of steps."""


@dataclass(frozen=True)
class Chart:
    """Steps from parameters to coordinates: essential ones under their own names, and free ones.

    Attributes:
        steps: in the order in which they lead into the gauge.
        canonical: the value of each free coordinate in the gauge: 0 of shifts, 1 of scales.
        shapes: of the parameters; empty where there are no steps.
    """

    steps: tuple[Step, ...] = ()
    canonical: Mapping[str, float] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def settled(self, coordinates: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The same coordinates with the free ones in the gauge; a level of zero stays."""
        out = dict(coordinates)
        for name, value in self.canonical.items():
            full = torch.full_like(out[name], value)
            if value:
                out[name] = torch.where(out[name] == 0, out[name], full)
            else:
                full[-1] = 1.0
                out[name] = full
        return out

    def to(self, params: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Coordinates of parameters."""
        out = dict(params)
        for step in self.steps:
            step.forward(out)
        return out

    def back(self, coordinates: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Parameters at coordinates."""
        out = dict(coordinates)
        for step in reversed(self.steps):
            step.back(out)
        return out

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        steps = [{"kind": step.kind, **_plain(asdict(step))} for step in self.steps]  # type: ignore[call-overload]
        shapes = {name: list(shape) for name, shape in self.shapes.items()}
        return {"steps": steps, "canonical": dict(self.canonical), "shapes": shapes}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Chart:
        """The inverse of `to_json`.

        Raises:
            BadInput: a step is of no known kind, or lacks a field.
        """
        steps = tuple(_step(given) for given in _listed(data.get("steps"), "steps"))
        shapes = {
            name: tuple(_checked(n, int, name) for n in _listed(shape, name))
            for name, shape in _named(data.get("shapes"), "shapes").items()
        }
        canonical = {
            name: float(_checked(value, float, name))
            for name, value in _named(data.get("canonical"), "canonical").items()
        }
        return cls(steps, canonical, shapes)


def _plain(value: Any) -> Any:
    """Tuples as lists, all through."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple)) else value


def _step(given: object) -> Step:
    fields = dict(_named(given, "a step"))
    kinds: dict[object, type[Any]] = {kind.kind: kind for kind in STEPS}
    word = fields.pop("kind", None)
    kind = kinds.get(word) if isinstance(word, str) else None
    if kind is None:
        raise _unreadable(f"no step is of the kind {word!r}")
    made: Step = _built(kind, fields, f"the step {word}")
    return made


def _built(kind: type[Any], fields: Mapping[str, object], where: str) -> Any:
    """A dataclass from plain data, each field checked against its annotation."""
    hints = get_type_hints(kind)
    wanted = [field.name for field in dataclass_fields(kind)]
    if set(fields) != set(wanted):
        raise _unreadable(f"{where} has the fields {sorted(fields)}, expected {sorted(wanted)}")
    return kind(**{name: _checked(fields[name], hints[name], where) for name in wanted})


def _checked(value: object, hint: Any, where: str) -> Any:
    """A value of an annotated type: numbers, strings, None, layouts, and tuples of these."""
    if hint is Layout:
        return _built(Layout, _named(value, where), where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    inner = get_args(hint)
    if not inner:
        if type(value) is hint:
            return value
        raise _unreadable(f"{where} holds {value!r}, expected {getattr(hint, '__name__', hint)}")
    if get_origin(hint) is tuple:
        listed = _listed(value, where)
        each = inner[:1] * len(listed) if inner[-1] is ... else inner
        if len(each) != len(listed):
            raise _unreadable(f"{where} holds {len(listed)} values, expected {len(each)}")
        return tuple(_checked(v, h, where) for v, h in zip(listed, each, strict=True))
    if value is None and type(None) in inner:
        return None
    return _checked(value, next(one for one in inner if one is not type(None)), where)


def _listed(value: object, where: str) -> Sequence[object]:
    if not isinstance(value, (list, tuple)):
        raise _unreadable(f"{where} is {type(value).__name__}, expected a list")
    return value


def _named(value: object, where: str) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise _unreadable(f"{where} is {type(value).__name__}, expected named values")
    return value


def _unreadable(what: str) -> BadInput:
    return BadInput(f"cannot read the chart: {what}", "give what Symmetry.to_json wrote")
