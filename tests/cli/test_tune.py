"""`isthmus tune`, `teleport` and `charges`: what they write and say, and what they refuse."""

from __future__ import annotations

import json

import pytest
import torch

from isthmus.cli.inputs import load_model
from isthmus.ground import load, save


@pytest.fixture
def second(files):
    """Another task, as a file."""
    generator = torch.Generator().manual_seed(5)
    x, y = torch.rand(40, 8, 8, generator=generator), torch.arange(40) % 10
    path = files.folder / "second.safetensors"
    save({"x": x, "y": y}, path)
    return path


def words(files, *more, task=("--classes", "0-4")):
    given = ["--model", files.model(), "--data", files.data, "-o", files.folder / "out.safetensors"]
    return ["tune", files.a, *given, "--epochs", 2, "--lr", 0.01, *task, *more]


@pytest.mark.parametrize("keep", ["none", "ewc", "low-rank", "orthogonal", "flat"])
def test_a_second_task_is_learned(keep, files, run, second) -> None:
    ran = run(*words(files, "--keep", keep, "--json", "-", task=("--second", second)))
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["tasks"]["second"]["after"]["loss"] < found["tasks"]["second"]["before"]["loss"]
    assert "before accuracy" in ran.err
    start, end = load(files.a), load(files.folder / "out.safetensors")
    assert end.keys() == start.keys()
    assert any(not torch.equal(end[n], t) for n, t in start.items())


def test_classes_make_two_tasks(files, run) -> None:
    ran = run(*words(files, "--share", 1, "--json", "-", "--samples", 6))
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)["tasks"]
    assert found["first"]["before"]["samples"] == found["second"]["before"]["samples"] == 6
    assert "LayerInputs" in ran.err


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ((), "neither --second nor --classes is given"),
        (("--second", "digits", "--classes", "1"), "both --second and --classes is given"),
        (("--classes", "a-b"), "cannot read 'a-b' in --classes 'a-b'; write 0-4 or 0,2,7-9"),
        (("--classes", "77"), "the data have no samples of these classes"),
        (("--classes", "0-9"), "the data have no samples of other classes"),
        (("--classes", "0-4", "--share", "2"), "share is 2.0; give a number above 0"),
    ],
)
def test_what_is_no_task_is_refused(task, text, files, run) -> None:
    ran = run(*words(files, task=task))
    assert ran.code == 2
    assert text in ran.errors[0]


@pytest.mark.parametrize("toward", ["steepest", "flattest"])
def test_a_teleport_keeps_the_function(toward, files, run) -> None:
    out = files.folder / "out.safetensors"
    given = ["--model", files.model(), "--data", files.data, "-o", out]
    ran = run("teleport", files.a, *given, "--toward", toward, "--steps", 3, "--json", "-")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["moved"] == pytest.approx(found["loss"], rel=1e-5)
    assert toward == "flattest" or found["figures"][-1] < found["figures"][0]
    model, x = load_model(files.model()), torch.rand(5, 8, 8)
    start, end = (torch.func.functional_call(model, load(p), (x,)) for p in (files.a, out))
    assert torch.allclose(start, end, atol=1e-4)
    again = run("teleport", files.a, *given)
    assert again.code == 2
    assert "--force" in again.errors[0]


def test_the_charges_of_a_checkpoint(files, run) -> None:
    ran = run("charges", files.a, "--model", files.model(), "--example", "1x8x8", "--json", "-")
    assert ran.code == 0, ran.err
    first, second = json.loads(ran.out)["charges"][0].values()
    w = load(files.a)
    held = w["1.weight"].square().sum(1) + w["1.bias"].square() - w["3.weight"].square().sum(0)
    assert torch.allclose(torch.tensor(first).flatten(), held, atol=1e-5)
    assert len(second) == 8
    assert "12 charges" in ran.err


def test_charges_along_a_training_decay_as_predicted(files, run) -> None:
    """Weight decay alone: all weights shrink together."""
    paths = [files.a]
    for k in (1, 2):
        paths.append(files.folder / f"later{k}.safetensors")
        save({n: t * (1 - 0.1 * 0.05) ** (10 * k) for n, t in load(files.a).items()}, paths[-1])
    given = ["--model", files.model(), "--example", "1x8x8", "--lr", 0.1, "--weight-decay", 0.05]
    ran = run("charges", *paths, *given, "--steps", 10, "--json", "-")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert len(found["drift"]) == 4
    for row in found["drift"]:
        assert row["left"] == pytest.approx(row["predicted"], rel=1e-5)
    assert found["half_life"]["steps"] == pytest.approx(69.3, abs=0.1)
    assert "charges halve every 69.31 steps" in ran.err


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--weight-decay", 0.1), "a decay cannot be predicted without a step size; give --lr"),
        (("--lr", 0.1, "--momentum", 1), "momentum is 1.0; give a number from 0 to below 1"),
    ],
)
def test_charges_refuse_nonsense(more, text, files, run) -> None:
    ran = run("charges", files.a, "--model", files.model(), "--example", "1x8x8", *more)
    assert ran.code == 2
    assert text in ran.errors[0]


def test_a_model_without_charges_is_refused(files, run) -> None:
    place = files.folder / "round.py"
    place.write_text(
        "from torch import nn\n\n\ndef net():\n"
        "    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))\n"
    )
    path = files.folder / "round.safetensors"
    save(load_model(f"{place}:net").state_dict(), path)
    ran = run("charges", path, "--model", f"{place}:net", "--example", "1x3")
    assert ran.code == 2
    assert "no scales or shears" in ran.errors[0]
