"""Convolutional networks on images of 8x8 or 16x16."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from isthmus.testing.zoo.entry import Entry, Example, define, floats

Norm = Callable[[int], nn.Module]


def _conv_norm_relu(inputs: int, outputs: int, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def _pooled_head(channels: int, classes: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def vgg() -> nn.Module:
    """Two convolutions, pooling to 4x4, flatten into a linear layer."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(8 * 4 * 4, 10),
        nn.ReLU(),
        nn.Linear(10, 4),
    )


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, projected where the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, norm: Norm) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = norm(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = norm(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            conv = nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(conv, norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, inputs, height, width) to (batch, outputs, height/stride, width/stride)."""
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return F.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    """The CIFAR residual network: three stages, widths w, 2w and 4w."""

    def __init__(self, width: int, blocks: int, classes: int, norm: Norm) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, padding=1, bias=False)
        self.norm = norm(width)
        stages, inputs = [], width
        for stage in range(3):
            outputs = width * 2**stage
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                stages.append(BasicBlock(inputs, outputs, stride, norm))
                inputs = outputs
        self.blocks = nn.Sequential(*stages)
        self.head = nn.Linear(inputs, classes)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, height, width) to (batch, classes)."""
        x = self.blocks(F.relu(self.norm(self.conv(x))))
        out: Tensor = self.head(x.mean(dim=(2, 3)))
        return out


def resnet20(width: int = 16, classes: int = 10) -> nn.Module:
    """ResNet-20 with batch norm; widths 16, 32 and 64 unless ``width`` says otherwise."""
    return ResNet(width, 3, classes, nn.BatchNorm2d)


def _group_norm(channels: int) -> nn.Module:
    return nn.GroupNorm(2, channels)


def _instance_norm(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True)


class DenseNet(nn.Module):
    """Three layers, each of which reads all earlier ones by concatenation; a transition."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.layers = nn.ModuleList(_conv_norm_relu(6 + 4 * index, 4) for index in range(3))
        self.transition = _conv_norm_relu(18, 8)
        self.pool = nn.AvgPool2d(2)
        self.head = _pooled_head(8)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, 8, 8) to (batch, 4)."""
        features = [self.stem(x)]
        for layer in self.layers:
            features.append(layer(torch.cat(features, dim=1)))
        x = self.pool(self.transition(torch.cat(features, dim=1)))
        out: Tensor = self.head(x)
        return out


def _depthwise_grouped() -> nn.Module:
    return nn.Sequential(
        _conv_norm_relu(3, 8),
        _conv_norm_relu(8, 8, groups=8),
        nn.Conv2d(8, 12, 1),
        nn.ReLU(),
        _conv_norm_relu(12, 8, groups=2),
        _pooled_head(8),
    )


class UNet(nn.Module):
    """One level down and up again, joined by concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.down = _conv_norm_relu(3, 6)
        self.bottom = _conv_norm_relu(6, 8)
        self.up = nn.ConvTranspose2d(8, 5, 2, stride=2)
        self.join = _conv_norm_relu(11, 7)
        self.head = nn.Conv2d(7, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 3, 8, 8) to (batch, 2, 8, 8)."""
        skip = self.down(x)
        x = self.up(self.bottom(F.max_pool2d(skip, 2)))
        out: Tensor = self.head(self.join(torch.cat([x, skip], dim=1)))
        return out


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate computed from all channels' means."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, hidden, 1)
        self.excite = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same shape."""
        gate = F.relu(self.squeeze(F.adaptive_avg_pool2d(x, 1)))
        return x * torch.sigmoid(self.excite(gate))


def _squeeze_excite() -> nn.Module:
    return nn.Sequential(_conv_norm_relu(3, 8), SqueezeExcite(8, 6), _pooled_head(8))


class ConvNextBlock(nn.Module):
    """Depthwise convolution, then a channels-last MLP with layer scale, around a residual."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.fc1 = nn.Linear(channels, 2 * channels)
        self.fc2 = nn.Linear(2 * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the same shape."""
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        y = self.scale * self.fc2(F.gelu(self.fc1(y)))
        out: Tensor = x + y.permute(0, 3, 1, 2)
        return out


def _convnext() -> nn.Module:
    # As many classes as channels: what the last block writes is read in full.
    stem = nn.Conv2d(3, 6, 2, stride=2)
    return nn.Sequential(stem, ConvNextBlock(6), ConvNextBlock(6), _pooled_head(6, 6))


def _instance_norm_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        _instance_norm(6),
        nn.ReLU(),
        nn.Conv2d(6, 8, 3, padding=1),
        _instance_norm(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        _pooled_head(8),
    )


def _pixel_shuffle() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 5 * 4, 3, padding=1),
        nn.PixelShuffle(2),
        nn.ReLU(),
        nn.Conv2d(5, 3, 3, padding=1),
    )


def _kaiming(factory: Callable[[], nn.Module]) -> nn.Module:
    """The model with Kaiming initialisation, so that deep signals neither fade nor grow."""
    model = factory()
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    return model


def entries() -> tuple[Entry, ...]:
    """The convolutional part of the zoo."""
    small, large = floats(2, 3, 8, 8), floats(2, 3, 16, 16)

    def net(name: str, factory: Callable[[], nn.Module], x: Example, tags: str) -> Entry:
        return define(name, partial(_kaiming, factory), x, f"conv {tags}")

    group_norm = partial(ResNet, 4, 1, 4, _group_norm)
    return (
        net("vgg", vgg, large, "relu norm peers15"),
        net("resnet20", partial(resnet20, 4, 4), small, "relu norm peers15"),
        net("resnet_group_norm", group_norm, small, "relu norm"),
        net("densenet", DenseNet, small, "relu norm peers15"),
        net("depthwise_grouped", _depthwise_grouped, small, "relu norm peers15"),
        net("unet", UNet, small, "relu norm peers15"),
        net("squeeze_excite", _squeeze_excite, small, "relu norm"),
        net("convnext", _convnext, large, "smooth norm"),
        net("instance_norm", _instance_norm_net, small, "relu norm"),
        net("pixel_shuffle", _pixel_shuffle, small, "relu"),
    )
