"""Encoders of transformers, of text, pictures and sound, so small that flat directions are counted.

Width eight. Every position and every token is read, there are more tokens than channels, and two
blocks where only one token is read at the end: its query in the first block is a constant, of which
most of a weight is never seen.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from isthmus.testing.zoo.entry import Entry, Inputs
from isthmus.testing.zoo.hugging_face.making import POSITIONS, hugging_face, ids, pair, picture
from isthmus.testing.zoo.hugging_face.small import BLOCK, TAGS, TOKENS, UNTIED

EPSILON = {"layer_norm_eps": 1e-3}
"""Of layer norms. Some families' 1e-12 leaves a stream's scale flat to twelve digits, not quite."""
TEXT: dict[str, Any] = {**BLOCK, **EPSILON, "type_vocab_size": 1}
TIED: dict[str, Any] = {**TEXT, "tie_word_embeddings": True}
LABELS = 9
"""More than channels."""


def _encoder(name: str, architecture: str, tags: str = TAGS, **settings: Any) -> Entry:
    return hugging_face(f"{name}_small", architecture, ids, tags, **settings)


def _texts() -> tuple[Entry, ...]:
    """Masked language models, and what a task or nobody puts on top of them."""
    tied = partial(_encoder, tags=f"{TAGS} tied")
    untied = partial(_encoder, tags=f"{TAGS} unused")  # a second bias of the head
    offset = {"max_position_embeddings": POSITIONS + 1}  # row zero is the padding's
    distil: dict[str, Any] = {
        "dim": 8, "n_layers": 1, "n_heads": 2, "hidden_dim": 5, "max_position_embeddings": POSITIONS
    }  # fmt: skip
    relative: dict[str, Any] = {
        "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 4,
        "norm_rel_ebd": "layer_norm", "position_biased_input": False,
    }  # fmt: skip
    shared = {**TEXT, "embedding_size": 8, "num_hidden_layers": 2}
    windows = {"num_hidden_layers": 2, "global_attn_every_n_layers": 2, "local_attention": 4}
    return (
        untied("bert", "BertForMaskedLM", **TEXT),
        tied("bert_tied", "BertForMaskedLM", **TIED),
        _encoder("bert_tokens", "BertForTokenClassification", **TEXT, num_labels=LABELS),
        _encoder("bert_pooled", "BertForSequenceClassification", num_labels=LABELS,
                 **{**TEXT, "num_hidden_layers": 2}),
        untied("roberta", "RobertaForMaskedLM", **{**TEXT, **offset}),
        tied("roberta_tied", "RobertaForMaskedLM", **{**TIED, **offset}),
        _encoder("distilbert", "DistilBertForMaskedLM", **UNTIED, **distil),
        tied("distilbert_tied", "DistilBertForMaskedLM", **TOKENS, **distil),
        hugging_face("distilbert_plain_small", "DistilBertModel", ids, TAGS, "last_hidden_state",
                     **TOKENS, **distil),
        untied("albert", "AlbertForMaskedLM", **shared),
        tied("albert_tied", "AlbertForMaskedLM", **{**shared, "tie_word_embeddings": True}),
        _encoder("electra", "ElectraForMaskedLM", **TEXT, embedding_size=8),
        tied("electra_tied", "ElectraForMaskedLM", **TIED, embedding_size=8),
        untied("deberta_v2", "DebertaV2ForMaskedLM", **TEXT, **relative, share_att_key=False),
        tied("deberta_v2_tied", "DebertaV2ForMaskedLM", **TIED, **relative, share_att_key=True),
        _encoder("modernbert", "ModernBertForMaskedLM", **{**BLOCK, **windows}),
    )  # fmt: skip


def _pairs() -> tuple[Entry, ...]:
    """Encoders with decoders."""
    tied = f"{TAGS} tied"
    translator = partial(hugging_face, inputs=pair, tags=TAGS)
    starts = {"decoder_start_token_id": 1}
    both: dict[str, Any] = {
        **starts, "d_model": 8, "encoder_layers": 1, "decoder_layers": 1,
        "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 5,
        "decoder_ffn_dim": 5, "activation_function": "gelu",
    }  # fmt: skip
    t5: dict[str, Any] = {
        **starts, "d_model": 8, "d_kv": 4, "d_ff": 5, "num_layers": 1, "num_heads": 2,
        "relative_attention_num_buckets": 4, "relative_attention_max_distance": 4,
    }  # fmt: skip
    return (
        translator("bart_small", "BartForConditionalGeneration", **TOKENS, **both,
                   max_position_embeddings=POSITIONS, forced_eos_token_id=None, tags=tied),
        translator("m2m_100_small", "M2M100ForConditionalGeneration", **TOKENS, **both,
                   max_position_embeddings=POSITIONS, tags=tied),
        translator("t5_small", "T5ForConditionalGeneration", **UNTIED, **t5,
                   feed_forward_proj="gelu"),
        translator("t5_tied_small", "T5ForConditionalGeneration", **TOKENS, **t5,
                   feed_forward_proj="gelu", tags=tied),
        translator("t5_gated_small", "T5ForConditionalGeneration", **UNTIED, **t5,
                   feed_forward_proj="gated-gelu"),
        translator("whisper_small", "WhisperForConditionalGeneration", inputs=_speech, **TOKENS,
                   **both, num_mel_bins=9, max_source_positions=3, max_target_positions=4,
                   suppress_tokens=None, begin_suppress_tokens=None, tags=f"{tied} conv"),
    )  # fmt: skip


def _speech() -> Inputs:
    made = pair()
    assert isinstance(made, dict)
    sound = torch.randn((2, 9, 6), generator=torch.Generator().manual_seed(2))
    return {"input_features": sound, "decoder_input_ids": made["decoder_input_ids"]}


def _wave() -> Inputs:
    return {"input_values": torch.randn((2, 42), generator=torch.Generator().manual_seed(2))}


def _pictures() -> tuple[Entry, ...]:
    """Pictures of patches of two by two, three colours: more inputs than channels."""
    seeing = partial(
        hugging_face, inputs=partial(picture, 4), tags="small smooth attention norm conv"
    )
    vit: dict[str, Any] = {
        **EPSILON,
        "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 5,
        "image_size": 4, "patch_size": 2, "num_labels": LABELS,
    }  # fmt: skip
    unread = "small smooth attention norm conv unused"
    return (
        seeing("vit_small", "ViTForImageClassification", **vit),
        seeing("deit_small", "DeiTForImageClassification", **vit),
        seeing("dinov2_small", "Dinov2ForImageClassification", **vit, mlp_ratio=1, tags=unread),
        seeing("swin_small", "SwinForImageClassification", inputs=partial(picture, 8),
               image_size=8, patch_size=2, embed_dim=8, depths=[2], num_heads=[2], window_size=2,
               mlp_ratio=1.0, num_labels=LABELS),
        seeing("segformer_small", "SegformerForImageClassification", inputs=partial(picture, 8),
               num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 8],
               num_attention_heads=[1, 2], patch_sizes=[3, 3], strides=[2, 2], mlp_ratios=[1, 1],
               num_labels=LABELS),
    )  # fmt: skip


def _text_and_picture() -> tuple[Entry, ...]:
    tags = f"{TAGS} conv"
    text: dict[str, Any] = {**BLOCK, "num_hidden_layers": 2}
    vision: dict[str, Any] = {
        "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 5,
        "image_size": 4, "patch_size": 2,
    }  # fmt: skip
    del text["tie_word_embeddings"]
    return (
        hugging_face("clip_text_small", "CLIPTextModelWithProjection", ids, TAGS, "text_embeds",
                     **text, projection_dim=LABELS),
        hugging_face("clip_vision_small", "CLIPVisionModelWithProjection", partial(picture, 4),
                     "small smooth attention norm conv", "image_embeds", **vision,
                     projection_dim=LABELS),
        hugging_face("clip_small", "CLIPModel", _captioned, tags, "logits_per_image",
                     text_config=text, vision_config={**vision, "num_hidden_layers": 2},
                     projection_dim=LABELS),
    )  # fmt: skip


def _captioned() -> Inputs:
    return ids(pixel_values=(2, 3, 4, 4))


def _sound() -> tuple[Entry, ...]:
    listening: dict[str, Any] = {
        **BLOCK, "conv_dim": [9, 9], "conv_stride": [3, 2], "conv_kernel": [4, 3],
        "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 3,
        "num_conv_pos_embedding_groups": 2, "mask_time_prob": 0.0, "mask_feature_prob": 0.0,
    }  # fmt: skip
    ctc = partial(hugging_face, inputs=_wave, tags="small smooth attention norm conv")
    return (
        ctc("wav2vec2_small", "Wav2Vec2ForCTC", **listening),
        ctc("wav2vec2_stable_small", "Wav2Vec2ForCTC", **listening, do_stable_layer_norm=True,
            feat_extract_norm="layer"),
    )  # fmt: skip


def entries() -> tuple[Entry, ...]:
    """The small encoders, alone and with decoders."""
    return (*_texts(), *_pairs(), *_pictures(), *_text_and_picture(), *_sound())
