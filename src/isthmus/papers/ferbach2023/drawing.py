"""The pictures of the learning-rate study."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from isthmus.papers.ferbach2023.methods import METHODS
from isthmus.papers.figures import Axis, Picture, Series, beside, chart

if TYPE_CHECKING:
    from isthmus.papers.ferbach2023.comparison import Comparison

RATE = Axis("peak learning rate", log=True)
_TONES = ("teal", "amber", "purple", "blue", "red", "green")


def pictures(found: Comparison) -> Mapping[str, Picture]:
    """``losses`` and ``dimensions``, by rate."""
    names = found.settings.data
    losses = [_losses(found, k, data) for k, data in enumerate((False, True) * len(names))]
    return {
        "losses": beside("Test loss halfway between two networks", *losses, columns=2),
        "dimensions": beside(
            "Approximate dimension of each layer",
            *(_dimensions(found, k, metric) for k in range(len(names)) for metric in range(3)),
            columns=3,
        ),
    }


def _losses(found: Comparison, panel: int, data: bool) -> Picture:
    """The methods that look at data, or those that do not, between no matching and the ends."""
    number = panel // 2
    chosen = [m for m in METHODS if m.data is data or m.make is None]
    series = [_curve(found, "endpoints", found.ends[number], "soft", dash=5)]
    series += [
        _curve(found, m.name, found.halfway(m.name)[number], m.tone, dash=2 if not m.make else 0)
        for m in chosen
    ]
    title = f"{found.settings.data[number]}, {'with' if data else 'without'} data"
    return chart(title, RATE, Axis("test loss, mean and range", log=True), series, width=600)


def _curve(found: Comparison, name: str, values: Tensor, tone: str, *, dash: float = 0.0) -> Series:
    """The mean over repetitions, with the smallest and largest as its band."""
    low, high = values.amin(-1).tolist(), values.amax(-1).tolist()
    return Series(name, found.settings.rates, values.mean(-1).tolist(), tone, low, high, dash)


def _dimensions(found: Comparison, number: int, metric: int) -> Picture:
    name = ("weights", "weights on the data", "activations")
    values = found.dimension[number, :, metric]
    series = [
        Series(f"layer {k + 1}", found.settings.rates, values[:, k].tolist(), _TONES[k % 6])
        for k in range(values.shape[-1])
    ]
    title = f"{found.settings.data[number]}: {name[metric]}"
    return chart(title, RATE, Axis("tr(S)² / tr(S²)"), series, width=400)
