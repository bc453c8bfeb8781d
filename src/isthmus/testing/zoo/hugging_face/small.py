"""Decoders of transformers so small that every flat direction can be counted.

One block of width eight. Every position and every token is read, and there are more tokens than
channels: what nothing reads is flat, but belongs to no group.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from isthmus.testing.zoo.entry import Entry
from isthmus.testing.zoo.hugging_face.making import POSITIONS, hugging_face, ids

TOKENS: dict[str, Any] = {"vocab_size": 23, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 1}
UNTIED: dict[str, Any] = {**TOKENS, "tie_word_embeddings": False}
STREAM: dict[str, Any] = {
    **UNTIED,
    "hidden_size": 8,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": POSITIONS,
}
BLOCK: dict[str, Any] = {**STREAM, "intermediate_size": 5}
ROTARY: dict[str, Any] = {**BLOCK, "num_key_value_heads": 1}
HEADS_OF_FOUR: dict[str, Any] = {**ROTARY, "head_dim": 4}
EARLIER: dict[str, Any] = {
    **UNTIED, "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": POSITIONS, "n_inner": 5,
}  # fmt: skip
TAGS = "small smooth attention norm tokens"


def _decoder(name: str, architecture: str, tags: str = TAGS, **settings: Any) -> Entry:
    return hugging_face(f"{name}_small", architecture, ids, tags, **settings)


_mixture = partial(_decoder, tags=f"{TAGS} experts")


def _rms_norms() -> tuple[Entry, ...]:
    """Rotary positions and RMS norms, most with gated units."""
    tied: dict[str, Any] = {**HEADS_OF_FOUR, "tie_word_embeddings": True}
    windows: dict[str, Any] = {"query_pre_attn_scalar": 4, "sliding_window": 3}
    return (
        _decoder("llama", "LlamaForCausalLM", **ROTARY),
        _decoder("llama_two_layers", "LlamaForCausalLM", **{**ROTARY, "num_hidden_layers": 2}),
        _decoder("qwen2", "Qwen2ForCausalLM", **ROTARY),
        _decoder("qwen3", "Qwen3ForCausalLM", **HEADS_OF_FOUR),
        _decoder("mistral", "MistralForCausalLM", **HEADS_OF_FOUR, sliding_window=3),
        _decoder("gemma", "GemmaForCausalLM", **HEADS_OF_FOUR),
        _decoder("gemma_tied", "GemmaForCausalLM", f"{TAGS} tied", **tied),
        _decoder(
            "gemma2", "Gemma2ForCausalLM", **HEADS_OF_FOUR, **windows, attn_implementation="eager"
        ),
        _decoder(
            "gemma3",
            "Gemma3ForCausalLM",
            **HEADS_OF_FOUR,
            **windows,
            layer_types=["sliding_attention"],
        ),
        _decoder("phi3", "Phi3ForCausalLM", **ROTARY),
        _decoder("olmo2", "Olmo2ForCausalLM", **ROTARY),
        _decoder("granite", "GraniteForCausalLM", **ROTARY),
        _decoder("glm4", "Glm4ForCausalLM", **HEADS_OF_FOUR, partial_rotary_factor=0.5),
        _decoder(
            "glm4_one_head",
            "Glm4ForCausalLM",
            **{**ROTARY, "num_attention_heads": 1, "head_dim": 8},
            partial_rotary_factor=0.5,
        ),
        _decoder("smollm3", "SmolLM3ForCausalLM", **{**ROTARY, "num_hidden_layers": 2}),
    )


def _layer_norms() -> tuple[Entry, ...]:
    """Layer norms; positions learned, linear, or rotary in whole or in part."""
    units: dict[str, Any] = {"ffn_hidden_size": 5}
    return (
        _decoder("phi", "PhiForCausalLM", **BLOCK),
        _decoder(
            "opt", "OPTForCausalLM", **STREAM, ffn_dim=5, word_embed_proj_dim=8,
            activation_function="gelu",
        ),
        _decoder("bloom", "BloomForCausalLM", **UNTIED, hidden_size=8, n_layer=1, n_head=2),
        _decoder("gpt_neox", "GPTNeoXForCausalLM", **BLOCK, rotary_pct=0.5),
        _decoder("gpt_j", "GPTJForCausalLM", **EARLIER, rotary_dim=2),
        _decoder("codegen", "CodeGenForCausalLM", **{**EARLIER, "n_head": 4}, rotary_dim=2),
        _decoder("gpt2", "GPT2LMHeadModel", **EARLIER),
        _decoder("gpt_bigcode", "GPTBigCodeForCausalLM", **EARLIER),
        _decoder(
            "gpt_neo", "GPTNeoForCausalLM", **UNTIED, hidden_size=8, num_layers=1, num_heads=2,
            attention_types=[[["global"], 1]], max_position_embeddings=POSITIONS,
            intermediate_size=5,
        ),
        _decoder("falcon", "FalconForCausalLM", **STREAM, **units),
        _decoder(
            "falcon_new", "FalconForCausalLM", **STREAM, **units, num_kv_heads=1,
            new_decoder_architecture=True,
        ),
        _decoder(
            "falcon_alibi", "FalconForCausalLM", **STREAM, **units, alibi=True, multi_query=False
        ),
        _decoder("mpt", "MptForCausalLM", **UNTIED, d_model=8, n_layers=1, n_heads=2,
                 max_seq_len=8),
        _decoder("olmo", "OlmoForCausalLM", **ROTARY),
        _decoder("cohere", "CohereForCausalLM", **ROTARY),
        _decoder("cohere2", "Cohere2ForCausalLM", **ROTARY, sliding_window=3),
        _decoder("stablelm", "StableLmForCausalLM", **ROTARY, partial_rotary_factor=0.5),
        _decoder("stablelm_one_head", "StableLmForCausalLM",
                 **{**ROTARY, "num_attention_heads": 1}, partial_rotary_factor=0.5),
        _decoder("nemotron", "NemotronForCausalLM", **ROTARY, partial_rotary_factor=0.5,
                 hidden_act="gelu"),
        _decoder("starcoder2", "Starcoder2ForCausalLM", **ROTARY),
        _decoder("xlnet", "XLNetLMHeadModel", f"{TAGS} unused", **UNTIED, d_model=8, n_layer=1,
                 n_head=2, d_inner=5),
    )  # fmt: skip


def _experts() -> tuple[Entry, ...]:
    """Mixtures of three experts, of which two read a token."""
    chosen: dict[str, Any] = {"num_experts_per_tok": 2}
    sparse: dict[str, Any] = {
        **ROTARY, **chosen, "num_experts": 3, "moe_intermediate_size": 3, "decoder_sparse_step": 1,
        "norm_topk_prob": True,
    }  # fmt: skip
    latent: dict[str, Any] = {
        **BLOCK, **chosen, "num_key_value_heads": 2, "first_k_dense_replace": 0,
        "moe_intermediate_size": 3, "n_shared_experts": 1, "kv_lora_rank": 4, "v_head_dim": 3,
        "qk_nope_head_dim": 2, "qk_rope_head_dim": 2,
    }  # fmt: skip
    return (
        _mixture("mixtral", "MixtralForCausalLM", **ROTARY, num_local_experts=3),
        _mixture(
            "qwen2_moe", "Qwen2MoeForCausalLM", **sparse, shared_expert_intermediate_size=4
        ),
        _mixture("qwen3_moe", "Qwen3MoeForCausalLM", **sparse, head_dim=4),
        _mixture("olmoe", "OlmoeForCausalLM", **ROTARY, **chosen, num_experts=3),
        _mixture("granite_moe", "GraniteMoeForCausalLM", **ROTARY, **chosen, num_local_experts=3),
        _mixture("gpt_oss", "GptOssForCausalLM", **HEADS_OF_FOUR, **chosen, num_local_experts=3,
                 sliding_window=3),
        _mixture("deepseek_v2", "DeepseekV2ForCausalLM", **latent, n_routed_experts=3,
                 q_lora_rank=None, topk_method="greedy"),
        _mixture("deepseek_v3", "DeepseekV3ForCausalLM", **latent, n_routed_experts=4,
                 q_lora_rank=3, n_group=2, topk_group=1),
    )  # fmt: skip


def _recurrent() -> tuple[Entry, ...]:
    """State spaces and linear attention."""
    tags = "small norm tokens recurrent"
    mamba: dict[str, Any] = {
        **UNTIED, "hidden_size": 8, "num_hidden_layers": 1, "state_size": 3, "expand": 1,
        "conv_kernel": 2,
    }  # fmt: skip
    return (
        _decoder("mamba", "MambaForCausalLM", f"{tags} smooth", **mamba, time_step_rank=2),
        _decoder("mamba2", "Mamba2ForCausalLM", f"{tags} smooth", **mamba, num_heads=2, head_dim=4,
                 n_groups=1, chunk_size=4),
        _decoder("rwkv", "RwkvForCausalLM", f"{tags} relu", **TOKENS, hidden_size=8,
                 attention_hidden_size=8, num_hidden_layers=2, intermediate_size=5,
                 context_length=8),
    )  # fmt: skip


def entries() -> tuple[Entry, ...]:
    """The small decoders."""
    return (*_rms_norms(), *_layer_norms(), *_experts(), *_recurrent())
