"""Plain ViT image encoder with windowed and global attention (``segment_anything/modeling/image_encoder.py``).

Same numbers as the official encoder, in another order of work: windows are padded after the projection (a padded
token's projection is the bias), and on a processor attention runs in tiles that stay in its cache, so that the
position bias of all pairs of tokens (805 MB for ViT-B) never exists at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.model.common import LayerNorm2d, MLPBlock, Progress, Steps
from napari_sam.model.config import ViTConfig

_TILE_SCORES = 1 << 20  # attention scores per tile: 4 MB in fp32, measured best of 1 to 64 MB
_TILE_ACTIVATIONS = 1 << 21  # 8 MB in fp32
_NORM_EPS = 1e-6


class PatchEmbed(nn.Module):
    """Non-overlapping patches to tokens."""

    def __init__(self, patch_size: int, embed_dim: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, embed_dim, kernel_size=patch_size, stride=patch_size)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, H / patch, W / patch, C)."""
        patches: Tensor = self.proj(x)
        return patches.permute(0, 2, 3, 1)


class Attention(nn.Module):
    """Multi-head attention on a square of tokens with decomposed relative positions (Li et al. 2022, MViTv2).

    Parameters
    ----------
    dim : int
    num_heads : int
    side : int
        Side of the square: the window, or the whole grid.
    windowed : bool
        Whether the grid is cut into windows of ``side``.
    """

    def __init__(self, dim: int, num_heads: int, side: int, windowed: bool) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"{dim} channels cannot be divided into {num_heads} heads")
        self.num_heads = num_heads
        self.side = side
        self.windowed = windowed
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)
        self.rel_pos_h = nn.Parameter(torch.zeros(2 * side - 1, dim // num_heads))
        self.rel_pos_w = nn.Parameter(torch.zeros(2 * side - 1, dim // num_heads))

    def forward(self, x: Tensor) -> Tensor:
        """Attend within each square; (B, H, W, C) to (B, H, W, C)."""
        size = (x.shape[1], x.shape[2])
        qkv: Tensor = self.qkv(x)
        if self.windowed:
            qkv = to_windows(qkv, self.side, self.qkv.bias)
        # (B * windows, tokens, 3, heads, channels) to three of (B * windows, heads, tokens, channels), as views
        q, k, v = qkv.flatten(1, 2).unflatten(-1, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        attended = _attend_in_tiles(q, k, v, self._relative_scores)
        out = attended.transpose(1, 2).flatten(2).unflatten(1, (self.side, self.side))
        if self.windowed:
            out = from_windows(out, self.side, size)
        projected: Tensor = self.proj(out)
        return projected

    def _relative_scores(self, q: Tensor) -> tuple[Tensor, Tensor]:
        """Scores of every query with every row offset and every column offset; twice (B, heads, tokens, side).

        The query is the unscaled one, as in the official code.
        """
        place = torch.arange(self.side, device=q.device)
        offsets = place[:, None] - place[None, :] + self.side - 1
        grid = q.unflatten(2, (self.side, self.side))
        rel_h = torch.einsum("bnyxc,ykc->bnyxk", grid, self.rel_pos_h[offsets].to(q.dtype))
        rel_w = torch.einsum("bnyxc,xkc->bnyxk", grid, self.rel_pos_w[offsets].to(q.dtype))
        return rel_h.flatten(2, 3), rel_w.flatten(2, 3)


def _attend_in_tiles(q: Tensor, k: Tensor, v: Tensor, relative: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
    if q.device.type != "cpu" or torch.is_grad_enabled():
        return _attend(q, k, v, *relative(q))
    out = q.new_empty(q.shape[0], q.shape[2], q.shape[1], q.shape[3]).transpose(1, 2)  # heads side by side in memory
    for part, tiles in _tiles(*q.shape[:3]):
        queries, keys, values, attended = q[part], k[part], v[part], out[part]
        rel_h, rel_w = relative(queries)
        for rows in tiles:
            tile = (slice(None), slice(None), rows)
            attended[tile] = _attend(queries[tile], keys, values, rel_h[tile], rel_w[tile])
    return out


def _tiles(batch: int, heads: int, tokens: int) -> Iterator[tuple[tuple[slice, slice], list[slice]]]:
    """Cut (batch, heads) into parts, and the queries of each into tiles of about ``_TILE_SCORES`` scores."""
    per_window = heads * tokens * tokens
    if per_window <= _TILE_SCORES:
        step = _TILE_SCORES // per_window
        for start in range(0, batch, step):
            yield (slice(start, start + step), slice(None)), [slice(None)]
        return
    step = max(1, _TILE_SCORES // tokens)
    rows = [slice(start, start + step) for start in range(0, tokens, step)]
    for i in range(batch):
        for head in range(heads):
            yield (slice(i, i + 1), slice(head, head + 1)), rows


def _attend(q: Tensor, k: Tensor, v: Tensor, rel_h: Tensor, rel_w: Tensor) -> Tensor:
    bias = (rel_h.unsqueeze(-1) + rel_w.unsqueeze(-2)).flatten(-2)
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        # torch's fused attention does not use the processor's bf16 products as well as plain ones do (measured: 0.65).
        scaled = (q * q.shape[-1] ** -0.5).flatten(0, 1)
        scores = torch.baddbmm(bias.flatten(0, 1), scaled, k.flatten(0, 1).transpose(1, 2))
        attended: Tensor = (torch.softmax(scores, dim=-1) @ v.flatten(0, 1)).unflatten(0, q.shape[:2])
        return attended
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


def add_in_tiles(x: Tensor, branch: Callable[[Tensor], Tensor], width: int) -> Tensor:
    """Compute ``x + branch(x)`` for a branch that treats every token by itself.

    On a processor a few tokens at a time, so that activations of ``width`` channels stay in its cache: memory the
    operating system has to clear first costs as much time as the arithmetic.

    Parameters
    ----------
    x : Tensor, shape (..., C)
    branch : callable
        From (n, C) to (n, C).
    width : int
        Channels of the branch's widest activation.
    """
    if x.device.type != "cpu" or torch.is_grad_enabled():
        return x + branch(x)
    tokens = x.flatten(0, -2)
    out = torch.empty_like(tokens)
    step = max(1, _TILE_ACTIVATIONS // width)
    for start in range(0, len(tokens), step):
        tile = tokens[start : start + step]
        torch.add(tile, branch(tile), out=out[start : start + step])
    return out.reshape(x.shape)


def to_windows(x: Tensor, side: int, padding: Tensor) -> Tensor:
    """Cut (B, H, W, C) into windows (B * windows, side, side, C), padded at the bottom and right."""
    batch, height, width, channels = x.shape
    rows, columns = -(-height // side), -(-width // side)
    if (rows * side, columns * side) != (height, width):
        padded = padding.to(x.dtype).expand(batch, rows * side, columns * side, channels).clone()
        padded[:, :height, :width] = x
        x = padded
    windows = x.reshape(batch, rows, side, columns, side, channels).transpose(2, 3)
    return windows.reshape(batch * rows * columns, side, side, channels)


def from_windows(windows: Tensor, side: int, size_hw: tuple[int, int]) -> Tensor:
    """Undo :func:`to_windows`; the padding is cut off."""
    height, width = size_hw
    rows, columns = -(-height // side), -(-width // side)
    x = windows.unflatten(0, (-1, rows, columns)).transpose(2, 3)
    whole: Tensor = x.reshape(-1, rows * side, columns * side, windows.shape[-1])
    return whole[:, :height, :width]


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, config: ViTConfig, side: int, windowed: bool) -> None:
        super().__init__()
        dim = config.embed_dim
        self.norm1 = nn.LayerNorm(dim, eps=_NORM_EPS)
        self.attn = Attention(dim, config.num_heads, side, windowed)
        self.norm2 = nn.LayerNorm(dim, eps=_NORM_EPS)
        self.mlp = MLPBlock(dim, int(dim * config.mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, H, W, C) to (B, H, W, C)."""
        x = self._add_attention(x)
        return add_in_tiles(x, lambda tokens: self.mlp(self.norm2(tokens)), self.mlp.lin1.out_features)

    def _add_attention(self, x: Tensor) -> Tensor:
        if not self.attn.windowed or x.device.type != "cpu" or torch.is_grad_enabled():
            added: Tensor = x + self.attn(self.norm1(x))
            return added
        # One row of windows at a time: a fifth of the memory, more of it in the processor's cache.
        return torch.cat([rows + self.attn(self.norm1(rows)) for rows in x.split(self.attn.side, dim=1)], dim=1)


class ImageEncoderViT(nn.Module):
    """SAM's ViT-B/L/H image encoder, of any width, depth and image size.

    Parameters
    ----------
    config : ViTConfig
    img_size : int
        Side of the square input, in pixels.
    out_chans : int
        Width of the embedding.
    """

    def __init__(self, config: ViTConfig, img_size: int, out_chans: int) -> None:
        super().__init__()
        grid = img_size // config.patch_size
        self.img_size = img_size
        self.patch_embed = PatchEmbed(config.patch_size, config.embed_dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, grid, grid, config.embed_dim))
        blocks = []
        for i in range(config.depth):
            windowed = config.window_size > 0 and i not in config.global_attn_indexes
            blocks.append(Block(config, config.window_size if windowed else grid, windowed))
        self.blocks = nn.ModuleList(blocks)
        self.neck = make_neck(config.embed_dim, out_chans)

    def forward(self, x: Tensor, progress: Progress | None = None) -> Tensor:
        """Encode normalised pixels (B, 3, img_size, img_size) to (B, out_chans, grid, grid).

        ``progress`` is told (done, total) between blocks.

        Raises
        ------
        ValueError
            If the pixels have another size than the position embedding was made for.
        """
        if x.shape[-2:] != (self.img_size, self.img_size):
            raise ValueError(f"this encoder takes {self.img_size} x {self.img_size} pixels, got {tuple(x.shape[-2:])}")
        x = self.patch_embed(x.to(self.pos_embed.dtype)) + self.pos_embed
        steps = Steps(progress, len(self.blocks) + 1)
        for block in self.blocks:
            x = block(x)
            steps.step()
        out: Tensor = self.neck(x.permute(0, 3, 1, 2))
        steps.step()
        return out


def make_neck(embed_dim: int, out_chans: int) -> nn.Sequential:
    """Build the convolutions from an encoder's width to the embedding's, which all SAM encoders end with."""
    return nn.Sequential(
        nn.Conv2d(embed_dim, out_chans, kernel_size=1, bias=False),
        LayerNorm2d(out_chans),
        nn.Conv2d(out_chans, out_chans, kernel_size=3, padding=1, bias=False),
        LayerNorm2d(out_chans),
    )
