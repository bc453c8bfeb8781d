"""Two small networks that learned the same toy task, connected; what is read from pictures."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from isthmus.ground import params_of
from isthmus.report import Connection, Settings, connect
from isthmus.testing.training import seeded, train


def make_network() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 3)
    )


def make_task(samples: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Three classes by the largest of three sums."""
    x = torch.randn(samples, 6, generator=torch.Generator().manual_seed(seed))
    return x, (x[:, :3] + x[:, 3:]).argmax(1)


def make_connection(a: int = 0, b: int = 1, **settings: object) -> Connection:
    """The connection of networks trained from two seeds."""
    x, y = make_task(600, 0)
    first, second = (
        params_of(train(seeded(make_network, s), x, y, epochs=20, batch=50, lr=5e-3, seed=s))
        for s in (a, b)
    )
    return connect(
        make_network(),
        first,
        second,
        example=x[:4],
        test=[make_task(200, 1)],
        train=[(x, y)],
        settings=Settings(points=9, **settings),
        provenance={"command": "isthmus connect a b", "torch": torch.__version__},
    )


@pytest.fixture(scope="session")
def connection() -> Connection:
    return make_connection()


@pytest.fixture
def connected() -> Callable[..., Connection]:
    """Connect the networks of two seeds."""
    return make_connection


@pytest.fixture
def network() -> Callable[[], nn.Module]:
    """The model factory."""
    return make_network


@pytest.fixture
def task() -> Callable[[int, int], tuple[torch.Tensor, torch.Tensor]]:
    """Samples of the toy task."""
    return make_task


Parsed = Callable[[str], list[tuple[str, dict[str, str], str]]]


@pytest.fixture
def parsed() -> Parsed:
    """The elements of an SVG that is well-formed and needs nothing from outside."""

    def read(text: str) -> list[tuple[str, dict[str, str], str]]:
        root = ElementTree.fromstring(text)
        assert not re.search(r'(href|src|url\()="?https?:', text)
        assert not re.search(r"\b(nan|inf)\b", text)
        return [
            (element.tag.rpartition("}")[2], element.attrib, "".join(element.itertext()))
            for element in root.iter()
        ]

    return read


@pytest.fixture
def image() -> Callable[[bytes], np.ndarray]:
    """The pixels of a PNG file."""
    opened = pytest.importorskip("PIL.Image").open
    return lambda data: np.asarray(opened(io.BytesIO(data)))
