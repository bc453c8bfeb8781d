"""Normalisation layers (mathematics.md 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.discovery.nodes import SWAPS, TURNS, ZERO, Occurrence, Terms, Unit, settle
from isthmus.discovery.precision import NEGLIGIBLE
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor
from isthmus.discovery.typing import Typing
from isthmus.discovery.unify import match


def affine(typing: Typing, axis: Terms, gain: Terms | None, bias: Terms | None) -> Terms:
    """γ ⊙ x̂ + β: the gain's scale is the output's; signs of gain and input multiply."""
    out = axis
    if gain is not None:
        out = typing.blend(axis, gain)
    if bias is not None:
        typing.restrict(out)
        out = typing.tie(out, bias)
    return out


def normalised(typing: Typing, axis: Terms, *, signs: bool) -> Terms:
    """x̂ has no scale; its sign is the input's where the norm is odd per coordinate."""
    out: Terms = []
    for term in settle(axis):
        unit = Unit(term.node) if signs and term.unit is not ZERO else ZERO
        if unit is not ZERO:
            typing.relate_scales({unit: 1})
            typing.relate_flips(unit, term.unit)
        out.append(Occurrence(term.node, term.dual, unit))
    return out


def _vector(tensor: Tensor | None) -> Terms | None:
    return tensor.axes[0] if tensor is not None else None


@rule("batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm")
def batch_norm(call: Call) -> Tensor:
    """Evaluation: the statistics carry the scale of the input, gain and bias that of the output.

    μ → αμ, var + ε → α²(var + ε), γ → sgn(α) γ. The offset ε of the variance is noted by
    discovery (`offsets`).
    """
    mean, variance = call.optional("running_mean"), call.optional("running_var")
    if mean is None or variance is None or call.get("training", False):
        others = [d for d in range(len(call.sizes)) if d != 1]
        return _by_its_own(call, others)
    return _by_given(call, mean, variance)


def _by_given(call: Call, mean: Tensor, variance: Tensor) -> Tensor:
    """Per channel, by statistics that are parameters."""
    typing, x = call.typing, call.tensor("input")
    typing.commute(x)
    for d, axis in enumerate(x.axes):
        if d != 1:
            typing.still(axis)
    channel = x.axes[1]
    typing.tie(channel, mean.axes[0])
    _square(typing, channel, variance.axes[0])
    return _restored(call, x, normalised(typing, channel, signs=True))


def _by_its_own(call: Call, gone: Sequence[int]) -> Tensor:
    """Per channel, by its own statistics along some axes: signs pass, ε breaks scales."""
    typing, x = call.typing, call.tensor("input")
    typing.commute(x)
    typing.mixed(x.axes, gone)
    for d, axis in enumerate(x.axes):
        if d != 1 or not _sharp(call):
            typing.unscaled(axis)
        if d in gone:
            typing.unflipped(axis)
    return _restored(call, x, normalised(typing, x.axes[1], signs=True))


def _sharp(call: Call) -> bool:
    """Whether ε is too small to be felt: then nothing is left of a scale."""
    return float(call.get("eps", 1.0)) <= NEGLIGIBLE


def _restored(call: Call, x: Tensor, core: Terms) -> Tensor:
    """The normalised channels with gain and bias."""
    out = list(x.axes)
    gain, bias = _vector(call.optional("weight")), _vector(call.optional("bias"))
    out[1] = affine(call.typing, core, gain, bias)
    return call.make(out)


def _square(typing: Typing, channel: Terms, variance: Terms) -> None:
    for a, b in match(typing, channel, variance, dual=False):
        typing.relate_scales({b.unit: 1, a.unit: -2})
        typing.relate_flips(b.unit)


@rule("instance_norm")
def instance_norm(call: Call) -> Tensor:
    """As `batch_norm`, by the statistics of each sample, or by those that are parameters."""
    mean, variance = call.optional("running_mean"), call.optional("running_var")
    if mean is None or variance is None or call.get("use_input_stats", True):
        return _by_its_own(call, range(2, len(call.sizes)))
    return _by_given(call, mean, variance)


@rule("layer_norm", "native_layer_norm")
def layer_norm(call: Call) -> Tensor:
    """Mean and variance over the last axes: permutations; gain and bias scale the output."""
    return _over_last(call, signs=False)


@rule("rms_norm", "_fused_rms_norm")
def rms_norm(call: Call) -> Tensor:
    """Mean square over the last axes: permutations and signs."""
    return _over_last(call, signs=True)


def _over_last(call: Call, *, signs: bool) -> Tensor:
    typing, x = call.typing, call.tensor("input")
    count = len(call.get("normalized_shape"))
    weight, bias = call.optional("weight"), call.optional("bias")
    typing.mixed(x.axes, range(len(x.axes) - count, len(x.axes)))
    bare = count == 1 and weight is None and bias is None
    for d, axis in enumerate(x.axes):
        typing.restrict(axis, TURNS if bare and d == len(x.axes) - 1 else SWAPS)
        typing.unscaled(axis)
        if not signs:
            typing.unflipped(axis)
    if bare and not signs:
        keep_mean(typing, x.axes[-1])
    out = list(x.axes)
    for k in range(-count, 0):
        core = normalised(typing, x.axes[k], signs=signs)
        gain = weight.axes[k] if weight is not None else None
        out[k] = affine(typing, core, gain, bias.axes[k] if bias is not None else None)
    if count > 1:
        _single_scale(typing, out[-count:])
    return call.make(out)


def keep_mean(typing: Typing, axis: Terms) -> None:
    """A norm that takes the mean away: rotations must keep the vector of ones."""
    terms = settle(axis)
    if len(terms) == 1:
        typing.keep_mean(terms[0].node)
    else:
        typing.restrict(axis)


@rule("isthmus.mean_of_squares")
def mean_of_squares(call: Call) -> Tensor:
    """Σx²: rotations of what is summed over do not change it."""
    typing, x = call.typing, call.tensor("self")
    gone = {int(d) % len(x.axes) for d in call.get("dim")}
    typing.mixed(x.axes, gone)
    out: list[Terms] = []
    for d, axis in enumerate(x.axes):
        if d in gone:
            typing.restrict(axis, TURNS if len(settle(axis)) == 1 else SWAPS)
            typing.unscaled(axis)
            out += [typing.constant(1)] if call.get("keepdim", False) else []
            continue
        typing.restrict(axis)
        out.append(typing.power(axis, 2, 1, odd=False))
    return call.make(out)


def _single_scale(typing: Typing, axes: list[Terms]) -> None:
    """A gain over several axes: a scale per axis is allowed, as for any product."""
    for axis in axes:
        typing.restrict(axis)


@rule("group_norm", "native_group_norm")
def group_norm(call: Call) -> Tensor:
    """Channels (group, member): members permute inside groups, groups as blocks.

    The sign of a whole group passes; so does, as far as ε lets it, its scale.
    """
    typing, x = call.typing, call.tensor("input")
    groups = int(call.get("num_groups", call.get("group", 1)))
    size = x.sizes[1]
    pieces = typing.split(x.axes[1], [groups, size // groups]) if groups > 1 else [[], x.axes[1]]
    if pieces is None:
        typing.pin(x.axes[1])
        pieces = [[], x.axes[1]]
    whole, members = pieces
    typing.commute(x)
    for axis in (x.axes[0], *x.axes[2:], members):
        typing.still(axis)
    if not _sharp(call):
        typing.unscaled(whole)
    typing.mixed([x.axes[0], whole or members], ())
    typing.hint(whole, "group")
    core = [*normalised(typing, whole, signs=True), *normalised(typing, members, signs=False)]
    return _restored(call, x, core)
