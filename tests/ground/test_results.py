"""Results as text and as plain data."""

import json
import math
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
import torch

from isthmus.ground import Result, plain


class Colour(Enum):
    RED = 1


@dataclass(frozen=True, slots=True)
class Fit(Result):
    before: float
    after: float
    losses: torch.Tensor
    params: dict = field(default_factory=dict, metadata={"json": False})


@dataclass(frozen=True)
class Bare:
    x: float
    hidden: int = field(default=0, metadata={"json": False})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        (3, 3),
        ("a", "a"),
        (0.5, 0.5),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (1 + 2j, [1.0, 2.0]),
        (torch.tensor([[1.0, math.inf]]), [[1.0, "inf"]]),
        (torch.tensor(2.5, requires_grad=True), 2.5),
        (torch.tensor([1, 2]).bfloat16(), [1.0, 2.0]),
        (np.float32(0.5), 0.5),
        (np.array([1, 2]), [1, 2]),
        (Path("a") / "b", "a/b"),
        (torch.float32, "torch.float32"),
        (Colour.RED, "RED"),
        ({Colour.RED: (1, 2)}, {"RED": [1, 2]}),
        (OrderedDict({3: {"b", "a"}}), {"3": ["a", "b"]}),
        (Bare(math.inf), {"x": "inf"}),
        (Fit, "Fit"),
        ([Fit(1.0, 0.5, torch.ones(1))], [{"before": 1.0, "after": 0.5, "losses": [1.0]}]),
        (range(2), [0, 1]),
    ],
)
def test_plain(value, expected):
    assert plain(value) == expected
    json.dumps(plain(value), allow_nan=False)


def test_result_as_text_and_html():
    fit = Fit(1.0, 1 / 3, torch.ones(2, 3), {"w": torch.ones(1)})
    assert str(fit) == "Fit\n  before  1\n  after   0.333333\n  losses  Tensor (2, 3)"
    assert fit._repr_html_() == f"<pre>{fit}</pre>"
    assert fit.to_json() == {"before": 1.0, "after": 1 / 3, "losses": [[1.0] * 3] * 2}


def test_html_is_escaped():
    @dataclass(frozen=True)
    class Note(Result):
        text: str

    assert Note("<b>")._repr_html_() == "<pre>Note\n  text  &lt;b&gt;</pre>"


def test_long_fields_are_cut_short():
    @dataclass(frozen=True)
    class Many(Result):
        ts: tuple
        table: dict

    assert str(Many(tuple(range(9)), {"a": 1})) == "Many\n  ts     9 values\n  table  1 entries"
