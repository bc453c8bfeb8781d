"""Models of transformers with two parts: encoder and decoder, text and picture; and sound."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from isthmus.testing.zoo.entry import Entry, Inputs
from isthmus.testing.zoo.hugging_face.decoders import TIED, TOKENS
from isthmus.testing.zoo.hugging_face.making import hugging_face, ids, pair

BOTH: dict[str, Any] = {
    **TOKENS,
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 12,
    "decoder_ffn_dim": 12,
    "max_position_embeddings": 8,
    "decoder_start_token_id": 1,
    "forced_eos_token_id": None,
}
T5: dict[str, Any] = {
    **TOKENS,
    "d_model": 16,
    "d_kv": 6,
    "d_ff": 12,
    "num_layers": 2,
    "num_heads": 2,
    "relative_attention_num_buckets": 4,
    "relative_attention_max_distance": 8,
    "decoder_start_token_id": 1,
}

translator = partial(hugging_face, inputs=pair, tags=TIED)


def _speech() -> Inputs:
    made = pair()
    assert isinstance(made, dict)
    sound = torch.randn((2, 6, 16), generator=torch.Generator().manual_seed(2))
    return {"input_features": sound, "decoder_input_ids": made["decoder_input_ids"]}


def _wave() -> Inputs:
    return {"input_values": torch.randn((2, 120), generator=torch.Generator().manual_seed(2))}


def _captioned() -> Inputs:
    return ids(pixel_values=(2, 3, 8, 8))


def _sound() -> tuple[Entry, ...]:
    listening: dict[str, Any] = {
        "vocab_size": 19,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 12,
        "conv_dim": [8, 8],
        "conv_stride": [4, 2],
        "conv_kernel": [6, 3],
        "num_conv_pos_embeddings": 4,
        "num_conv_pos_embedding_groups": 2,
    }
    ctc = partial(hugging_face, inputs=_wave, tags="smooth attention norm conv unused")
    return (
        ctc("wav2vec2", "Wav2Vec2ForCTC", **listening, num_feat_extract_layers=2),
        ctc(
            "wav2vec2_stable", "Wav2Vec2ForCTC", **listening, num_feat_extract_layers=2,
            do_stable_layer_norm=True, feat_extract_norm="layer",
        ),
        ctc("hubert", "HubertForCTC", **listening, num_feat_extract_layers=2),
        hugging_face(
            "whisper", "WhisperForConditionalGeneration", _speech,
            "smooth attention norm conv tokens tied",
            **{k: v for k, v in BOTH.items() if k != "max_position_embeddings"},
            num_mel_bins=6, max_source_positions=8, max_target_positions=8,
            suppress_tokens=None, begin_suppress_tokens=None,
        ),
    )  # fmt: skip


def _text_and_picture() -> tuple[Entry, ...]:
    text = {
        **TOKENS, "hidden_size": 16, "intermediate_size": 12, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 8,
    }  # fmt: skip
    vision = {
        "hidden_size": 12, "intermediate_size": 10, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 8, "patch_size": 4,
    }  # fmt: skip
    both = partial(
        hugging_face,
        inputs=_captioned,
        tags="smooth attention norm tokens conv",
        field="logits_per_image",
    )
    return (
        both("clip", "CLIPModel", text_config=text, vision_config=vision, projection_dim=6),
        both(
            "siglip",
            "SiglipModel",
            text_config=text,
            vision_config={**vision, "hidden_size": 16},
        ),
    )


def entries() -> tuple[Entry, ...]:
    """Encoders with decoders, text with pictures, sound."""
    return (
        translator("t5", "T5ForConditionalGeneration", **T5, tie_word_embeddings=True),
        translator(
            "t5_gated", "T5ForConditionalGeneration", **{**T5, "num_layers": 1},
            feed_forward_proj="gated-gelu", tie_word_embeddings=False,
            tags="smooth attention norm tokens",
        ),
        translator("bart", "BartForConditionalGeneration", **BOTH),
        translator("mbart", "MBartForConditionalGeneration", **BOTH),
        translator("pegasus", "PegasusForConditionalGeneration", **BOTH),
        translator("marian", "MarianMTModel", **BOTH),
        translator("m2m_100", "M2M100ForConditionalGeneration", **BOTH),
        *_sound(),
        *_text_and_picture(),
    )  # fmt: skip
