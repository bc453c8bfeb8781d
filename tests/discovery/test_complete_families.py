"""Families of transformers of which every flat direction is explained."""

from __future__ import annotations

import warnings

import pytest

from isthmus.discovery import completeness, discover
from isthmus.discovery.completeness import Completeness
from isthmus.testing.zoo import entry, randomise

COMPLETE = (
    "llama", "llama_two_layers", "qwen2", "qwen3", "phi3", "granite", "gemma", "gemma_tied",
    "gemma2", "gemma3", "olmo", "olmo2", "phi", "gpt2", "gpt_neox", "starcoder2", "mixtral",
    "qwen2_moe", "qwen3_moe", "olmoe", "mamba2", "mistral", "gpt_bigcode", "smollm3", "mpt",
    "cohere", "cohere2", "glm4_one_head", "bert", "bert_tokens", "electra", "vit", "deit",
    "wav2vec2", "wav2vec2_stable", "clip_text", "bert_pooled", "whisper",
    "cohere", "cohere2", "glm4_one_head", "gpt_j", "codegen", "gpt_neo", "falcon", "falcon_new",
    "granite_moe",
)  # fmt: skip
FAST = {"llama", "gemma_tied", "phi"}
LEFT = {
    "t5_gated": 2,  # for each head a bucket of distances that none falls into
    "swin": 1,  # of eight gains between streams that turn, seven singular values are seen
    "bert_tied": 1,  # the table's common row, which its other use sees as a constant
}


def counted(name: str) -> Completeness:
    """The flat directions of the small entry of this name."""
    pytest.importorskip("transformers")
    one = entry(f"hf_{name}_small")
    model, example = randomise(one.build(), seed=3), one.example()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        symmetry = discover(model, example)
    return completeness(symmetry, model, example)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in FAST)) for n in COMPLETE]
)
def test_every_flat_direction_is_explained(name: str) -> None:
    found = counted(name)
    assert found.unexplained == (), found.moves()
    assert found.complete
    assert found.nullity > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", LEFT)
def test_what_is_left_is_known(name: str) -> None:
    found = counted(name)
    assert found.clear
    assert found.sound
    assert len(found.unexplained) == LEFT[name], found.moves()
