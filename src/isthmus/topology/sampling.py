"""Slices through one, two or three models: the loss on a plane, missing directions drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from isthmus.ground import BadInput, Params
from isthmus.landscape.loss import Loss, Progress
from isthmus.landscape.maps import Plane, Surface
from isthmus.landscape.maps.planes import on_grid
from isthmus.landscape.running import Batch


def filter_direction(params: Mapping[str, Tensor], seed: int) -> Params:
    """A random direction whose filters are as long as those of the params.

    Gaussian in every tensor of two or more dimensions, each row (the weights into one unit or
    channel) scaled to the length of the same row of the params; zero in vectors and integers.
    Li, Xu, Taylor, Studer, Goldstein (2018), Visualizing the loss landscape of neural nets, 4.

    Args:
        params: Where the direction starts.
        seed: Fixes it.

    Raises:
        BadInput: No tensor has two dimensions, or all that have are zero.
    """
    generator = torch.Generator().manual_seed(seed)
    found = {}
    for name, tensor in params.items():
        found[name] = torch.zeros(tensor.shape, dtype=torch.float64)
        if tensor.is_floating_point() and tensor.dim() > 1:
            drawn = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
            rows, target = drawn.flatten(1), tensor.detach().cpu().double().flatten(1)
            scaled = rows * (target.norm(dim=1) / rows.norm(dim=1)).unsqueeze(1)
            found[name] = scaled.reshape(tensor.shape)
    if not any(bool(tensor.any()) for tensor in found.values()):
        raise BadInput(
            "no random direction starts here: every matrix of the model is zero, or there is none",
            "give three models",
        )
    return found


def take_slice(
    loss: Loss,
    models: Sequence[Mapping[str, Tensor]],
    *,
    steps: int = 25,
    margin: float = 0.25,
    reach: float = 1.0,
    seed: int = 0,
    recompute_statistics: Iterable[Batch] | None = None,
    progress: Progress | None = None,
) -> Surface:
    """The loss on a grid over the plane of three models, or of fewer and random directions.

    A random direction starts at the first model, which lies in the middle of it.

    Args:
        loss: The loss.
        models: One, two or three; the surface marks where they are.
        steps: Places of the grid in each direction; at least 2. Where it is odd, a single model is
            on the grid.
        margin: How far the grid goes beyond what it must hold, as a share of its extent.
        reach: How far it goes along a random direction, as a share of `filter_direction`.
        seed: Fixes the directions.
        recompute_statistics: As for `barrier`.
        progress: Called with (places done, places).

    Raises:
        BadInput: There are no models or more than three, all lie on one line, or a number is out
            of range.
        UnknownName: The models have different names; so ShapeMismatch and DtypeMismatch.
    """
    if not 1 <= len(models) <= 3:
        raise BadInput(f"{len(models)} models for a plane", "give one, two or three")
    if steps < 2 or margin < 0 or not reach > 0:
        raise BadInput(
            f"steps is {steps}, margin {margin} and reach {reach}",
            "use at least 2 steps, a margin of at least 0 and a reach above 0",
        )
    first = models[0]
    ways = [filter_direction(first, seed + k) for k in range(3 - len(models))]
    ends = [_moved(first, way, reach) for way in ways]
    plane = Plane(*models, *ends)
    corners = plane.corners[: len(models)]
    drawn = np.array(plane.corners[len(models) :]).reshape(-1, 2)
    held = np.concatenate([corners, drawn, -drawn])
    low, high = held.min(axis=0), held.max(axis=0)
    room = margin * (high - low)
    xs, ys = (
        tuple(np.linspace(a, b, steps).tolist())
        for a, b in zip(low - room, high + room, strict=True)
    )
    rows = on_grid(loss, plane, xs, ys, recompute_statistics, progress)
    return Surface(xs, ys, rows, corners)


def _moved(params: Mapping[str, Tensor], way: Params, share: float) -> Params:
    return {
        name: (tensor + share * way[name].to(tensor.device)).to(tensor.dtype)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in params.items()
    }
