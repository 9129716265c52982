"""Image embedding + prompts to masks and predicted IoUs (``segment_anything/modeling/mask_decoder.py``)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.model.common import MLP, LayerNorm2d
from napari_sam.model.prompt_encoder import EncodedPrompts
from napari_sam.model.transformer import TwoWayTransformer


class MaskDecoder(nn.Module):
    """SAM's two-way transformer decoder with hypernetwork mask heads and an IoU head."""

    def __init__(
        self,
        transformer: TwoWayTransformer,
        transformer_dim: int,
        num_multimask_outputs: int,
        iou_head_depth: int,
        iou_head_hidden_dim: int,
        upscaled_dims: tuple[int, int] | None = None,
    ) -> None:
        super().__init__()
        first, last = upscaled_dims or (transformer_dim // 4, transformer_dim // 8)
        self.transformer = transformer
        self.num_mask_tokens = num_multimask_outputs + 1
        self.iou_token = nn.Embedding(1, transformer_dim)
        self.mask_tokens = nn.Embedding(self.num_mask_tokens, transformer_dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(transformer_dim, first, kernel_size=2, stride=2),
            LayerNorm2d(first),
            nn.GELU(),
            nn.ConvTranspose2d(first, last, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP(transformer_dim, transformer_dim, last, 3) for _ in range(self.num_mask_tokens)
        )
        self.iou_prediction_head = MLP(transformer_dim, iou_head_hidden_dim, self.num_mask_tokens, iou_head_depth)

    def forward(
        self,
        image_embeddings: Tensor,
        image_pe: Tensor,
        prompts: EncodedPrompts,
        high_res: tuple[Tensor, ...] = (),
    ) -> tuple[Tensor, Tensor]:
        """Decode all four masks of N prompts.

        Parameters
        ----------
        image_embeddings : Tensor, shape (N or 1, C, h, w)
        image_pe : Tensor, shape (N or 1, C, h, w)
        prompts : EncodedPrompts
            N encoded prompts.
        high_res : tuple of Tensor
            Features of stride 8 and 4 for decoders that use them, shape (N or 1, C', 2h, 2w) and (N or 1, C'', 4h, 4w).

        Returns
        -------
        masks : Tensor, shape (N, 4, 4h, 4w)
            Logits; index 0 is the single-mask output, 1 to 3 the multimask outputs.
        iou_predictions : Tensor, shape (N, 4)
        """
        count = max(len(prompts.sparse), len(prompts.dense))
        output_tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat(
            [output_tokens.expand(count, -1, -1), prompts.sparse.expand(count, -1, -1).to(output_tokens.dtype)], dim=1
        )
        src = (image_embeddings + prompts.dense).expand(count, -1, -1, -1)
        hs, keys = self.transformer(src, image_pe, tokens)
        iou_token_out = hs[:, 0]
        mask_tokens_out = hs[:, 1 : 1 + self.num_mask_tokens]

        upscaled = self.upscale(keys.transpose(1, 2).reshape(src.shape), prompts.drawn, high_res)
        hyper_in = torch.stack(
            [mlp(mask_tokens_out[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        masks = (hyper_in @ upscaled.flatten(2)).reshape(count, -1, *upscaled.shape[-2:])
        return masks, self.iou_prediction_head(iou_token_out)

    def upscale(self, src: Tensor, drawn: Tensor | None, high_res: tuple[Tensor, ...]) -> Tensor:
        """Upscale the attended image (N, C, h, w) four times."""
        upscaled: Tensor = self.output_upscaling(src)
        return upscaled


class HighResMaskDecoder(MaskDecoder):
    """``sam_lite``'s decoder: the upscaling also sees the encoder's fine features and the drawn prompts."""

    def __init__(
        self,
        transformer: TwoWayTransformer,
        transformer_dim: int,
        num_multimask_outputs: int,
        iou_head_depth: int,
        iou_head_hidden_dim: int,
        upscaled_dims: tuple[int, int],
    ) -> None:
        super().__init__(
            transformer, transformer_dim, num_multimask_outputs, iou_head_depth, iou_head_hidden_dim, upscaled_dims
        )
        first, last = upscaled_dims
        # ReLU: a third of GELU's time at these resolutions, forwards and backwards.
        self.output_upscaling[2] = nn.ReLU()
        self.output_upscaling[4] = nn.ReLU()
        self.prompt_to_s8 = nn.Conv2d(4, first, kernel_size=4, stride=2, padding=1)
        self.prompt_to_s4 = nn.Conv2d(4, last, kernel_size=3, padding=1)
        self.refine_s8 = nn.Conv2d(first, first, kernel_size=3, padding=1)
        self.refine_s4 = nn.Conv2d(last, last, kernel_size=3, padding=1)

    def upscale(self, src: Tensor, drawn: Tensor | None, high_res: tuple[Tensor, ...]) -> Tensor:
        """Upscale (N, C, h, w) four times, adding fine features and drawn prompts at strides 8 and 4."""
        if drawn is None:
            raise ValueError("this decoder needs drawn prompts (DrawnPromptEncoder)")
        up1, norm, _, up2, _ = self.output_upscaling
        stride8, stride4 = high_res
        drawn = drawn.to(src.dtype)
        # In place where autograd allows: at these sizes fresh memory costs as much as the arithmetic.
        x = norm(up1(src)).add_(self.prompt_to_s8(drawn)).add_(stride8).relu_()
        x = x + F.relu(self.refine_s8(x))
        x = up2(x).add_(self.prompt_to_s4(drawn)).add_(stride4).relu_()
        refined: Tensor = x + F.relu(self.refine_s4(x))
        return refined
