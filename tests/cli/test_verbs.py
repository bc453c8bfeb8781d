"""Every verb does its job, prints it, and gives it as data."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

import isthmus
from isthmus.cli import main
from isthmus.cli.inputs import example_for, load_data, load_model, parse_example
from isthmus.ground import Certificate, Verdict, load, save


def outputs(files, params: dict[str, torch.Tensor], factory: str = "mlp") -> torch.Tensor:
    model = load_model(files.model(factory))
    model.load_state_dict(params)
    x = load_data(str(files.data)).x_test
    return model(x).detach()


def test_discover_prints_the_type(files, run):
    ran = run("discover", "--model", files.model(), "--example", "1x64", "--verify")
    assert ran.code == 0, ran.err
    assert "M⁺(12)" in ran.out
    assert "M⁺(8)" in ran.out
    assert "continuous dimensions 20" in ran.out
    assert "TESTED" in ran.out
    assert "\x1b" not in ran.out + ran.err


def test_discover_in_both_gauges(tmp_path, run):
    factory = tmp_path / "normed.py"
    factory.write_text(
        "from torch import nn\n"
        "def model():\n"
        "    return nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 2))\n"
    )
    words = ["discover", f"{factory}:model", "--example", "1x3", "--verify"]
    folded, asis = (run(*words, "--gauge", gauge) for gauge in ("folded", "asis"))
    assert folded.code == asis.code == 0, folded.err + asis.err
    assert "O(4|1)" in folded.out
    assert "O(4|1)" not in asis.out
    assert run(*words).out == folded.out


def test_discover_as_data(files, run):
    ran = run("discover", "--model", files.model(), "--data", files.data, "--json", "-")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["lie_dim"] == 20
    assert "M⁺(12)" in ran.err


def test_explain_names_the_operator(files, run):
    words = ["discover", "--model", files.model(), "--example", "1x64"]
    space = next(iter(json.loads(run(*words, "--json", "-").out)["spaces"]))
    ran = run(*words, "--explain", space)
    assert ran.code == 0, ran.err
    assert "relu" in ran.out


def test_a_factory_that_prints_does_not_spoil_the_data(files, run):
    words = ["discover", "--model", files.model("noisy"), "--example", "1x64", "--json", "-"]
    ran = run(*words)
    assert json.loads(ran.out)["lie_dim"] == 20
    assert "built a model" in ran.err


def test_align_keeps_the_function(files, run):
    out = files.folder / "aligned.safetensors"
    words = ["align", files.b, "--to", files.a, "--model", files.model(), "--data", files.data]
    ran = run(*words, "-o", out, "--json", files.folder / "align.json")
    assert ran.code == 0, ran.err
    found = json.loads((files.folder / "align.json").read_text())
    assert found["after"] < found["before"]
    torch.testing.assert_close(outputs(files, load(out)), outputs(files, load(files.b)))


@pytest.mark.parametrize("method", ["activation", "covariance"])
def test_align_by_data_keeps_the_function(method, files, run):
    out = files.folder / "aligned.safetensors"
    words = ["align", files.b, "--to", files.a, "--model", files.model(), "--data", files.data]
    ran = run(*words, "--method", method, "-o", out, "--json", "-")
    assert ran.code == 0, ran.err
    evidence = json.loads(ran.out)["certificate"]["evidence"]
    assert ("places" if method == "activation" else "measured") in evidence
    torch.testing.assert_close(outputs(files, load(out)), outputs(files, load(files.b)))


def test_barrier_on_all_paths(files, run):
    words = ["barrier", files.a, files.b, "--model", files.model(), "--data", files.data]
    ran = run(*words, "--paths", "line,aligned,orbit", "--points", 3, "--json", "-")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)["test"]
    assert list(found) == ["line", "aligned", "orbit"]
    assert found["orbit"]["height"] < 1e-5
    assert found["line"]["losses"][-1] == pytest.approx(found["orbit"]["losses"][-1])
    assert "orbit" in ran.err


def test_barrier_refined_and_with_an_interval(files, run):
    words = ["barrier", files.a, files.b, "--model", files.model(), "--data", files.data]
    plain = json.loads(run(*words, "--paths", "line", "--points", 5, "--json", "-").out)["test"]
    more = ["--paths", "line", "--points", 5, "--refine", "--interval", "--json", "-"]
    ran = run(*words, *more)
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)["test"]["line"]
    assert found["height"] >= plain["line"]["height"]
    assert len(found["ts"]) > 5
    assert found["interval"]["low"] <= found["height"] <= found["interval"]["high"]
    assert f"{found['interval']['resamples']}" == "1000"
    assert " to " in ran.err


def test_merge_three(files, run):
    third = files.folder / "c.safetensors"
    save(files.params(7), third)
    out = files.folder / "merged.safetensors"
    words = ["merge", files.a, files.b, third, "--model", files.model(), "--example", "1x64"]
    ran = run(*words, "-o", out)
    assert ran.code == 0, ran.err
    assert set(load(out)) == set(load(files.a))
    assert ran.out.count("distance") == 2


def test_connect_writes_everything(files, run):
    ran = run(*files.connect("--json", "-"))
    assert ran.code == 0, ran.err
    out = files.folder / "out"
    names = {"aligned.safetensors", "merged.safetensors", "report.html", "result.json"}
    assert {path.name for path in out.iterdir()} == names
    result = json.loads((out / "result.json").read_text())
    assert result == json.loads(ran.out)
    assert set(result["barriers"]) == {"test", "train"}
    assert set(result["barriers"]["test"]) == {"naive", "aligned", "home"}
    a, aligned = load(files.a), load(out / "aligned.safetensors")
    merged = load(out / "merged.safetensors")
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, (a[name] + aligned[name]) / 2)
    torch.testing.assert_close(outputs(files, aligned), outputs(files, load(files.b)))
    for word in ("distance", "Barriers", "straight, A to B", "merged", "report.html"):
        assert word in ran.err


def test_connect_maps_the_plane_where_it_is_asked_to(files, run):
    ran = run(*files.connect("--surface", 4, "--json", "-"))
    assert ran.code == 0, ran.err
    out = files.folder / "out"
    pictures = {"surface.svg", "relief.svg", "surface.png"}
    assert pictures < {path.name for path in out.iterdir()}
    found = json.loads(ran.out)["surface"]
    assert len(found["losses"]) == len(found["losses"][0]) == 4
    assert set(found["paths"]) == {"naive", "aligned", "home"}
    assert "The plane of A, B and B′" in (out / "report.html").read_text(encoding="utf-8")
    assert run(*files.connect("--surface", 4)).code == 2


def test_connect_is_repeatable(files, run):
    first = json.loads(run(*files.connect("--json", "-")).out)
    second = json.loads(run(*files.connect("--json", "-", "--force")).out)
    first["provenance"] = second["provenance"] = None
    assert first == second


def test_connect_recomputes_batchnorm(files, run):
    for seed, path in enumerate((files.a, files.b)):
        save(files.params(seed, "normed"), path, force=True)
    words = files.connect("--json", "-")
    words[words.index("--model") + 1] = files.model("normed")
    ran = run(*words)
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["repaired"] is True
    merged = load(files.folder / "out" / "merged.safetensors")
    assert (merged["2.running_mean"] - load(files.a)["2.running_mean"]).abs().max() > 1e-3


def test_examples_are_parsed():
    (image,) = parse_example("2x3x8x8:double")
    assert image.shape == (2, 3, 8, 8)
    assert image.dtype == torch.float64
    named = parse_example("ids=1x16:int, mask=1x16:bool")
    assert isinstance(named, dict)
    assert {name: t.dtype for name, t in named.items()} == {"ids": torch.int64, "mask": torch.bool}
    assert len(parse_example("1x2,1x3")) == 2


def test_data_from_a_factory(files):
    (files.folder / "data_factory.py").write_text(
        "import torch\ndef pair():\n    return torch.zeros(6, 64), torch.zeros(6).long()\n"
    )
    data = load_data(f"{files.folder / 'data_factory.py'}:pair")
    assert data.x_train.shape == (6, 64)
    assert example_for(None, data)[0].shape == (4, 64)


def test_a_report_without_its_packages(files, run, monkeypatch):
    monkeypatch.setitem(sys.modules, "plotly", None)
    ran = run(*files.connect())
    assert ran.code == 2
    assert "pip install 'isthmus[report]'" in ran.err


def test_help_names_every_verb(run):
    ran = run("--help")
    assert ran.code == 0
    for name in (
        "discover",
        "align",
        "barrier",
        "certify",
        "connect",
        "merge",
        "demo",
        "distance",
        "canonical",
    ):
        assert name in ran.out
        assert run(name, "--help").code == 0


def test_importing_isthmus_is_light():
    code = (
        "import sys, isthmus; "
        "heavy = {'sklearn', 'plotly', 'jinja2', 'typer', 'rich', 'transformers'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


@pytest.mark.slow
def test_the_demo(tmp_path, capsys):
    pytest.importorskip("sklearn", reason="the demo's data come with scikit-learn")
    out = tmp_path / "demo"
    assert main(["demo", "-o", str(out), "--json", str(tmp_path / "demo.json")]) == 0
    result = json.loads((tmp_path / "demo.json").read_text())
    for split in ("test", "train"):
        barriers = result["barriers"][split]
        assert barriers["naive"]["height"] > 0.3
        assert barriers["aligned"]["height"] < 0.05 * barriers["naive"]["height"]
        assert barriers["home"]["height"] < 1e-4
    scores = result["scores"]["test"]
    mean = (scores["a"]["metrics"]["accuracy"] + scores["b"]["metrics"]["accuracy"]) / 2
    assert scores["merged"]["metrics"]["accuracy"] >= mean - 0.01
    assert (out / "a.safetensors").exists()
    assert "same valley" in capsys.readouterr().out


def test_the_version_is_that_of_the_package():
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert isthmus.__version__ == tomllib.loads(project.read_text())["project"]["version"]


def test_all_public_names_exist():
    assert len(set(isthmus.__all__)) == len(isthmus.__all__)
    for name in isthmus.__all__:
        assert getattr(isthmus, name) is not None


def test_a_failed_check_is_exit_code_1(files, run, monkeypatch):
    refuted = Certificate("8 random elements keep the function", Verdict.REFUTED, -1.0)
    monkeypatch.setattr(isthmus.discovery, "verify", lambda *_, **__: refuted)
    words = ["discover", "--model", files.model(), "--example", "1x64"]
    assert run(*words).code == 0
    ran = run(*words, "--verify")
    assert ran.code == 1
    assert "REFUTED" in ran.out


def test_an_unknown_operator_is_warned_of_or_refused(files, run):
    (files.folder / "odd.py").write_text(
        "import torch\n"
        "class Odd(torch.nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a, self.b = torch.nn.Linear(8, 6), torch.nn.Linear(6, 3)\n"
        "    def forward(self, x):\n"
        "        h = self.a(x)\n"
        "        return self.b(h @ torch.linalg.inv(h.T @ h + torch.eye(6)))\n"
    )
    words = ["discover", "--model", f"{files.folder / 'odd.py'}:Odd", "--example", "2x8"]
    ran = run(*words)
    assert ran.code == 0, ran.err
    warned = [line for line in ran.err.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 1
    assert "inv" in warned[0]
    ran = run(*words, "--unknown", "raise")
    assert ran.code == 2
    assert "inv" in ran.errors[0]


def test_fewer_samples(files, run):
    found = json.loads(run(*files.connect("--samples", 7, "--json", "-")).out)
    assert {scores["a"]["samples"] for scores in found["scores"].values()} == {7}
    assert "7 samples of a part at most" in found["provenance"]["data"]
