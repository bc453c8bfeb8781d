"""`isthmus recheck`: 0 where a certificate holds, 1 where it is refuted, 2 for bad input."""

from __future__ import annotations

import json

from isthmus.ground import load, save


def aligned(files, run):
    """The words of a certified alignment's recheck."""
    target = files.folder / "align.json"
    models = ["--to", files.a, "--model", files.model(), "--example", "2x64"]
    out = files.folder / "aligned.safetensors"
    ran = run("align", files.b, *models, "--certify", "-o", out, "--json", target)
    assert ran.code == 0, ran.err
    assert "no change of a single space" in ran.out
    return target, ["recheck", target, "--b", files.b, *models]


def test_it_holds_until_something_changes(files, run):
    target, words = aligned(files, run)
    ran = run(*words, "--json", "-")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["holds"]
    assert found["faults"] == []
    assert "holds: " in ran.err

    data = json.loads(target.read_text())
    alone = files.folder / "certificate.json"
    alone.write_text(json.dumps(data["certificate"]))
    assert run("recheck", alone, *words[2:]).code == 0

    data["certificate"]["evidence"]["spaces"]["1"]["u"][0][0] += 0.1
    target.write_text(json.dumps(data))
    ran = run(*words)
    assert ran.code == 1, ran.err
    assert "refuted: " in ran.out
    assert "SHA-256" in ran.out


def test_another_checkpoint_is_refuted(files, run):
    _, words = aligned(files, run)
    params = load(files.b)
    params["1.bias"][0] += 1e-6
    save(params, files.b, force=True)
    ran = run(*words)
    assert ran.code == 1
    assert "the parameters of b are not those" in ran.out


def test_a_symmetry_file_does_as_well(files, run):
    _, words = aligned(files, run)
    group = files.folder / "symmetry.json"
    assert run("discover", "--model", files.model(), "--example", "2x64", "--json", group).code == 0
    at = words.index("--model")
    assert run(*words[:at], "--symmetry", group).code == 0
    assert run(*words[:at]).code == 2


def test_files_that_are_no_certificates(files, run):
    _, words = aligned(files, run)
    other = files.folder / "other.json"
    ran = run("recheck", other, *words[2:])
    assert ran.code == 2
    assert "other.json cannot be read: No such file" in ran.errors[0]
    for text, said in (("{", "not JSON"), ("{}", "no certificate of optimality")):
        other.write_text(text)
        ran = run("recheck", other, *words[2:])
        assert ran.code == 2
        assert said in ran.errors[0]


def test_a_connection_holds_its_certificate(files, run):
    ran = run(*files.connect("--certify"))
    assert ran.code == 0, ran.err
    out = files.folder / "out"
    page = (out / "report.html").read_text()
    for fact in ("lower bound", "gap of one space", "spread"):
        assert fact in page
    words = ["--to", files.a, "--b", files.b, "--model", files.model(), "--example", "2x64"]
    ran = run("recheck", out / "result.json", *words)
    assert ran.code == 0, (ran.out, ran.err)
    assert "holds: " in ran.out
