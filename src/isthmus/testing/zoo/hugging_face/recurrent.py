"""Recurrent language models of transformers: a state is carried from token to token."""

from __future__ import annotations

from functools import partial
from typing import Any

from isthmus.testing.zoo.entry import Entry
from isthmus.testing.zoo.hugging_face.decoders import ROTARY, TIED, TOKENS
from isthmus.testing.zoo.hugging_face.making import hugging_face, ids

MAMBA: dict[str, Any] = {
    **TOKENS,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "state_size": 3,
    "expand": 1,
    "conv_kernel": 3,
    "time_step_rank": 2,
}

remembering = partial(hugging_face, inputs=ids, tags="smooth norm tokens recurrent tied")


def entries() -> tuple[Entry, ...]:
    """State spaces, linear attention, and mixtures with attention."""
    return (
        remembering("mamba", "MambaForCausalLM", **MAMBA),
        remembering("falcon_mamba", "FalconMambaForCausalLM", **MAMBA),
        remembering(
            "mamba2", "Mamba2ForCausalLM", **TOKENS, hidden_size=16, num_hidden_layers=1,
            state_size=3, expand=1, conv_kernel=3, num_heads=4, head_dim=4, n_groups=2,
            chunk_size=4,
        ),
        remembering(
            "rwkv", "RwkvForCausalLM", **TOKENS, hidden_size=16, attention_hidden_size=16,
            num_hidden_layers=2, intermediate_size=12, context_length=8,
            tags="relu norm tokens recurrent",
        ),
        remembering(
            "jamba", "JambaForCausalLM", tags=TIED, **{**ROTARY, "num_hidden_layers": 2},
            attn_layer_period=2, attn_layer_offset=1, expert_layer_period=3,
            expert_layer_offset=2, mamba_d_state=3, mamba_d_conv=3, mamba_expand=1,
            mamba_dt_rank=2, use_mamba_kernels=False,
        ),
        remembering(
            "recurrent_gemma", "RecurrentGemmaForCausalLM", tags=TIED,
            **{**ROTARY, "num_hidden_layers": 2}, head_dim=4, lru_width=16,
            attention_window_size=3, conv1d_width=3, block_types=["recurrent", "attention"],
        ),
    )  # fmt: skip
