"""`isthmus distance` and `isthmus canonical`: what does not depend on the gauge."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
import torch

from isthmus.cli.inputs import load_data, load_model
from isthmus.discovery import discover
from isthmus.ground import Params, distance, load, save


@pytest.fixture
def twin(files):
    """A model of the orbit of A."""
    symmetry = discover(load_model(files.model()), torch.zeros(1, 64))
    path = files.folder / "twin.safetensors"
    save(symmetry.act(symmetry.sample(seed=3), load(files.a)), path)
    return path


def outputs(files, params: Params) -> torch.Tensor:
    model = load_model(files.model())
    model.load_state_dict(params)
    return model(load_data(str(files.data)).x_test).detach()


def test_two_models_of_one_orbit_are_at_no_distance(files, run, twin):
    words = ["--model", files.model(), "--example", "1x64", "--json", "-"]
    ran = run("distance", files.a, twin, *words)
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["total"]["relative"] < 1e-5
    assert found["total"]["relative_before"] > 0.1
    assert set(found["layers"]) == {"1", "3", "5"}
    assert "between the orbits" in ran.err
    one, two = (run("distance", x, files.b, *words) for x in (files.a, twin))
    apart = [json.loads(r.out)["total"]["after"] for r in (one, two)]
    assert apart[0] > 1
    assert apart[0] == pytest.approx(apart[1], rel=1e-5)


def test_many_models_are_a_table_and_a_picture(files, run, twin):
    picture = files.folder / "heat.svg"
    words = ["distance", files.a, files.b, twin, "--model", files.model(), "--example", "1x64"]
    ran = run(*words, "--draw", picture, "--json", files.folder / "found.json")
    assert ran.code == 0, ran.err
    found = json.loads((files.folder / "found.json").read_text())
    assert [len(row) for row in found["relative"]] == [3, 3, 3]
    assert found["relative"][0][2] < 1e-5 < found["relative"][0][1]
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [(0, 1), (0, 2), (1, 2)]
    assert "twin" in ran.out
    root = ElementTree.fromstring(picture.read_text())
    cells = [r for r in root.iter() if r.get("class") == "cell"]
    assert len(cells) == 9
    assert run(*words, "--draw", picture).code == 2


def test_models_of_one_orbit_have_one_canonical_form(files, run, twin):
    for form in ("balanced", "unit-norm"):
        made = []
        for path in (files.a, twin):
            out = files.folder / f"{path.stem}-{form}.safetensors"
            words = ["canonical", path, "--model", files.model(), "--example", "1x64", "-o", out]
            ran = run(*words, "--form", form, "--json", "-")
            assert ran.code == 0, ran.err
            assert json.loads(ran.out)["form"] == form
            assert f"in the {form} form" in ran.err
            made.append(load(out))
        assert distance(made[0], made[1]) < 1e-4
        assert distance(load(files.a), made[0]) > 0.1
        torch.testing.assert_close(outputs(files, made[0]), outputs(files, load(files.a)))


def test_units_may_keep_their_order(files, run):
    out = files.folder / "kept.safetensors"
    words = ["canonical", files.a, "--model", files.model(), "--example", "1x64", "-o", out]
    assert run(*words, "--keep-order").code == 0
    ratio = load(out)["1.weight"] / load(files.a)["1.weight"]
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))


def test_what_is_refused(files, run):
    ran = run("distance", files.a, "--model", files.model())
    assert ran.code == 2
    assert ran.errors == ["error: 1 checkpoint to measure; give at least two"]
    ran = run("canonical", files.a, "--model", files.model(), "-o", files.a)
    assert ran.code == 2
    assert "is also an input" in ran.errors[0]
