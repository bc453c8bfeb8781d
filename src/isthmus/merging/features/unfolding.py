"""What a layer's weights are multiplied with: its inputs, one column for each output."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, unfold

from isthmus.merging.repairs.layers import Layer


def fits(layer: Layer) -> bool:
    """Whether `columns` knows it: linear maps, and convolutions of one or two dimensions."""
    if isinstance(layer, nn.Linear):
        return True
    return isinstance(layer, nn.Conv1d | nn.Conv2d) and layer.padding_mode == "zeros"


def unfolded(layer: Layer, output: Tensor) -> int:
    """How many numbers `columns` holds for one sample of this output."""
    groups = 1 if isinstance(layer, nn.Linear) else layer.groups
    places = output.numel() // (max(len(output), 1) * len(layer.weight))
    return places * layer.weight[0].numel() * groups


def columns(layer: Layer, given: Tensor) -> Tensor:
    """``(groups, weights of a channel, samples)``, with ones in the end where there is a bias.

    Samples go as in the layer's output, its channels brought to the front.
    """
    if isinstance(layer, nn.Linear):
        rows = given.flatten(0, -2).mT.unsqueeze(0)
    else:
        rows = _patches(layer, given)
    if layer.bias is None:
        return rows
    return torch.cat([rows, torch.ones_like(rows[:, :1])], 1)


def _patches(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d, given: Tensor) -> Tensor:
    flat = isinstance(layer, nn.Conv1d)
    one = (1,) if flat else ()
    kernel, stride, dilation = (
        (*one, *of) for of in (layer.kernel_size, layer.stride, layer.dilation)
    )
    x = given.unsqueeze(-2) if flat else given
    x = pad(x, layer._reversed_padding_repeated_twice)  # knows "same"
    patches = unfold(x, kernel, dilation=dilation, stride=stride)  # (samples, weights, places)
    rows = patches.movedim(0, 1).flatten(1)
    return rows.reshape(layer.groups, -1, rows.shape[1])
