"""`isthmus transport`: layers as measures, on the terminal and as data."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from isthmus.cli.inputs import load_model
from isthmus.discovery import discover
from isthmus.ground import load, params_of, save

WIDE = """
from torch import nn


def wide(hidden=40):
    return nn.Sequential(nn.Linear(6, hidden), nn.ReLU(), nn.Linear(hidden, 3))


def wider():
    return wide(64)
"""


@pytest.fixture
def wide(tmp_path):
    """Two networks of 40 units and one of 64, and data."""
    source = tmp_path / "wide.py"
    source.write_text(WIDE)
    for seed, factory in enumerate(("wide", "wide", "wider")):
        params, generator = params_of(load_model(f"{source}:{factory}")), torch.Generator()
        generator.manual_seed(seed)
        drawn = {n: torch.randn(t.shape, generator=generator) for n, t in params.items()}
        save(drawn, tmp_path / f"{seed}.safetensors")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.random((50, 6), dtype=np.float32), y=np.zeros(50, int))
    return tmp_path


def test_layers_are_a_table_and_data(wide, run):
    words = ["transport", wide / "0.safetensors", wide / "1.safetensors"]
    words += ["--model", f"{wide / 'wide.py'}:wide", "--data", wide / "data.npz"]
    ran = run(*words, "--json", "-")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    (layer,) = found["layers"]
    assert layer["space"] == "0"
    assert 0 < layer["after"][1]["distance"] <= layer["matched"] * (1 + 1e-9)
    assert layer["after"][1]["distance"] == pytest.approx(layer["before"][1]["distance"], rel=1e-6)
    assert layer["dimensions"]["data"]["value"] < layer["dimensions"]["weights"]["value"]
    assert layer["fit"]["widths"] == [10, 20]
    assert layer["law"]["exponent"] > 0
    assert "intrinsic" in ran.err
    assert "in the metric of the weights, of units" in ran.err
    assert "…" not in ran.err
    seen = json.loads(run(*words, "--metric", "data", "--json", "-").out)
    assert seen["layers"][0]["after"][1]["cost"] != layer["after"][1]["cost"]
    bare = json.loads(run(*words, "--repetitions", 0, "--form", "asis", "--json", "-").out)
    assert bare["layers"][0]["fit"] is None


def test_a_model_of_the_same_orbit_is_at_no_distance(files, run):
    symmetry = discover(load_model(files.model()), torch.zeros(1, 64))
    twin = files.folder / "twin.safetensors"
    save(symmetry.act(symmetry.sample(seed=3), load(files.a)), twin)
    words = ["--model", files.model(), "--example", "1x64", "--json", "-"]
    found = json.loads(run("transport", files.a, twin, *words).out)
    for layer in found["layers"]:
        assert layer["after"][1]["distance"] < 1e-4 * layer["length"]
    assert found["layers"][1]["before"][1]["distance"] > 0.1


def test_models_of_other_widths(wide, run):
    pytest.importorskip("ot")
    spec = wide / "wide.py"
    words = ["transport", wide / "0.safetensors", wide / "2.safetensors"]
    words += ["--model", f"{spec}:wide", "--example", "1x6", "--json", "-"]
    ran = run(*words, "--model-b", f"{spec}:wider")
    assert ran.code == 0, ran.err
    (layer,) = json.loads(ran.out)["layers"]
    assert layer["sizes"] == [40, 64]
    assert layer["before"] is None
    assert "40, 64" in ran.err
    soft = run(*words, "--model-b", f"{spec}:wider", "--epsilon", 0.05)
    (loose,) = json.loads(soft.out)["layers"]
    assert loose["after"][1]["bound"] <= layer["after"][1]["cost"] <= loose["after"][1]["cost"]
    assert loose["after"][1]["solver"].startswith("Entropic(epsilon=0.05")
    assert run(*words).code == 2


def test_what_is_refused(wide, run):
    words = ["transport", wide / "0.safetensors", wide / "1.safetensors"]
    words += ["--model", f"{wide / 'wide.py'}:wide", "--example", "1x6"]
    ran = run(*words, "--metric", "data")
    assert ran.code == 2
    (said,) = ran.errors
    assert said.startswith("error: --metric data runs the model on data, and --model or --data is")
    assert said.endswith("give both, or leave --metric out")
    ran = run(*words, "--repetitions", 1)
    assert ran.code == 2
    assert ran.errors == ["error: --repetitions 1 has no interval; give 0, or 2 and more"]
    out = wide / "found.json"
    out.write_text("kept")
    assert run(*words, "--json", out).code == 2
    assert out.read_text() == "kept"
    broken = load(wide / "1.safetensors")
    broken["0.weight"][0, 0] = torch.nan
    save(broken, wide / "1.safetensors", force=True)
    ran = run(*words, "--json", wide / "none.json")
    assert ran.code == 2
    assert "NaN" in ran.errors[0]
    assert not (wide / "none.json").exists()
