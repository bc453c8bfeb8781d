"""Two small networks as files, with their model factory and data, and a way to run the program."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from isthmus.cli import main
from isthmus.cli.inputs import load_model
from isthmus.ground import Params, params_of, save

MODEL = '''
"""A model factory, as a user would write it."""
import torch
from torch import nn


def mlp(inputs=64):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(inputs, 12), nn.ReLU(),
        nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 10),
    )


def normed():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 10)
    )


def noisy():
    print("built a model")
    return mlp()


def broken():
    raise ValueError("no GPU\\nhere")


def number():
    return 7


SIZE = 3
'''


@dataclass(frozen=True)
class Files:
    """Where everything is."""

    folder: Path

    @property
    def a(self) -> Path:
        return self.folder / "a.safetensors"

    @property
    def b(self) -> Path:
        return self.folder / "b.safetensors"

    @property
    def data(self) -> Path:
        return self.folder / "data.npz"

    def model(self, factory: str = "mlp") -> str:
        return f"{self.folder / 'model.py'}:{factory}"

    def params(self, seed: int, factory: str = "mlp") -> Params:
        """Weights of the model with every parameter drawn anew."""
        model = load_model(self.model(factory))
        generator = torch.Generator().manual_seed(seed)
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.2, generator=generator)
        return params_of(model)

    def connect(self, *more: object, a: Path | None = None, data: object = None) -> list[str]:
        """The arguments of a quick `connect`."""
        words = ["connect", a or self.a, self.b, "--model", self.model(), "--data"]
        words += [data or self.data, "-o", self.folder / "out", "--points", 3, *more]
        return [str(word) for word in words]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A model file, two checkpoints, sixty samples."""
    made = Files(tmp_path)
    (tmp_path / "model.py").write_text(MODEL)
    for seed, path in enumerate((made.a, made.b)):
        save(made.params(seed), path)
    rng = np.random.default_rng(0)
    x = rng.random((60, 8, 8), dtype=np.float32)
    y = rng.integers(0, 10, 60)
    np.savez(made.data, x=x[:40], y=y[:40], x_test=x[40:], y_test=y[40:])
    return made


@dataclass(frozen=True)
class Ran:
    """What a run of the program left."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The lines that say what is wrong."""
        return [line for line in self.err.splitlines() if line.startswith("error:")]


Run = Callable[..., Ran]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the program in this process."""

    def program(*arguments: object) -> Ran:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return program
