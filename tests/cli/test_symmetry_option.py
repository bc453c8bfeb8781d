"""`--symmetry FILE`: aligning and merging without the model's code."""

from __future__ import annotations

import json

from isthmus.ground import distance, load, save


def discovered(files, run, factory: str = "mlp"):
    """What `discover --json` wrote."""
    target = files.folder / "symmetry.json"
    ran = run("discover", "--model", files.model(factory), "--example", "2x64", "--json", target)
    assert ran.code == 0, ran.err
    return target


def refused(ran, *words: str) -> None:
    assert ran.code == 2, ran.err
    assert len(ran.errors) == 1
    for word in words:
        assert word in ran.errors[0]


def test_align_and_merge_do_the_same_without_the_model(files, run):
    known = {
        "model": ["--model", files.model(), "--example", "2x64"],
        "symmetry": ["--symmetry", discovered(files, run)],
    }
    for verb in (["align", files.b, "--to", files.a], ["merge", files.a, files.b]):
        made = {}
        for how, words in known.items():
            target = files.folder / f"{verb[0]}-{how}.safetensors"
            ran = run(*verb, *words, "-o", target)
            assert ran.code == 0, ran.err
            made[how] = load(target)
        assert distance(made["model"], made["symmetry"]) == 0
        assert distance(made["model"], load(files.b)) > 0.1


def test_one_of_the_two_is_needed(files, run):
    words = ["align", files.b, "--to", files.a, "-o", files.folder / "out.safetensors"]
    refused(run(*words), "neither --model nor --symmetry is given", "give one")
    both = ["--model", files.model(), "--symmetry", files.folder / "x.json"]
    refused(run(*words, *both), "both --model and --symmetry is given")


def test_damaged_files_are_refused(files, run):
    words = ["align", files.b, "--to", files.a, "-o", files.folder / "out.safetensors"]
    missing = files.folder / "missing.json"
    refused(run(*words, "--symmetry", missing), "missing.json cannot be read: No such file")
    missing.write_text("{")
    refused(run(*words, "--symmetry", missing), "cannot be read: not JSON", "discover --json FILE")
    missing.write_text("{}")
    refused(run(*words, "--symmetry", missing), "the data has no 'spaces'")
    assert not (files.folder / "out.safetensors").exists()


def test_checkpoints_of_another_architecture_are_refused(files, run):
    target = discovered(files, run)
    data = json.loads(target.read_text())
    data["reps"]["more"] = "3"
    target.write_text(json.dumps(data))
    words = ["align", files.b, "--to", files.a, "-o", files.folder / "out.safetensors"]
    refused(run(*words, "--symmetry", target), "'more' is missing")


def test_statistics_need_the_model(files, run):
    target = discovered(files, run, "normed")
    for seed, path in enumerate((files.a, files.b)):
        save(files.params(seed, "normed"), path, force=True)
    words = ["merge", files.a, files.b, "--symmetry", target, "-o", files.folder / "m.safetensors"]
    refused(run(*words), "BatchNorm statistics need the model", "--repair none")
    refused(run(*words, "--repair", "statistics"), "give --model instead of --symmetry")


def test_all_rows_are_shown_where_asked(files, run):
    (files.folder / "deep.py").write_text(
        "from torch import nn\n"
        "def deep():\n"
        "    return nn.Sequential(*(m for _ in range(30) for m in (nn.Linear(8, 8), nn.ReLU())))\n"
    )
    words = ["discover", "--model", f"{files.folder / 'deep.py'}:deep", "--example", "1x8"]
    short, full = run(*words).out, run(*words, "--full").out
    assert len(short.splitlines()) < 20
    assert "29 × M⁺(8)[" in short
    assert len(full.splitlines()) == 1 + 60 + 1
    assert run(*words, "--explain", "4.weight").out.count("axis") == 2


def test_the_network_is_drawn(files, run):
    picture = files.folder / "network.svg"
    words = ["discover", "--model", files.model(), "--example", "2x64", "--draw", picture]
    ran = run(*words)
    assert ran.code == 0, ran.err
    assert picture.read_text().startswith('<svg class="network"')
    refused(run(*words), "exists already")
    assert run(*words, "--force").code == 0
