"""`isthmus demo`: train two small networks on handwritten digits and connect them."""

from __future__ import annotations

import functools
import shlex
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import torch
import typer
from torch import nn

from isthmus.alignment import WeightMatching
from isthmus.cli import screen
from isthmus.cli.app import Outcome, verb
from isthmus.cli.connect import run
from isthmus.cli.inputs import claim, load_data, provenance
from isthmus.cli.options import ForceOption, JsonOption, SeedOption
from isthmus.cli.showing import show_connection
from isthmus.ground import params_of, save
from isthmus.report import Settings, protect, require_report, write_folder
from isthmus.testing.datasets import Dataset
from isthmus.testing.training import seeded, train

_WIDTH, _EPOCHS, _BATCH, _RATE = 512, 40, 64, 1e-3
_OPTIMISER = functools.partial(torch.optim.AdamW, weight_decay=3.0)


def network() -> nn.Module:
    """A 64-512-512-10 ReLU network; takes images (N, 8, 8) or vectors (N, 64)."""
    return nn.Sequential(
        OrderedDict(
            flatten=nn.Flatten(),
            fc1=nn.Linear(64, _WIDTH),
            relu1=nn.ReLU(),
            fc2=nn.Linear(_WIDTH, _WIDTH),
            relu2=nn.ReLU(),
            head=nn.Linear(_WIDTH, 10),
        )
    )


@verb
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for checkpoints and report.")
    ] = Path("isthmus-demo"),
    seed: SeedOption = 0,
    json: JsonOption = None,
    force: ForceOption = False,
) -> Outcome:
    """Train two networks from different seeds on scikit-learn's digits, then connect them."""
    require_report()
    claim(output, force=force, folder=True)
    protect(output, force=force, inputs=())
    data = load_data("digits")
    with _one_thread(), tempfile.TemporaryDirectory(prefix="isthmus-demo-") as place:
        a, b = _train_pair(data, seed, Path(place))
        written = [str(output / path.name) for path in (a, b)]
        words = provenance(command=_command(written, output, seed), data=str(data), inputs=[a, b])
        settings = Settings(method=WeightMatching(), seed=seed)
        connection = run(network(), (a, b), data, settings, None, 1000, words)
        write_folder(connection, output, force=force, others=[a, b])
    show_connection(connection)
    screen.say(f"wrote {output}; open {output / 'report.html'}")
    return Outcome(connection.to_json())


@contextmanager
def _one_thread() -> Iterator[None]:
    """One thread: networks this small gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train_pair(data: Dataset, seed: int, folder: Path) -> tuple[Path, Path]:
    """Two networks trained from different seeds, saved as a.safetensors and b.safetensors."""
    paths = folder / "a.safetensors", folder / "b.safetensors"
    screen.say("training two networks from different seeds on 8 by 8 images of digits")
    with screen.progress("training") as step:
        for number, path in enumerate(paths):
            first = number * _EPOCHS

            def tell(epoch: int, loss: float, first: int = first, name: str = path.stem) -> None:
                step(f"network {name.upper()}, loss {loss:.4f}", first + epoch, 2 * _EPOCHS)

            model = train(
                seeded(network, 2 * seed + number),
                data.x_train,
                data.y_train,
                epochs=_EPOCHS,
                batch=_BATCH,
                lr=_RATE,
                seed=2 * seed + number,
                optimiser=_OPTIMISER,
                after_epoch=tell,
            )
            save(params_of(model), path)
    return paths


def _command(checkpoints: list[str], output: Path, seed: int) -> str:
    """The `connect` that gives the same report from the two checkpoints."""
    words = ["isthmus", "connect", *checkpoints, "--model", "isthmus.cli.demo:network"]
    words += ["--data", "digits", "--seed", str(seed), "-o", f"{output}-again"]
    return shlex.join(words)
