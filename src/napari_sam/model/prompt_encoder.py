"""Points, boxes and masks to tokens and dense embeddings (``segment_anything/modeling/prompt_encoder.py``)."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.model.common import LayerNorm2d


class LocalDrawing(NamedTuple):
    """N prompts drawn on small patches of the image: everywhere else they change nothing.

    ``corner_yx`` (N, 2) row and column of the patch's first token; ``drawn`` (N, 4, 4p, 4p) the drawing; ``dense``
    (N, p * p, C) the dense embedding of the patch.
    """

    corner_yx: Tensor
    drawn: Tensor
    dense: Tensor

    def tokens(self, grid_width: int) -> Tensor:
        """Return the indices of the patches' tokens in the image, (N, p * p)."""
        step = torch.arange(self.drawn.shape[-1] // 4, device=self.drawn.device)
        rows = self.corner_yx[:, :1, None] + step[:, None]
        columns = self.corner_yx[:, 1:, None] + step
        return (rows * grid_width + columns).flatten(1)


class EncodedPrompts(NamedTuple):
    """What the decoder needs to know about N prompts.

    ``sparse`` (N, Nt, C) tokens; ``dense`` (N or 1, C, h, w) added to the image embedding; ``drawn`` (N, 4, 4h, 4w)
    the prompts drawn as images, or None where the model does not use them; ``local`` the same on patches, where that
    is enough: then ``dense`` is that of an empty drawing, and ``drawn`` None.
    """

    sparse: Tensor
    dense: Tensor
    drawn: Tensor | None = None
    local: LocalDrawing | None = None

    @property
    def number(self) -> int:
        """Number of prompts."""
        return max(len(self.sparse), len(self.dense))

    def take(self, rows: Tensor) -> EncodedPrompts:
        """Return some of the prompts."""
        return EncodedPrompts(
            self.sparse[rows] if len(self.sparse) > 1 else self.sparse,
            self.dense[rows] if len(self.dense) > 1 else self.dense,
            None if self.drawn is None else self.drawn[rows],
            None if self.local is None else LocalDrawing(*(part[rows] for part in self.local)),
        )


class PositionEmbeddingRandom(nn.Module):
    """Positional encoding by random spatial frequencies (Tancik et al. 2020)."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, num_pos_feats: int, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", scale * torch.randn(2, num_pos_feats))

    def encode(self, coords: Tensor) -> Tensor:
        """Encode (..., 2) x, y in [0, 1] to (..., 2 * num_pos_feats)."""
        matrix = self.positional_encoding_gaussian_matrix
        angles = (2 * coords.to(matrix.dtype) - 1) @ matrix * (2 * math.pi)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def forward(self, size_hw: tuple[int, int]) -> Tensor:
        """Encode the pixel centres of a grid; returns (C, h, w)."""
        matrix = self.positional_encoding_gaussian_matrix
        ones = torch.ones(size_hw, device=matrix.device, dtype=matrix.dtype)
        # cumsum, not arange: bit-equal to the official encoding.
        y = (ones.cumsum(0) - 0.5) / size_hw[0]
        x = (ones.cumsum(1) - 0.5) / size_hw[1]
        return self.encode(torch.stack([x, y], dim=-1)).permute(2, 0, 1)


class PromptEncoder(nn.Module):
    """SAM's prompt encoder.

    Point labels: 1 positive, 0 negative, -1 padding (no position). Where there is no box, one padding point is
    appended, even beside points, as in the official code.
    """

    def __init__(
        self, embed_dim: int, grid_size: int, img_size: int, mask_in_chans: int, mask_channels: int = 1
    ) -> None:
        super().__init__()
        self.embed_dim = embed_dim
        self.grid_size = grid_size
        self.img_size = img_size
        self.pe_layer = PositionEmbeddingRandom(embed_dim // 2)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, embed_dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, embed_dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(mask_channels, mask_in_chans // 4, kernel_size=2, stride=2),
            LayerNorm2d(mask_in_chans // 4),
            nn.GELU(),
            nn.Conv2d(mask_in_chans // 4, mask_in_chans, kernel_size=2, stride=2),
            LayerNorm2d(mask_in_chans),
            nn.GELU(),
            nn.Conv2d(mask_in_chans, embed_dim, kernel_size=1),
        )
        self.no_mask_embed = nn.Embedding(1, embed_dim)

    @property
    def mask_input_size(self) -> int:
        """Side of a mask prompt and of the low-resolution logits, in pixels."""
        return 4 * self.grid_size

    def get_dense_pe(self) -> Tensor:
        """Positional encoding of the image embedding, shape (1, C, h, w)."""
        encoding: Tensor = self.pe_layer((self.grid_size, self.grid_size))
        return encoding.unsqueeze(0)

    def forward(
        self, points_xy: Tensor | None, labels: Tensor | None, boxes_xyxy: Tensor | None, masks: Tensor | None
    ) -> EncodedPrompts:
        """Encode N prompts given in the model's frame (pixels of the resized, padded image).

        Parameters
        ----------
        points_xy : Tensor, shape (N, P, 2), optional
        labels : Tensor of int, shape (N, P), with ``points_xy``
        boxes_xyxy : Tensor, shape (N, 4), optional
        masks : Tensor, shape (N, 1, 4h, 4w), optional
        """
        return EncodedPrompts(self.sparse_tokens(points_xy, labels, boxes_xyxy), self.dense_embedding(masks))

    def encode_compactly(
        self, points_xy: Tensor | None, labels: Tensor | None, boxes_xyxy: Tensor | None, masks: Tensor | None
    ) -> EncodedPrompts:
        """Encode N prompts for the inference path; the same, in less memory where that is possible."""
        encoded: EncodedPrompts = self(points_xy, labels, boxes_xyxy, masks)
        return encoded

    def empty_dense(self) -> Tensor:
        """Return the dense embedding of prompts without a mask, (1, C, h, w)."""
        return self.dense_embedding(None)

    def sparse_tokens(self, points_xy: Tensor | None, labels: Tensor | None, boxes_xyxy: Tensor | None) -> Tensor:
        """Tokens of points (with the padding point where there is no box), then box corners; (N, Nt, C)."""
        tokens = []
        if points_xy is not None and labels is not None:
            tokens.append(self._embed_points(points_xy, labels, pad=boxes_xyxy is None))
        if boxes_xyxy is not None:
            tokens.append(self._embed_boxes(boxes_xyxy))
        if tokens:
            return torch.cat(tokens, dim=1)
        return self.no_mask_embed.weight.new_zeros((1, 0, self.embed_dim))

    def dense_embedding(self, masks: Tensor | None) -> Tensor:
        """Embed mask prompts (N, 1, 4h, 4w), or broadcast the no-mask embedding to (1, C, h, w)."""
        if masks is not None:
            embedded: Tensor = self.mask_downscaling(masks)
            return embedded
        weight = self.no_mask_embed.weight.reshape(1, -1, 1, 1)
        return weight.expand(1, -1, self.grid_size, self.grid_size)

    def _embed_points(self, points_xy: Tensor, labels: Tensor, pad: bool) -> Tensor:
        points = points_xy + 0.5  # to pixel centres
        if pad:
            points = torch.cat([points, points.new_zeros(len(points), 1, 2)], dim=1)
            labels = torch.cat([labels, labels.new_full((len(labels), 1), -1)], dim=1)
        encoded = self.pe_layer.encode(points / self.img_size)
        kind = labels.unsqueeze(-1)
        encoded = torch.where(kind == -1, self.not_a_point_embed.weight, encoded)
        encoded = torch.where(kind == 0, encoded + self._kind(0), encoded)
        return torch.where(kind == 1, encoded + self._kind(1), encoded)

    def _embed_boxes(self, boxes_xyxy: Tensor) -> Tensor:
        corners = self.pe_layer.encode((boxes_xyxy.reshape(-1, 2, 2) + 0.5) / self.img_size)
        return corners + torch.cat([self._kind(2), self._kind(3)])

    def _kind(self, index: int) -> Tensor:
        """Learned embedding (1, C): 0 negative point, 1 positive point, 2 top left and 3 bottom right corner."""
        weight: Tensor = self.point_embeddings[index].get_parameter("weight")
        return weight


class DrawnPromptEncoder(PromptEncoder):
    """Prompt encoder of ``sam_lite``: the prompts are also drawn as images, which a small CNN reads.

    Channels of ``drawn``: the mask logits squashed to [-1, 1], positive points, negative points (soft disks), and
    the filled box. Interactive segmentation networks (e.g. RITM, Sofiiuk et al. 2021) learn from drawn clicks with
    far less data than from coordinates alone.
    """

    POINT_SIGMA = 1.5  # in low-resolution pixels: a disk about 6 model pixels wide
    _PATCH = 7  # tokens

    def __init__(self, embed_dim: int, grid_size: int, img_size: int, mask_in_chans: int) -> None:
        super().__init__(embed_dim, grid_size, img_size, mask_in_chans, mask_channels=4)

    def forward(
        self, points_xy: Tensor | None, labels: Tensor | None, boxes_xyxy: Tensor | None, masks: Tensor | None
    ) -> EncodedPrompts:
        """Encode N prompts; see :meth:`PromptEncoder.forward`."""
        size = (self.mask_input_size, self.mask_input_size)
        drawn = self.draw(points_xy, labels, boxes_xyxy, masks, size)
        sparse = self.sparse_tokens(points_xy, labels, boxes_xyxy)
        return EncodedPrompts(sparse, self.embed_drawn(drawn, masks), drawn)

    def encode_compactly(
        self, points_xy: Tensor | None, labels: Tensor | None, boxes_xyxy: Tensor | None, masks: Tensor | None
    ) -> EncodedPrompts:
        """Encode N prompts for the inference path: a single point is drawn on the patch of tokens around it only.

        A patch reaches at least 12 pixels (8 sigma) from the point, where the disk is 1e-14. A GPU draws whole images
        in less time than many patches.
        """
        alone = boxes_xyxy is None and masks is None
        if not alone or points_xy is None or labels is None or points_xy.shape[1] != 1 or points_xy.is_cuda:
            return self(points_xy, labels, boxes_xyxy, masks)  # type: ignore[no-any-return]
        side = min(self._PATCH, self.grid_size)
        centres = (points_xy[:, 0].float() + 0.5) / 4 - 0.5
        corner_yx = ((centres.flip(-1) / 4).floor().long() - self._PATCH // 2).clamp(0, self.grid_size - side)
        shifted = points_xy - 16 * corner_yx.flip(-1)[:, None]
        drawn = self.draw(shifted, labels, None, None, (4 * side, 4 * side))
        dense = self.embed_drawn(drawn, None).flatten(2).transpose(1, 2)
        local = LocalDrawing(corner_yx, drawn, dense)
        return EncodedPrompts(self.sparse_tokens(points_xy, labels, None), self.empty_dense(), None, local)

    def empty_dense(self) -> Tensor:
        """Return the dense embedding of an empty drawing, (1, C, h, w)."""
        token = self.no_mask_embed.weight.new_zeros(1, 4, 4, 4)
        return self.embed_drawn(token, None).expand(-1, -1, self.grid_size, self.grid_size)

    def embed_drawn(self, drawn: Tensor, masks: Tensor | None) -> Tensor:
        """Dense embedding (N, C, h, w) of drawn prompts (N, 4, 4h, 4w)."""
        dense: Tensor = self.mask_downscaling(drawn)
        if masks is None:
            dense = dense + self.no_mask_embed.weight.reshape(1, -1, 1, 1)
        return dense

    def draw(
        self,
        points_xy: Tensor | None,
        labels: Tensor | None,
        boxes_xyxy: Tensor | None,
        masks: Tensor | None,
        size_hw: tuple[int, int],
    ) -> Tensor:
        """Draw N prompts at a quarter of the model's resolution; returns (N, 4, *size_hw)."""
        given = next((x for x in (points_xy, boxes_xyxy, masks) if x is not None), None)
        count = 1 if given is None else len(given)
        weight = self.no_mask_embed.weight
        drawn = weight.new_zeros((count, 4, *size_hw), dtype=torch.float32)
        y = torch.arange(size_hw[0], device=weight.device, dtype=torch.float32)
        x = torch.arange(size_hw[1], device=weight.device, dtype=torch.float32)
        if masks is not None:
            drawn[:, 0] = torch.tanh(masks[:, 0].float() / 4)
        if points_xy is not None and labels is not None:
            drawn[:, 1:3] = self._draw_points(points_xy.float(), labels, y, x)
        if boxes_xyxy is not None:
            drawn[:, 3] = _draw_boxes(boxes_xyxy.float(), y, x)
        return drawn

    def _draw_points(self, points_xy: Tensor, labels: Tensor, y: Tensor, x: Tensor) -> Tensor:
        centres = (points_xy + 0.5) / 4 - 0.5
        scale = 2 * self.POINT_SIGMA**2
        rows = torch.exp(-((y - centres[..., 1:]) ** 2) / scale)  # (N, P, H)
        columns = torch.exp(-((x - centres[..., :1]) ** 2) / scale)  # (N, P, W)
        channels = []
        for label in (1, 0):
            chosen = (labels == label).to(rows.dtype).unsqueeze(-1)
            channels.append(torch.einsum("nph,npw->nhw", rows * chosen, columns).clamp(max=1))
        return torch.stack(channels, dim=1)


def _draw_boxes(boxes_xyxy: Tensor, y: Tensor, x: Tensor) -> Tensor:
    left, top, right, bottom = ((boxes_xyxy + 0.5) / 4 - 0.5).unsqueeze(-1).unbind(1)

    def inside(grid: Tensor, low: Tensor, high: Tensor) -> Tensor:
        return torch.minimum(grid - low, high - grid).add(0.5).clamp(0, 1)

    return F.relu(inside(y, top, bottom).unsqueeze(-1) * inside(x, left, right).unsqueeze(-2))
