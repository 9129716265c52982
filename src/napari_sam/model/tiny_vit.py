"""MobileSAM's TinyViT image encoder (Wu et al. 2022; names and arithmetic of MobileSAM's ``tiny_vit_sam.py``).

Unlike there, the attention biases are always the trained ones: MobileSAM keeps a copy that stays zero when weights are
loaded after ``eval()``, as its own ``build_sam_vit_t`` does. At inference batch norms are folded into the convolutions
before them. Activations stay channels-last throughout.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.model.common import Progress, Steps
from napari_sam.model.config import TinyViTConfig
from napari_sam.model.vit import add_in_tiles, from_windows, make_neck, to_windows

_STRIP_ACTIVATIONS = 1 << 20


class Conv2dBN(nn.Sequential):
    """Convolution without bias, then batch norm; one convolution with the norm folded in when not training."""

    c: nn.Conv2d
    bn: nn.BatchNorm2d

    def __init__(self, in_chans: int, out_chans: int, kernel_size: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        conv = nn.Conv2d(in_chans, out_chans, kernel_size, stride, kernel_size // 2, groups=groups, bias=False)
        self.add_module("c", conv)
        self.add_module("bn", nn.BatchNorm2d(out_chans))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_chans, H, W) to (B, out_chans, H / stride, W / stride)."""
        if self.training:
            normalised: Tensor = self.bn(self.c(x))
            return normalised
        weight, bias = self._folded()
        conv = self.c
        # Folded anew every time: it takes microseconds, and a kept copy could go stale when weights change.
        return F.conv2d(x, weight.to(x.dtype), bias.to(x.dtype), conv.stride, conv.padding, groups=conv.groups)

    def _folded(self) -> tuple[Tensor, Tensor]:
        norm = self.bn
        if norm.running_mean is None or norm.running_var is None:
            raise ValueError("batch norm without running statistics cannot be folded")
        scale = norm.weight.float() * torch.rsqrt(norm.running_var.float() + norm.eps)
        bias = norm.bias.float() - norm.running_mean.float() * scale
        return self.c.weight.float() * scale.reshape(-1, 1, 1, 1), bias


class PatchEmbed(nn.Module):
    """Two strided convolutions: pixels to features of stride 4."""

    def __init__(self, embed_dim: int) -> None:
        super().__init__()
        self.seq = nn.Sequential(
            Conv2dBN(3, embed_dim // 2, 3, stride=2), nn.GELU(), Conv2dBN(embed_dim // 2, embed_dim, 3, stride=2)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, embed_dim, H / 4, W / 4)."""
        out: Tensor = self.seq(x)
        return out


class MBConv(nn.Module):
    """Inverted residual: expand 1x1, depthwise 3x3, project 1x1; the activation comes after the residual."""

    def __init__(self, dim: int, expand_ratio: float) -> None:
        super().__init__()
        hidden = int(dim * expand_ratio)
        self.conv1 = Conv2dBN(dim, hidden)
        self.conv2 = Conv2dBN(hidden, hidden, 3, groups=hidden)
        self.conv3 = Conv2dBN(hidden, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, dim, H, W) to the same shape."""
        if self.training or x.device.type != "cpu" or torch.is_grad_enabled():
            return F.gelu(x + self._branch(x))
        # In strips that stay in the processor's cache; one row more above and below for the 3 x 3 convolution.
        height = x.shape[-2]
        step = max(1, _STRIP_ACTIVATIONS // (x.shape[0] * x.shape[-1] * self.conv1.c.out_channels))
        strips = []
        for start in range(0, height, step):
            stop, above = min(height, start + step), min(start, 1)
            strip = x[:, :, start - above : min(height, stop + 1)]
            strips.append(F.gelu(x[:, :, start:stop] + self._branch(strip)[:, :, above : above + stop - start]))
        return torch.cat(strips, dim=2)

    def _branch(self, x: Tensor) -> Tensor:
        out = F.gelu(self.conv1(x))
        projected: Tensor = self.conv3(F.gelu(self.conv2(out)))
        return projected


class PatchMerging(nn.Module):
    """To the next stage's width; at half the resolution, or at the same before the last stage."""

    def __init__(self, dim: int, out_dim: int, stride: int) -> None:
        super().__init__()
        self.conv1 = Conv2dBN(dim, out_dim)
        self.conv2 = Conv2dBN(out_dim, out_dim, 3, stride, groups=out_dim)
        self.conv3 = Conv2dBN(out_dim, out_dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, dim, H, W) to (B, out_dim, H / stride, W / stride)."""
        out = F.gelu(self.conv1(x))
        merged: Tensor = self.conv3(F.gelu(self.conv2(out)))
        return merged


class Mlp(nn.Module):
    """Feed-forward with its own layer norm in front."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., dim) to (..., dim)."""
        out: Tensor = self.fc2(F.gelu(self.fc1(self.norm(x))))
        return out


class Attention(nn.Module):
    """Windowed attention with one learned bias per head and distance (LeViT, Graham et al. 2021)."""

    def __init__(self, dim: int, num_heads: int, window: int) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"{dim} channels cannot be divided into {num_heads} heads")
        self.num_heads = num_heads
        self.window = window
        self.norm = nn.LayerNorm(dim)
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(num_heads, window * window))

    def forward(self, x: Tensor) -> Tensor:
        """Attend within windows; (B, H, W, C) to (B, H, W, C)."""
        size = (x.shape[1], x.shape[2])
        # Zero padding comes before the norm, whose output is its bias there.
        windows = to_windows(self.qkv(self.norm(x)), self.window, self.qkv(self.norm.bias))
        q, k, v = windows.flatten(1, 2).unflatten(-1, (self.num_heads, 3, -1)).permute(3, 0, 2, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=self._bias(len(q), q.dtype))
        out = attended.transpose(1, 2).flatten(2).unflatten(1, (self.window, self.window))
        projected: Tensor = self.proj(from_windows(out, self.window, size))
        return projected

    def _bias(self, windows: int, dtype: torch.dtype) -> Tensor:
        place = torch.arange(self.window, device=self.attention_biases.device)
        distance = (place[:, None] - place[None, :]).abs()
        index = distance[:, None, :, None] * self.window + distance[None, :, None, :]
        pairs = self.window**2
        bias = self.attention_biases.to(dtype)[:, index.reshape(pairs, pairs)]
        return bias.expand(windows, -1, -1, -1)


class TinyViTBlock(nn.Module):
    """Windowed attention, depthwise convolution, feed-forward."""

    def __init__(self, dim: int, num_heads: int, window: int, mlp_ratio: float, local_conv_size: int) -> None:
        super().__init__()
        self.attn = Attention(dim, num_heads, window)
        self.local_conv = Conv2dBN(dim, dim, local_conv_size, groups=dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W), channels last in memory, to the same."""
        tokens = x.permute(0, 2, 3, 1)
        x = (tokens + self.attn(tokens)).permute(0, 3, 1, 2)
        tokens = self.local_conv(x).permute(0, 2, 3, 1)
        return add_in_tiles(tokens, self.mlp, self.mlp.fc1.out_features).permute(0, 3, 1, 2)


class Stage(nn.Module):
    """Blocks of one resolution, and the way to the next."""

    def __init__(self, blocks: list[nn.Module], downsample: PatchMerging | None) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.downsample = downsample

    def forward(self, x: Tensor, steps: Steps) -> Tensor:
        """Map (B, C, H, W) to the next stage's input, counting every block."""
        for block in self.blocks:
            x = block(x)
            steps.step()
        return x if self.downsample is None else self.downsample(x)


class TinyViT(nn.Module):
    """MobileSAM's image encoder, of any widths and depths.

    Parameters
    ----------
    config : TinyViTConfig
        ``num_classes`` is that of the ImageNet classifier, which MobileSAM's checkpoints hold and nobody uses
        (``norm_head`` and ``head``); 0 leaves it out.
    img_size : int
        Side of the square input, in pixels.
    out_chans : int
        Width of the embedding.
    """

    def __init__(self, config: TinyViTConfig, img_size: int, out_chans: int) -> None:
        super().__init__()
        self.img_size = img_size
        self._blocks = sum(config.depths)
        self.patch_embed = PatchEmbed(config.embed_dims[0])
        self.layers = nn.ModuleList(_stage(config, i) for i in range(len(config.depths)))
        if config.num_classes > 0:
            self.norm_head = nn.LayerNorm(config.embed_dims[-1])
            self.head = nn.Linear(config.embed_dims[-1], config.num_classes)
        self.neck = make_neck(config.embed_dims[-1], out_chans)

    def forward(self, x: Tensor, progress: Progress | None = None) -> Tensor:
        """Encode normalised pixels (B, 3, img_size, img_size) to (B, out_chans, img_size / 16, img_size / 16).

        ``progress`` is told (done, total) between blocks.

        Raises
        ------
        ValueError
            If the pixels have another size.
        """
        if x.shape[-2:] != (self.img_size, self.img_size):
            raise ValueError(f"this encoder takes {self.img_size} x {self.img_size} pixels, got {tuple(x.shape[-2:])}")
        x = self.patch_embed(x.to(next(self.parameters()).dtype, memory_format=torch.channels_last))
        steps = Steps(progress, self._blocks + 1)
        for layer in self.layers:
            x = layer(x, steps)
        out: Tensor = self.neck(x)
        steps.step()
        return out


def _stage(config: TinyViTConfig, i: int) -> Stage:
    dim, last = config.embed_dims[i], len(config.depths) - 1
    blocks: list[nn.Module] = []
    for _ in range(config.depths[i]):
        if i == 0:
            blocks.append(MBConv(dim, config.mbconv_expand_ratio))
        else:
            heads, window = config.num_heads[i], config.window_sizes[i]
            blocks.append(TinyViTBlock(dim, heads, window, config.mlp_ratio, config.local_conv_size))
    if i == last:
        return Stage(blocks, None)
    # The last two stages share stride 16. (MobileSAM: stride 1 where the width is 320, 448 or 576, which means this.)
    return Stage(blocks, PatchMerging(dim, config.embed_dims[i + 1], stride=1 if i + 1 == last else 2))
