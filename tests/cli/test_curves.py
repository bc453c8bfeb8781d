"""`isthmus barrier` on learned curves."""

from __future__ import annotations

import json

from isthmus.cli.curves import CURVES
from isthmus.cli.showing import _NAMES


def barriers(files, run, paths, *options):
    words = ["barrier", files.a, files.b, "--model", files.model(), "--data", files.data]
    ran = run(*words, "--paths", paths, "--points", 5, "--split", "train", "--json", "-", *options)
    assert ran.code == 0, ran.err
    return json.loads(ran.out)["train"], ran.err


def test_every_curve_has_words():
    assert set(CURVES) <= set(_NAMES)


def test_curves_are_trained_and_measured(files, run):
    paths = "line,bezier,aligned-polygon"
    found, shown = barriers(files, run, paths, "--steps", 60, "--rate", 0.02, "--step-size", 16)
    assert list(found) == ["line", "bezier", "aligned-polygon"]
    assert found["bezier"]["kind"] == "Bézier with 1 bend"
    assert found["aligned-polygon"]["kind"] == "polygonal chain with 1 bend"
    assert max(found["bezier"]["losses"][1:-1]) < max(found["line"]["losses"][1:-1])
    assert "polygon, A to aligned B" in shown


def test_a_training_is_kept(files, run):
    folder = files.folder / "kept"
    first, second = (
        barriers(files, run, "elastic", "--steps", 9, "--bends", 2, "--keep", folder)[0]
        for _ in range(2)
    )
    assert [file.name for file in folder.iterdir()] == ["elastic.pt"]
    assert first == second
    assert first["elastic"]["kind"].startswith("polygonal chain with")
