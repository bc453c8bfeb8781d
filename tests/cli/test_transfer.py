"""`isthmus transfer`: what it writes and says, and what it refuses."""

from __future__ import annotations

import json

import pytest
import torch

from isthmus.cli.inputs import load_model
from isthmus.discovery import discover
from isthmus.ground import load, save


@pytest.fixture
def fine(files):
    """The first checkpoint after a step; the second is the first, moved."""
    start = load(files.a)
    generator = torch.Generator().manual_seed(3)
    path = files.folder / "fine.safetensors"
    tuned = {n: t + 0.05 * torch.randn(t.shape, generator=generator) for n, t in start.items()}
    save(tuned, path)
    symmetry = discover(load_model(files.model()), torch.zeros(1, 8, 8))
    save(symmetry.act(symmetry.sample(2), start), files.b, force=True)
    return path


def words(files, fine, *more, out="out.safetensors"):
    given = ["--base", files.a, "--to", files.b, "--model", files.model(), "--data", files.data]
    return ["transfer", fine, *given, "-o", files.folder / out, *more]


def outputs(files, path):
    model, x = load_model(files.model()), torch.rand(6, 8, 8, generator=torch.manual_seed(1))
    return torch.func.functional_call(model, load(path), (x,))


@pytest.mark.parametrize("method", ["weight", "activation"])
def test_what_was_learned_arrives(method, files, fine, run) -> None:
    ran = run(*words(files, fine, "--method", method, "--json", "-"))
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["scale"] == 1
    assert found["alignment"]["before"] > 100 * found["alignment"]["after"]
    assert found["vector"] > 0
    assert "task vector of length" in ran.err
    assert "wrote" in ran.err
    moved, tuned, target = (
        outputs(files, p) for p in (files.folder / "out.safetensors", fine, files.b)
    )
    assert torch.allclose(moved, tuned, atol=1e-3)
    assert not torch.allclose(target, tuned, atol=1e-2)


def test_nothing_of_it_is_added_at_scale_zero(files, fine, run) -> None:
    ran = run(*words(files, fine, "--scale", 0, "--json", files.folder / "out.json"))
    assert ran.code == 0, ran.err
    target, found = load(files.b), load(files.folder / "out.safetensors")
    assert all(torch.allclose(found[n], t, atol=1e-6) for n, t in target.items())
    assert json.loads((files.folder / "out.json").read_text())["certificate"]["verdict"]


def test_a_file_of_the_symmetry_stands_for_the_model(files, fine, run) -> None:
    stored = files.folder / "symmetry.json"
    assert (
        run("discover", "--model", files.model(), "--example", "1x64", "--json", stored).code == 0
    )
    more = ["--base", files.a, "--to", files.b, "--symmetry", stored]
    ran = run("transfer", fine, *more, "-o", files.folder / "out.safetensors")
    assert ran.code == 0, ran.err


def test_outputs_are_not_overwritten(files, fine, run) -> None:
    assert run(*words(files, fine)).code == 0
    again = run(*words(files, fine))
    assert again.code == 2
    assert "--force" in again.errors[0]
    assert run(*words(files, fine, "--force")).code == 0
    before = files.b.read_bytes()
    for path in (fine, files.a, files.b):
        ran = run(*words(files, fine, "--force", out=path.name))
        assert ran.code == 2, path
    assert files.b.read_bytes() == before


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (("--scale", "nan"), "the scale is nan"),
        (("--symmetry", "x.json"), "--model and --symmetry"),
    ],
)
def test_bad_input_is_refused(more, text, files, fine, run) -> None:
    ran = run(*words(files, fine, *more))
    assert ran.code == 2
    assert text in ran.errors[0]
    assert not (files.folder / "out.safetensors").exists()


def test_a_base_of_another_architecture_is_refused(files, fine, run) -> None:
    save(files.params(0, "normed"), files.folder / "normed.safetensors")
    given = ["--to", files.b, "--model", files.model(), "--data", files.data]
    out = files.folder / "out.safetensors"
    ran = run("transfer", fine, "--base", files.folder / "normed.safetensors", *given, "-o", out)
    assert ran.code == 2
    assert "normed.safetensors" in ran.errors[0]


def test_activations_need_data(files, fine, run) -> None:
    given = ["--base", files.a, "--to", files.b, "--model", files.model(), "--example", "1x8x8"]
    out = files.folder / "out.safetensors"
    ran = run("transfer", fine, *given, "-o", out, "--method", "activation")
    assert ran.code == 2
    assert "--data is missing" in ran.errors[0]
