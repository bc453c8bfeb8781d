"""Mixtures of experts of transformers: a router chooses which experts read a token."""

from __future__ import annotations

from functools import partial

from isthmus.testing.zoo.entry import Entry
from isthmus.testing.zoo.hugging_face.decoders import ROTARY, SMALL
from isthmus.testing.zoo.hugging_face.making import hugging_face, ids

mixture = partial(hugging_face, inputs=ids, tags="smooth attention norm tokens experts")


def entries() -> tuple[Entry, ...]:
    """The mixtures of experts."""
    qwen = {
        **ROTARY,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 6,
        "decoder_sparse_step": 1,
        "norm_topk_prob": True,
    }
    return (
        mixture("mixtral", "MixtralForCausalLM", **ROTARY, num_local_experts=4),
        mixture("qwen2_moe", "Qwen2MoeForCausalLM", **qwen, shared_expert_intermediate_size=10),
        mixture("qwen3_moe", "Qwen3MoeForCausalLM", **qwen, head_dim=4),
        mixture(
            "gpt_oss",
            "GptOssForCausalLM",
            **{**ROTARY, "num_hidden_layers": 2},
            head_dim=4,
            num_local_experts=4,
            num_experts_per_tok=2,
            sliding_window=3,
        ),
        mixture(
            "deepseek_v3",
            "DeepseekV3ForCausalLM",
            **{**SMALL, "num_hidden_layers": 2},
            intermediate_size=12,
            num_key_value_heads=4,
            first_k_dense_replace=1,
            moe_intermediate_size=6,
            n_routed_experts=4,
            num_experts_per_tok=2,
            n_group=2,
            topk_group=1,
            n_shared_experts=1,
            q_lora_rank=6,
            kv_lora_rank=5,
            qk_nope_head_dim=3,
            qk_rope_head_dim=4,
            v_head_dim=5,
        ),
        mixture(
            "deepseek_v2",
            "DeepseekV2ForCausalLM",
            **SMALL,
            intermediate_size=12,
            num_key_value_heads=4,
            first_k_dense_replace=0,
            moe_intermediate_size=6,
            n_routed_experts=4,
            num_experts_per_tok=2,
            topk_method="greedy",
            n_shared_experts=1,
            q_lora_rank=None,
            kv_lora_rank=6,
            qk_nope_head_dim=4,
            qk_rope_head_dim=4,
            v_head_dim=5,
        ),
        mixture("olmoe", "OlmoeForCausalLM", **ROTARY, num_experts=4, num_experts_per_tok=2),
        mixture(
            "granite_moe",
            "GraniteMoeForCausalLM",
            **ROTARY,
            num_local_experts=4,
            num_experts_per_tok=2,
        ),
    )
