"""A model that says its own inputs needs no example, whatever the verb; half precision is kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from isthmus.cli.inputs import load_model
from isthmus.ground import Params, load, params_of, save

LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 11,
    "hidden_size": 8,
    "intermediate_size": 6,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 6,
}


def drawn(like: Params, seed: int) -> Params:
    generator = torch.Generator().manual_seed(seed)
    return {n: 0.3 * torch.randn(t.shape, generator=generator) for n, t in like.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A Hugging Face folder and two checkpoints of its model."""
    pytest.importorskip("transformers")
    place = tmp_path / "llama"
    place.mkdir()
    (place / "config.json").write_text(json.dumps(LLAMA))
    like = params_of(load_model(str(place)))
    for seed, name in enumerate("ab"):
        save(drawn(like, seed), tmp_path / f"{name}.safetensors")
    return place


@pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")
def test_every_verb_takes_the_example_of_the_folder(folder, run):
    a, b = (folder.parent / f"{name}.safetensors" for name in "ab")
    model, out = ["--model", folder], folder.parent / "out.safetensors"
    stored = folder.parent / "align.json"
    verbs = (
        ["align", b, "--to", a, "-o", out, "--certify", "--json", stored],
        ["recheck", stored, "--b", b, "--to", a],
        ["distance", a, b],
        ["canonical", a, "-o", out, "--force"],
        ["merge", a, b, "-o", out, "--force"],
    )
    for verb in verbs:
        ran = run(*verb, *model)
        assert ran.code == 0, (verb[0], ran.err)


def test_a_checkpoint_may_be_of_another_precision_than_the_model(files, run):
    for path in (files.a, files.b):
        save({n: t.bfloat16() for n, t in load(path).items()}, path, force=True)
    out = files.folder / "out.safetensors"
    model = ["--model", files.model(), "--example", "1x64", "-o", out]
    ran = run("align", files.b, "--to", files.a, *model)
    assert ran.code == 0, ran.err
    assert {t.dtype for t in load(out).values()} == {torch.bfloat16}
