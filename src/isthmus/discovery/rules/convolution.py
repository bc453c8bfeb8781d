"""Convolutions of every kind: channels are contracted, positions are fixed."""

from __future__ import annotations

from isthmus.discovery.nodes import Terms, size_of
from isthmus.discovery.rules.broadcast import same_places, sum_of, unitless
from isthmus.discovery.rules.table import Call, rule
from isthmus.discovery.tensor import Tensor


@rule("conv1d", "conv2d", "conv3d")
def convolution(call: Call) -> Tensor:
    """Weight (out, in/groups, *kernel)."""
    return _convolve(call, transposed=False)


@rule("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
def transposed(call: Call) -> Tensor:
    """Weight (in, out/groups, *kernel)."""
    return _convolve(call, transposed=True)


@rule("convolution")
def either(call: Call) -> Tensor:
    """The common operator behind both."""
    return _convolve(call, transposed=bool(call.get("transposed", False)))


def _convolve(call: Call, *, transposed: bool) -> Tensor:
    typing, x, weight = call.typing, call.tensor("input"), call.tensor("weight")
    kernel = len(weight.axes) - 2
    batched = len(x.axes) == kernel + 2
    channel = 1 if batched else 0
    for axis in (*x.axes[channel + 1 :], *weight.axes[2:]):
        typing.pin(axis)
    groups = int(call.get("groups", 1))
    made = _channels(call, x.axes[channel], weight, groups, transposed=transposed)
    positions = [typing.constant(n) for n in call.sizes[channel + 1 :]]
    axes = [*x.axes[:channel], made, *positions]
    bias = call.optional("bias")
    if bias is not None:
        column = Tensor([bias.axes[0], *([[]] * kernel)], bias.dtype)
        axes = sum_of(typing, call.make(axes), column)
    return call.make(axes)


def _channels(
    call: Call, features: Terms, weight: Tensor, groups: int, *, transposed: bool
) -> Terms:
    """Contract input channels; groups, if any, are shared by both sides like a batch."""
    typing = call.typing
    outer, inner = weight.axes[0], weight.axes[1]
    if groups == 1:
        source, target = (outer, inner) if transposed else (inner, outer)
        typing.contract(features, source)
        return target
    total = size_of(outer)
    split_weight = typing.split(outer, [groups, total // groups])
    split_input = typing.split(features, [groups, size_of(features) // groups])
    if split_weight is None or split_input is None:
        for axis in (features, outer, inner):
            typing.pin(axis)
        return typing.constant(call.sizes[-len(weight.axes) + 1])
    (group_w, rest_w), (group_x, rest_x) = split_weight, split_input
    typing.contract(rest_x, rest_w if transposed else inner)
    group = typing.blend(group_x, group_w)
    typing.hint(group, "group")
    return [*group, *(inner if transposed else rest_w)]


def _positions(call: Call, count: int) -> Tensor:
    """Channels pass; the last ``count`` axes are positions."""
    x = call.tensor("self" if "self" in call.op.arguments else "input")
    for axis in x.axes[-count:]:
        call.typing.pin(axis)
    positions = [call.typing.constant(n) for n in call.sizes[-count:]]
    return call.make([*x.axes[:-count], *positions])


@rule("avg_pool1d", "adaptive_avg_pool1d", "upsample_nearest1d", "upsample_linear1d")
def linear_1d(call: Call) -> Tensor:
    """Averages and linear resizing commute with any mixing of channels."""
    return _positions(call, 1)


@rule(
    "avg_pool2d", "adaptive_avg_pool2d", "upsample_nearest2d", "upsample_bilinear2d",
    "upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa",
    "upsample_nearest_exact2d", "grid_sampler",
)  # fmt: skip
def linear_2d(call: Call) -> Tensor:
    """As `linear_1d`, on images."""
    grid = call.optional("grid")
    for axis in grid.axes if grid is not None else ():
        call.typing.pin(axis)
    return _positions(call, 2)


@rule("avg_pool3d", "adaptive_avg_pool3d", "upsample_nearest3d", "upsample_trilinear3d")
def linear_3d(call: Call) -> Tensor:
    """As `linear_1d`, on volumes."""
    return _positions(call, 3)


def _largest(call: Call, count: int) -> Tensor:
    out = _positions(call, count)
    for axis in out.axes[:-count]:
        call.typing.restrict(axis)
        call.typing.unflipped(axis)
    return out


@rule("max_pool1d", "max_pool1d_with_indices", "adaptive_max_pool1d")
def largest_1d(call: Call) -> Tensor | list[Tensor]:
    """Maxima keep permutations and positive scales."""
    return _with_places(call, _largest(call, 1))


@rule("max_pool2d", "max_pool2d_with_indices", "adaptive_max_pool2d")
def largest_2d(call: Call) -> Tensor | list[Tensor]:
    """As `largest_1d`, on images."""
    return _with_places(call, _largest(call, 2))


def _with_places(call: Call, out: Tensor) -> Tensor | list[Tensor]:
    """The places of the maxima go with their channels, but have no unit."""
    if len(call.op.shapes) == 1:
        return out
    return [out, call.make([unitless(axis) for axis in out.axes], 1)]


@rule("max_pool3d", "max_pool3d_with_indices", "adaptive_max_pool3d")
def largest_3d(call: Call) -> Tensor | list[Tensor]:
    """As `largest_1d`, on volumes."""
    return _with_places(call, _largest(call, 3))


@rule("max_unpool2d", "max_unpool3d")
def unpool(call: Call) -> Tensor:
    """Values back to the places that go with their channels, zeros elsewhere."""
    typing, x, places = call.typing, call.tensor("self"), call.tensor("indices")
    count = int(call.op.target[-2])
    for axis in (*x.axes[-count:], *places.axes[-count:]):
        typing.pin(axis)
    same_places(typing, places, x)
    return call.make([*x.axes[:-count], *(typing.constant(n) for n in call.sizes[-count:])])


@rule("pixel_shuffle")
def pixel_shuffle(call: Call) -> Tensor:
    """Channels (C r r) give up their r's to the two positions."""
    typing, x = call.typing, call.tensor("self")
    factor = int(call.get("upscale_factor"))
    channels = size_of(x.axes[-3]) // factor**2
    pieces = typing.split(x.axes[-3], [channels, factor, factor])
    if pieces is None:
        for axis in x.axes:
            typing.pin(axis)
        return typing.inert(call.op.shapes[0])
    kept, down, across = pieces
    return call.make([*x.axes[:-3], kept, [*x.axes[-2], *down], [*x.axes[-1], *across]])


@rule("pixel_unshuffle")
def pixel_unshuffle(call: Call) -> Tensor:
    """The inverse of `pixel_shuffle`: channels (C r r), positions fixed."""
    typing, x = call.typing, call.tensor("self")
    factor = int(call.get("downscale_factor"))
    for axis in x.axes[-2:]:
        typing.pin(axis)
    extra = [*typing.constant(factor), *typing.constant(factor)]
    positions = [typing.constant(n) for n in call.sizes[-2:]]
    return call.make([*x.axes[:-3], [*x.axes[-3], *extra], *positions])


@rule("channel_shuffle", "native_channel_shuffle")
def channel_shuffle(call: Call) -> Tensor:
    """Channels (g c) become (c g)."""
    typing, x = call.typing, call.tensor("self")
    groups = int(call.get("groups"))
    pieces = typing.split(x.axes[1], [groups, size_of(x.axes[1]) // groups])
    if pieces is None:
        for axis in x.axes:
            typing.pin(axis)
        return typing.inert(call.op.shapes[0])
    return call.make([x.axes[0], [*pieces[1], *pieces[0]], *x.axes[2:]])


@rule("pad", "constant_pad_nd")
def pad(call: Call) -> Tensor:
    """Padded axes are positions; zeros keep any linear map of the others, numbers permutations."""
    typing = call.typing
    x = call.tensor("self")
    widths = list(call.op.arguments["pad"])
    touched = {len(x.axes) - 1 - k // 2 for k, width in enumerate(widths) if width}
    constant = call.get("mode", "constant") == "constant"
    shifted = constant and bool(call.get("value", 0))
    axes: list[Terms] = []
    for d, axis in enumerate(x.axes):
        if d in touched:
            typing.pin(axis)
            axes.append(typing.constant(call.sizes[d]))
            continue
        if shifted:
            typing.restrict(axis)
            typing.still(axis)
        axes.append(axis)
    return call.make(axes)


@rule("reflection_pad1d", "replication_pad1d")
def pad_1d(call: Call) -> Tensor:
    """Reflected or repeated borders are linear."""
    return _positions(call, 1)


@rule("reflection_pad2d", "replication_pad2d")
def pad_2d(call: Call) -> Tensor:
    """As `pad_1d`, on images."""
    return _positions(call, 2)
