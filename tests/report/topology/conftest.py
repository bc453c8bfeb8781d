"""A slice with three wells around a hill."""

from __future__ import annotations

import numpy as np
import pytest

from isthmus.landscape.maps import Surface
from isthmus.topology.slices import Sublevels, sublevels

WELLS = ((1.1, -1.6, -1.0, 0.5), (1.0, 1.5, -1.2, 0.6), (0.7, 0.2, 1.7, 0.4))


def make_surface(steps: int = 25, noise: float = 0.0) -> Surface:
    x = np.linspace(-3, 3, steps)
    across, up = np.meshgrid(x, x)
    loss = 1.2 + 0.08 * (across**2 + up**2) + 0.5 * np.exp(-(across**2 + up**2) / 0.15)
    for depth, left, top, size in WELLS:
        loss -= depth * np.exp(-((across - left) ** 2 + (up - top) ** 2) / size)
    loss += noise * np.random.default_rng(0).random(loss.shape)
    places = tuple(map(float, x))
    corners = tuple(well[1:3] for well in WELLS)
    return Surface(places, places, tuple(map(tuple, loss.tolist())), corners)


@pytest.fixture(scope="session")
def slice_found() -> Sublevels:
    return sublevels(make_surface())
