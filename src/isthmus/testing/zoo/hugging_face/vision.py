"""Models of transformers that read pictures."""

from __future__ import annotations

from functools import partial
from typing import Any

from isthmus.testing.zoo.entry import Entry
from isthmus.testing.zoo.hugging_face.making import hugging_face, picture

VIT: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "image_size": 8,
    "patch_size": 4,
    "num_labels": 3,
}

UNREAD = "smooth attention norm conv unused"
"""It has a mask token, which no input without a mask reads."""

seeing = partial(hugging_face, tags="smooth attention norm conv")
convolving = partial(hugging_face, tags="relu norm conv")


def _transformers() -> tuple[Entry, ...]:
    small = partial(picture, 8)
    swin: dict[str, Any] = {
        "image_size": 16, "patch_size": 2, "embed_dim": 8, "depths": [2, 1], "num_heads": [2, 4],
        "window_size": 4, "mlp_ratio": 2.0, "num_labels": 3,
    }  # fmt: skip
    return (
        seeing("vit", "ViTForImageClassification", small, **VIT),
        seeing("deit", "DeiTForImageClassification", small, **VIT),
        seeing("dinov2", "Dinov2ForImageClassification", small, **VIT, mlp_ratio=1, tags=UNREAD),
        seeing(
            "dinov2_swiglu", "Dinov2ForImageClassification", small, **VIT, mlp_ratio=1, tags=UNREAD,
            use_swiglu_ffn=True,
        ),
        seeing(
            "beit", "BeitForImageClassification", small, **VIT, use_relative_position_bias=True,
            layer_scale_init_value=0.1,
        ),
        seeing("swin", "SwinForImageClassification", partial(picture, 16), **swin),
        seeing("swinv2", "Swinv2ForImageClassification", partial(picture, 16), **swin),
        seeing(
            "segformer", "SegformerForSemanticSegmentation", partial(picture, 32),
            num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16],
            num_attention_heads=[1, 2], patch_sizes=[7, 3], strides=[4, 2], mlp_ratios=[2, 2],
            decoder_hidden_size=10, num_labels=3,
        ),
        seeing(
            "levit", "LevitForImageClassification", partial(picture, 32), image_size=32,
            hidden_sizes=[8, 12], num_attention_heads=[2, 2], depths=[1, 1], key_dim=[4, 4],
            attention_ratio=[2, 2], mlp_ratio=[2, 2], num_labels=3,
            down_ops=[["Subsample", 4, 2, 4, 2, 2], [""]],
        ),
        seeing(
            "pvt", "PvtForImageClassification", partial(picture, 32), image_size=32,
            num_encoder_blocks=2, depths=[1, 1], sequence_reduction_ratios=[2, 1],
            hidden_sizes=[8, 16], patch_sizes=[4, 2], strides=[4, 2], num_attention_heads=[1, 2],
            mlp_ratios=[2, 2], num_labels=3,
        ),
        seeing(
            "poolformer", "PoolFormerForImageClassification", partial(picture, 32),
            tags="smooth conv norm", hidden_sizes=[8, 12], num_encoder_blocks=2, depths=[1, 1],
            patch_sizes=[7, 3], strides=[4, 2], padding=[2, 1], mlp_ratio=2.0, num_labels=3,
        ),
    )  # fmt: skip


def _convolutional() -> tuple[Entry, ...]:
    wide = partial(picture, 32)
    return (
        convolving(
            "convnext", "ConvNextForImageClassification", wide, tags="smooth norm conv",
            hidden_sizes=[8, 12], depths=[1, 1], num_stages=2, num_labels=3,
            layer_scale_init_value=0.1,
        ),
        convolving(
            "convnextv2", "ConvNextV2ForImageClassification", wide, tags="smooth norm conv",
            hidden_sizes=[8, 12], depths=[1, 1], num_stages=2, num_labels=3,
        ),
        convolving(
            "resnet", "ResNetForImageClassification", wide, embedding_size=8,
            hidden_sizes=[8, 12], depths=[1, 2], layer_type="basic", num_labels=3,
        ),
        convolving(
            "resnet_bottleneck", "ResNetForImageClassification", wide, embedding_size=8,
            hidden_sizes=[16, 24], depths=[1, 1], layer_type="bottleneck", num_labels=3,
        ),
        convolving(
            "regnet", "RegNetForImageClassification", wide, embedding_size=8,
            hidden_sizes=[8, 16], depths=[1, 1], groups_width=4, layer_type="y", num_labels=3,
        ),
        convolving(
            "mobilenet_v2", "MobileNetV2ForImageClassification", wide, depth_multiplier=0.1,
            depth_divisible_by=4, min_depth=4, expand_ratio=2.0, num_labels=3, tf_padding=False,
            finegrained_output=False,
        ),
        convolving(
            "mobilenet_v1", "MobileNetV1ForImageClassification", wide, depth_multiplier=0.05,
            min_depth=4, num_labels=3,
        ),
        convolving(
            "efficientnet", "EfficientNetForImageClassification", wide, tags="smooth norm conv",
            image_size=32, width_coefficient=0.0125, depth_coefficient=1.0, depth_divisor=8,
            kernel_sizes=[3, 5], in_channels=[320, 640], out_channels=[640, 960],
            depthwise_padding=[], strides=[1, 2], num_block_repeats=[1, 1],
            expand_ratios=[1, 2], hidden_dim=16, num_labels=3,
        ),
        convolving(
            "bit", "BitForImageClassification", wide, embedding_size=8, hidden_sizes=[16, 32],
            depths=[1, 1], num_groups=2, num_labels=3,
        ),
        convolving(
            "focalnet", "FocalNetForImageClassification", wide, tags="smooth norm conv",
            image_size=32, embed_dim=8, hidden_sizes=[8, 16], depths=[1, 1],
            focal_levels=[2, 2], focal_windows=[3, 3], mlp_ratio=2.0, num_labels=3,
        ),
    )  # fmt: skip


def entries() -> tuple[Entry, ...]:
    """Vision transformers and convolutional networks."""
    return (*_transformers(), *_convolutional())
