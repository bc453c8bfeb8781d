"""Bad input: one line that names cause and remedy, exit code 2, and nothing written."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import isthmus.report.folder as folder_module


def spoil(path: Path, change) -> Path:
    """A copy of a checkpoint with `change` applied to its dict."""
    params = load_file(path)
    change(params)
    target = path.with_name("spoiled.safetensors")
    save_file(params, target)
    return target


def refused(ran, *words: str) -> None:
    assert ran.code == 2, ran.err
    assert len(ran.errors) == 1
    line = ran.errors[0]
    assert "; " in line
    for word in words:
        assert word in line
    assert "Traceback" not in ran.err


CHECKPOINTS = {
    "missing key": (
        lambda p: p.pop("3.bias"),
        ("'3.bias' is missing, expected 6 names", "use a checkpoint of this model"),
    ),
    "extra key": (
        lambda p: p.update({"7.weight": torch.zeros(2)}),
        ("unknown name '7.weight', expected 6 names", "remove it or use a checkpoint"),
    ),
    "misspelt key": (
        lambda p: p.update({"3.wieght": p.pop("3.weight")}),
        ("'3.weight' is missing", "rename '3.wieght', the nearest name found"),
    ),
    "wrong shape": (
        lambda p: p.update({"1.weight": torch.zeros(13, 64)}),
        ("'1.weight' has shape (13, 64), expected (12, 64)", "same architecture and width"),
    ),
    "wrong dtype": (
        lambda p: p.update({"1.bias": p["1.bias"].half()}),
        ("'1.bias' has dtype float16, expected float32", "convert it with .to(torch.float32)"),
    ),
    "NaN": (
        lambda p: p["5.bias"].fill_(float("nan")),
        ("'5.bias' holds 10 NaN among 10 numbers", "before the training diverged"),
    ),
}


@pytest.mark.parametrize("case", CHECKPOINTS)
def test_a_checkpoint_that_does_not_fit(case, files, run):
    change, words = CHECKPOINTS[case]
    refused(run(*files.connect(a=spoil(files.a, change))), "spoiled.safetensors", *words)
    assert not (files.folder / "out").exists()


def test_a_truncated_checkpoint(files, run):
    whole = files.a.read_bytes()
    files.a.write_bytes(whole[: len(whole) // 2])
    refused(run(*files.connect()), "not a whole safetensors file", "copy or download it again")


def test_a_missing_checkpoint(files, run):
    ran = run(*files.connect(a=files.folder / "no.safetensors"))
    refused(ran, "no.safetensors: no such file or folder", "check the path")


class Payload:
    """What a hostile pickle would run."""

    def __reduce__(self):
        return exec, ("open('ran', 'w')",)


def test_code_in_a_pickle_is_not_run(files, run, monkeypatch):
    monkeypatch.chdir(files.folder)
    hostile = files.folder / "hostile.pt"
    hostile.write_bytes(pickle.dumps(Payload()))
    refused(run(*files.connect(a=hostile)), "hostile.pt")
    torch.save({"weight": Payload()}, hostile)
    refused(run(*files.connect(a=hostile)), "would run code; not loaded")
    assert not (files.folder / "ran").exists()


FACTORIES = {
    "broken": ("the factory raised ValueError: no GPU", "make it run in Python first"),
    "number": ("the factory returned a int, expected a module", "return a torch.nn.Module"),
    "mpl": ("has no 'mpl'", "did you mean 'mlp'?"),
    "SIZE": ("'SIZE'", "is a int, expected a callable", "write a function"),
}


@pytest.mark.parametrize("name", FACTORIES)
def test_a_model_factory_that_fails(name, files, run):
    refused(run("discover", "--model", files.model(name), "--example", "1x64"), *FACTORIES[name])


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("nowhere.py:mlp", ("there is no file nowhere.py", "check the path")),
        ("no_such_package.models:mlp", ("there is no module 'no_such_package'", "install it")),
        ("mlp", ("'mlp' names no factory", "file.py:factory")),
        ("a.safetensors", ("is a checkpoint, expected a model", "give file.py:factory")),
    ],
)
def test_a_model_that_is_not_there(model, words, files, run):
    refused(run("discover", "--model", model, "--example", "1x64"), *words)


def test_a_model_file_that_does_not_import(files, run):
    (files.folder / "bad.py").write_text("import no_such_package_here\n")
    ran = run("discover", "--model", f"{files.folder / 'bad.py'}:mlp", "--example", "1x64")
    refused(ran, "raised ModuleNotFoundError: No module named 'no_such_package_here'")


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("1y784", ("cannot read '1y784'", "1x784")),
        ("1x784:flaot", ("unknown type 'flaot'", "did you mean 'float'?")),
        ("a=1x2,1x3", ("names some inputs and not others", "name all")),
        ("1x7", ("cannot trace Sequential on this example",)),
    ],
)
def test_an_example_that_does_not_fit(spec, words, files, run):
    refused(run("discover", "--model", files.model(), "--example", spec), *words)


def test_neither_example_nor_data(files, run):
    refused(run("discover", "--model", files.model()), "neither --example nor --data is given")


def arrays(files, **parts: np.ndarray) -> Path:
    path = files.folder / "other.npz"
    np.savez(path, **parts)
    return path


def test_data_whose_shape_does_not_fit(files, run):
    data = arrays(files, x=np.zeros((5, 9, 9), np.float32), y=np.zeros(5, np.int64))
    ran = run(*files.connect(data=data))
    refused(ran, "the model cannot take inputs of shape (5, 9, 9)", "give data of the shape")


def test_targets_that_do_not_fit(files, run):
    x = np.zeros((5, 8, 8), np.float32)
    ran = run(*files.connect(data=arrays(files, x=x, y=np.full(5, 10))))
    refused(ran, "targets run from 10 to 10, but there are 10 classes")
    ran = run(*files.connect(data=arrays(files, x=x, y=np.zeros((5, 3), np.float32))))
    refused(ran, "outputs of shape (5, 10) with targets of shape (5, 3)")


def test_data_that_are_not_there(files, run):
    refused(run(*files.connect(data="cifar11")), "no data set called 'cifar11'", "cifar10")


def test_an_output_that_exists(files, run):
    out = files.folder / "out"
    out.mkdir()
    (out / "result.json").write_text("precious")
    refused(run(*files.connect()), f"{out} exists already", "--force")
    assert (out / "result.json").read_text() == "precious"
    target = files.folder / "taken.safetensors"
    target.write_text("precious")
    words = ["align", files.b, "--to", files.a, "--model", files.model(), "--example", "1x64"]
    refused(run(*words, "-o", target), "taken.safetensors exists already", "--force")
    assert target.read_text() == "precious"
    refused(run(*words, "-o", files.a, "--force"), "is also an input", "never overwritten")


def test_outputs_are_checked_before_anything_else(files, run):
    (files.folder / "out").mkdir()
    (files.folder / "out" / "x").touch()
    words = files.connect()
    words[words.index("--model") + 1] = "nowhere.py:mlp"
    refused(run(*words), "exists already")


def test_a_folder_that_cannot_be_written(files, run):
    blocked = files.folder / "file"
    blocked.write_text("in the way")
    words = ["align", files.b, "--to", files.a, "--model", files.model(), "--example", "1x64"]
    refused(run(*words, "-o", blocked / "x.safetensors"), "cannot write", "file")
    refused(run(*words, "-o", "/proc/no/x.safetensors"), "cannot write /proc/no/x.safetensors")
    refused(run(*files.connect("--force"), "-o", "/proc/no"), "cannot write /proc/no")


def test_an_interrupt_during_the_write_leaves_nothing(files, run, monkeypatch):
    before = set(files.folder.rglob("*"))

    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_module, "page", interrupted)
    ran = run(*files.connect())
    assert ran.code == 130
    assert "interrupted" in ran.err
    left = {path for path in files.folder.rglob("*") if "__pycache__" not in path.parts}
    assert left == before


def test_an_interrupt_keeps_what_was_there(files, run, monkeypatch):
    assert run(*files.connect()).code == 0
    out = files.folder / "out"
    before = {path.name: path.read_bytes() for path in out.iterdir()}

    def interrupted(*_: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(folder_module, "page", interrupted)
    assert run(*files.connect("--force", "--seed", 1)).code == 130
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_control_c_ends_the_program_with_130(files):
    (files.folder / "slow.py").write_text(
        "import os, signal, sys\n"
        "def model():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    raise SystemExit('not interrupted')\n"
    )
    words = ["discover", "--model", f"{files.folder / 'slow.py'}:model", "--example", "1x64"]
    ran = subprocess.run(
        [sys.executable, "-m", "isthmus.cli", *words], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 128 + signal.SIGINT
    assert "Traceback" not in ran.stderr


def test_an_unknown_option_is_exit_code_2(run):
    assert run("connect", "--nonsense").code == 2


def test_paths_are_named(files, run):
    words = ["barrier", files.a, files.b, "--model", files.model(), "--data", files.data]
    refused(run(*words, "--paths", "line,alined"), "no path 'alined'", "did you mean 'aligned'?")


def test_matching_by_activations_needs_data(files, run):
    words = ["align", files.b, "--to", files.a, "--model", files.model(), "--example", "1x64"]
    ran = run(*words, "--method", "activation", "-o", files.folder / "m.safetensors")
    refused(ran, "--method activation runs the model on data", "give both")


def test_merging_with_batchnorm_needs_data(files, run):
    for seed, path in enumerate((files.a, files.b)):
        save_file(files.params(seed, "normed"), path)
    words = ["merge", files.a, files.b, "--model", files.model("normed"), "--example", "2x64"]
    ran = run(*words, "-o", files.folder / "m.safetensors")
    refused(ran, "BatchNorm statistics need data", "give --data, or --repair none")
    refused(run("merge", files.a, "--model", files.model(), "-o", files.folder / "m"), "at least")


def test_outputs_of_the_wrong_kind_are_refused_before_the_work(files, run):
    model = ["--model", files.model(), "--example", "1x64"]
    both, other = [files.a, files.b], files.folder / "out.xyz"
    for words in (
        ["align", files.b, "--to", files.a, "-o", other],
        ["canonical", files.a, "-o", other],
        ["merge", *both, "-o", other],
    ):
        ran = run(*words, *model)
        refused(ran, "out.xyz: unknown suffix '.xyz'", "end it in .safetensors, .pt or .pth")
    ran = run("distance", *both, *model, "--draw", files.folder / "heat.png")
    refused(ran, "unknown suffix '.png'; end it in .svg")


def test_two_outputs_in_one_file_are_refused(files, run):
    out = files.folder / "out.pt"
    words = ["align", files.b, "--to", files.a, "--model", files.model(), "--example", "1x64"]
    refused(run(*words, "-o", out, "--json", out), "out.pt is also another file of this run")
    assert not out.exists()
