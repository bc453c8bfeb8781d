"""Encoders of transformers: masked language models."""

from __future__ import annotations

from functools import partial
from typing import Any

from isthmus.testing.zoo.entry import Entry
from isthmus.testing.zoo.hugging_face.decoders import SMALL, TIED, TOKENS
from isthmus.testing.zoo.hugging_face.making import hugging_face, ids

BERT: dict[str, Any] = {
    **SMALL,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "type_vocab_size": 2,
}

UNUSED = f"{TIED} unused"
"""It has parameters, such as a pooler's, that this output does not read."""

encoder = partial(hugging_face, inputs=ids, tags=TIED)


def entries() -> tuple[Entry, ...]:
    """The encoders."""
    sixteen = {**BERT, "max_position_embeddings": 16}
    narrow = {**BERT, "embedding_size": 8}
    relative = {
        **BERT,
        "relative_attention": True,
        "pos_att_type": ["p2c", "c2p"],
        "position_buckets": 4,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_biased_input": False,
    }
    return (
        encoder("bert", "BertForMaskedLM", **BERT),
        encoder("roberta", "RobertaForMaskedLM", **sixteen),
        encoder("xlm_roberta", "XLMRobertaForMaskedLM", **sixteen),
        encoder(
            "distilbert", "DistilBertForMaskedLM", **TOKENS, dim=16, n_layers=1, n_heads=2,
            hidden_dim=12, max_position_embeddings=8,
        ),
        encoder("albert", "AlbertForMaskedLM", **{**narrow, "num_hidden_layers": 2}),
        encoder("electra", "ElectraForMaskedLM", **narrow),
        encoder("deberta_v2", "DebertaV2ForMaskedLM", **relative),
        encoder("roformer", "RoFormerForMaskedLM", **BERT),
        encoder("mpnet", "MPNetForMaskedLM", **sixteen),
        encoder("big_bird", "BigBirdForMaskedLM", **BERT, attention_type="original_full",
                tags=UNUSED),
        encoder("squeezebert", "SqueezeBertForMaskedLM", **BERT, embedding_size=16, tags=UNUSED),
        encoder(
            "funnel", "FunnelForMaskedLM", **TOKENS, d_model=16, n_head=2, d_head=8, d_inner=12,
            block_sizes=[1, 1], num_decoder_layers=1, max_position_embeddings=8,
        ),
        encoder(
            "fnet", "FNetForMaskedLM", **{**SMALL, "max_position_embeddings": 8},
            intermediate_size=12, tpu_short_seq_length=5, tags=UNUSED,
        ),
        encoder("nystromformer", "NystromformerForMaskedLM", **BERT, num_landmarks=4,
                segment_means_seq_len=4),
        encoder("convbert", "ConvBertForMaskedLM", **{**BERT, "num_attention_heads": 4},
                embedding_size=16, conv_kernel_size=3, head_ratio=2),
        encoder("modernbert", "ModernBertForMaskedLM", **{**BERT, "num_hidden_layers": 2},
                global_attn_every_n_layers=2, local_attention=4),
        encoder(
            "perceiver", "PerceiverForMaskedLM", tags="smooth attention norm tokens tied",
            vocab_size=19, d_model=16, d_latents=12, num_latents=4, num_self_attends_per_block=1,
            num_self_attention_heads=2, num_cross_attention_heads=2, max_position_embeddings=5,
        ),
        encoder("data2vec_text", "Data2VecTextForMaskedLM", **sixteen),
        encoder("esm", "EsmForMaskedLM", **sixteen, position_embedding_type="rotary",
                mask_token_id=18, token_dropout=False, tags=UNUSED),
    )  # fmt: skip
