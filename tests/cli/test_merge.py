"""`isthmus merge`: every method, with and without alignment, a base, and repairs."""

import json
from dataclasses import replace

import pytest
import torch

from isthmus.cli.inputs import load_data, load_model, thinned
from isthmus.discovery import discover
from isthmus.ground import load, save
from isthmus.merging import (
    CcaMerge,
    Dare,
    KarcherMean,
    MatchedMoments,
    PcbMerging,
    Pleas,
    Slerp,
    TaskArithmetic,
    Ties,
    ZipIt,
    merge,
)
from isthmus.testing.datasets import batches


@pytest.fixture
def merged(files, run):
    """Runs the verb on the given files and returns (what ran, what it wrote)."""

    def go(paths, *words):
        out = files.folder / "merged.safetensors"
        ran = run("merge", *paths, "--model", files.model(), *words, "-o", out)
        return ran, load(out) if ran.code == 0 else {}

    return go


def fine_tuned(files, count=2):
    """A base and models near it."""
    base = files.folder / "base.safetensors"
    save(files.params(9), base)
    paths = []
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        near = {
            n: t + 0.01 * torch.randn(t.shape, generator=generator)
            for n, t in files.params(9).items()
        }
        paths.append(files.folder / f"tuned{seed}.safetensors")
        save(near, paths[-1])
    return base, paths


def equal(found, expected):
    return all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("name", ["arithmetic", "ties", "dare", "pcb"])
def test_task_vectors_are_merged_where_they_are(files, merged, name):
    base, paths = fine_tuned(files)
    start = load(base)
    ties = Ties(start, keep=0.5)
    expected = {
        "arithmetic": TaskArithmetic(start),
        "ties": ties,
        "dare": Dare(ties, 0.25, seed=3),
        "pcb": PcbMerging(start, keep=0.5),
    }[name]
    more = ["--base", base, "--method", name, "--keep", 0.5, "--drop", 0.25, "--seed", 3]
    ran, found = merged(paths, "--example", "1x64", *more, "--json", "-")
    assert ran.code == 0, ran.err
    assert equal(found, merge([load(path) for path in paths], expected))
    assert json.loads(ran.out)["method"] == name
    assert "aligned" not in json.loads(ran.out)


@pytest.mark.parametrize(("name", "method"), [("slerp", Slerp()), ("karcher", KarcherMean())])
def test_spheres_without_alignment(files, merged, name, method):
    paths = [files.a, files.b]
    ran, found = merged(paths, "--example", "1x64", "--method", name, "--no-align")
    assert ran.code == 0, ran.err
    assert equal(found, merge([load(path) for path in paths], method))
    ran, aligned = merged(paths, "--example", "1x64", "--method", name, "--force")
    assert ran.code == 0, ran.err
    assert not equal(aligned, found)


def test_renormalised(files, merged):
    words = ["--data", files.data, "--no-align"]
    _, plain = merged([files.a, files.b], *words)
    ran, found = merged([files.a, files.b], *words, "--repair", "renormalise", "--force")
    assert ran.code == 0, ran.err
    assert not equal(found, plain)
    assert torch.equal(found["5.weight"], plain["5.weight"])


@pytest.mark.parametrize("name", ["zipit", "cca", "pleas"])
def test_by_features(files, merged, name):
    data = load_data(str(files.data))
    given = (load_model(files.model()), batches(data.x_train, data.y_train, 1000))
    symmetry = discover(given[0], data.x_train[:1])
    paths = [files.a, files.b]
    words = ["--data", files.data, "--method", name, "--within", 0.5]
    ran, found = merged(paths, *words)
    assert ran.code == 0, ran.err
    more = {"within": 0.5} if name == "zipit" else {}
    method = {"zipit": ZipIt, "cca": CcaMerge, "pleas": Pleas}[name](*given, symmetry, **more)
    models = [load(path) for path in paths]
    assert equal(found, merge(models, method))
    ran, repaired = merged(paths, *words, "--repair", "renormalise", "--no-align", "--force")
    assert ran.code == 0, ran.err
    plain = replace(method, align=False)
    assert equal(repaired, merge(models, plain, MatchedMoments(*given, plain.common(models))))
    ran, fewer = merged(paths, *words, "--samples", 20, "--force")
    assert ran.code == 0, ran.err
    some = thinned(data, 20, 0)
    shown = batches(some.x_train, some.y_train, 1000)
    assert equal(fewer, merge(models, replace(method, batches=shown)))
    assert not equal(fewer, found)


def test_a_soup_is_no_worse_than_its_best_model(files, merged):
    ran, found = merged([files.a, files.b], "--data", files.data, "--method", "soup", "--no-align")
    assert ran.code == 0, ran.err
    assert found.keys() == load(files.a).keys()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--method", "ties"], "--method ties needs the base of all checkpoints; give --base FILE"),
        (["--base", "A"], "--method average has no use for a base"),
        (["--method", "soup"], "--method soup needs data; give --data"),
        (["--method", "zipit"], "--method zipit needs data; give --data"),
        (["--repair", "renormalise"], "--repair renormalise needs data"),
        (["--method", "ties", "--base", "A", "--keep", "2"], "keep is 2.0, expected a share"),
    ],
)
def test_what_does_not_fit(files, merged, words, text):
    words = [files.a if word == "A" else word for word in words]
    ran, _ = merged([files.a, files.b], "--example", "1x64", *words)
    assert ran.code == 2
    assert text in ran.err
    assert not (files.folder / "merged.safetensors").exists()
