"""Decoders of transformers: causal language models with one kind of block."""

from __future__ import annotations

from functools import partial
from typing import Any

from isthmus.testing.zoo.entry import Entry
from isthmus.testing.zoo.hugging_face.making import VOCABULARY, hugging_face, ids

TOKENS: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 1,
}
SMALL: dict[str, Any] = {
    **TOKENS,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "max_position_embeddings": 8,
}
"""One block of width sixteen, four heads of four."""
ROTARY: dict[str, Any] = {**SMALL, "intermediate_size": 12, "num_key_value_heads": 2}
TIED = "smooth attention norm tokens tied"

decoder = partial(hugging_face, inputs=ids)


def _rotary() -> tuple[Entry, ...]:
    """Rotary positions, RMS norms, gated units, grouped queries."""
    heads_of_four = {**ROTARY, "head_dim": 4}
    return (
        decoder("qwen2", "Qwen2ForCausalLM", **ROTARY),
        decoder("qwen3", "Qwen3ForCausalLM", **heads_of_four),
        decoder("mistral", "MistralForCausalLM", **heads_of_four, sliding_window=3),
        decoder("gemma", "GemmaForCausalLM", tags=TIED, **heads_of_four),
        decoder(
            "gemma2",
            "Gemma2ForCausalLM",
            tags=TIED,
            **{**heads_of_four, "num_hidden_layers": 2},
            query_pre_attn_scalar=4,
            sliding_window=3,
            attn_implementation="eager",
        ),
        decoder(
            "gemma3",
            "Gemma3ForCausalLM",
            tags=TIED,
            **{**heads_of_four, "num_hidden_layers": 2},
            query_pre_attn_scalar=4,
            sliding_window=3,
            layer_types=["sliding_attention", "full_attention"],
        ),
        decoder("phi3", "Phi3ForCausalLM", **ROTARY),
        decoder("olmo", "OlmoForCausalLM", **ROTARY),
        decoder("olmo2", "Olmo2ForCausalLM", **ROTARY),
        decoder("cohere", "CohereForCausalLM", tags=TIED, **ROTARY),
        decoder("cohere2", "Cohere2ForCausalLM", tags=TIED, **ROTARY, sliding_window=3),
        decoder("stablelm", "StableLmForCausalLM", **ROTARY),
        decoder("granite", "GraniteForCausalLM", **ROTARY),
        decoder("glm4", "Glm4ForCausalLM", **heads_of_four),
        decoder("smollm3", "SmolLM3ForCausalLM", **{**ROTARY, "num_hidden_layers": 2}),
        decoder("nemotron", "NemotronForCausalLM", **ROTARY, tags="relu attention norm tokens"),
        decoder("starcoder2", "Starcoder2ForCausalLM", **ROTARY),
    )


def _plain() -> tuple[Entry, ...]:
    """Layer norms and ungated units; positions learned, linear or partly rotary."""
    eight = {**TOKENS, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 8}
    return (
        decoder("phi", "PhiForCausalLM", **SMALL, intermediate_size=12),
        decoder(
            "opt",
            "OPTForCausalLM",
            tags="relu attention norm tokens tied",
            **SMALL,
            ffn_dim=12,
            word_embed_proj_dim=16,
        ),
        decoder(
            "bloom", "BloomForCausalLM", tags=TIED, **TOKENS, hidden_size=16, n_layer=1, n_head=2
        ),
        decoder("falcon", "FalconForCausalLM", tags=TIED, **SMALL),
        decoder(
            "falcon_new",
            "FalconForCausalLM",
            tags=TIED,
            **SMALL,
            num_kv_heads=2,
            new_decoder_architecture=True,
        ),
        decoder(
            "falcon_alibi", "FalconForCausalLM", tags=TIED, **SMALL, alibi=True, multi_query=False
        ),
        decoder("gpt_neox", "GPTNeoXForCausalLM", **SMALL, intermediate_size=12),
        decoder("gpt_j", "GPTJForCausalLM", **eight, rotary_dim=4),
        decoder("codegen", "CodeGenForCausalLM", **{**eight, "n_head": 4}, rotary_dim=4),
        decoder(
            "gpt_neo",
            "GPTNeoForCausalLM",
            tags=TIED,
            **TOKENS,
            hidden_size=16,
            num_layers=2,
            num_heads=2,
            attention_types=[[["global", "local"], 1]],
            window_size=3,
            max_position_embeddings=8,
        ),
        decoder("gpt_bigcode", "GPTBigCodeForCausalLM", tags=TIED, **eight),
        decoder(
            "mpt", "MptForCausalLM", tags=TIED, **TOKENS, d_model=16, n_layers=1, n_heads=2,
            max_seq_len=8,
        ),
        decoder(
            "ctrl", "CTRLLMHeadModel", tags="relu attention norm tokens tied", **TOKENS,
            n_embd=16, n_layer=1, n_head=2, n_positions=8, dff=12,
        ),
        decoder(
            "xlnet", "XLNetLMHeadModel", tags=f"{TIED} unused", **TOKENS, d_model=16,
            n_layer=1, n_head=2, d_inner=12,
        ),
    )  # fmt: skip


def entries() -> tuple[Entry, ...]:
    """The decoders."""
    return (*_rotary(), *_plain())
