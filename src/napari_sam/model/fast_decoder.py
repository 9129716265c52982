"""The mask decoder at inference: the same numbers as :class:`MaskDecoder`, with about half of the arithmetic.

Nothing is approximated (docs/adr/0002-networks.md); sums are only taken in another order:

- What all prompts of an image share (tokens, positions, the first layer's projections) is computed once per image.
- A projection of the 4096 image tokens followed by a product with a few prompt tokens is a product with the projected
  prompt tokens: ``(x Wk) . q = x . (Wk q)``. A key's bias adds the same to all scores of a query: softmax ignores it.
- Values are averaged before they are projected, and the output projection is applied to the few prompt tokens.
- Transposed convolutions of stride 2 are matrix products on tokens; pixels are put in order only in the final masks.
- What a drawn point changes is a small patch of the image: the rest of the first layer is shared all the same.
- Only the masks that are asked for are computed, and the last attention only for their tokens.
- The predicted IoU comes from a token: prompts that are not good enough are not upscaled, nor is padding nobody needs.

All arithmetic is fp32: in bf16 0.4 % of the mask pixels flip.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.model.common import LayerNorm2d
from napari_sam.model.fast_transformer import ImageTokens, as_tokens, first_layer, two_way
from napari_sam.model.mask_decoder import HighResMaskDecoder, MaskDecoder
from napari_sam.model.prompt_encoder import EncodedPrompts

_CPU_BATCH = 4  # prompts at a time: more stream their activations through memory, fewer read all weights too often
_GPU_BATCH = 64
_FAR_BELOW = -1e3  # logit of what was not computed
_CPU_UPSCALE_TOKENS = 512  # image tokens upscaled at a time, so that a tile stays in the processor's cache


class ConfidentMasks(NamedTuple):
    """The masks of N prompts whose predicted IoU is above a floor.

    ``scores`` (N, M) of all masks; ``rows`` (K,) which of them, flattened, are above, ascending; ``masks``
    (K, 4h, 4w) their logits.
    """

    masks: Tensor
    rows: Tensor
    scores: Tensor


def image_tokens(
    decoder: MaskDecoder,
    embedding: Tensor,
    image_pe: Tensor,
    no_mask: Tensor | None,
    high_res: tuple[Tensor, ...] = (),
) -> ImageTokens:
    """Prepare one image for any number of prompts.

    Parameters
    ----------
    decoder : MaskDecoder
    embedding : Tensor, shape (1, C, h, w)
    image_pe : Tensor, shape (1, C, h, w)
    no_mask : Tensor, shape (1, C, h, w), optional
        Dense embedding of prompts that change nothing in it, or only a patch (``EncodedPrompts.local``).
    high_res : tuple of Tensor
        As in :meth:`MaskDecoder.forward`, of one image.
    """
    tokens, positions = as_tokens(embedding), as_tokens(image_pe)
    first = None if no_mask is None else first_layer(decoder, tokens + as_tokens(no_mask), positions)
    fine: tuple[Tensor, ...] = ()
    if isinstance(decoder, HighResMaskDecoder):
        fine = _fine(decoder, high_res)
    return ImageTokens(tokens, positions, (embedding.shape[-2], embedding.shape[-1]), first, fine)


def decode_confident(
    decoder: MaskDecoder,
    image: ImageTokens,
    prompts: EncodedPrompts,
    wanted: slice,
    iou_floor: float,
    used_hw: tuple[int, int] | None = None,
) -> ConfidentMasks:
    """Decode N prompts on one image: what ``decoder(...)`` gives, but only the masks whose predicted IoU is enough.

    The predicted IoU comes from one token, before anything is upscaled: the upscaling, most of the arithmetic, is left
    out for prompts with no mask above the floor.

    Parameters
    ----------
    decoder : MaskDecoder
    image : ImageTokens
        Without ``first_layer`` where the prompts' dense embedding is not the image's ``no_mask``.
    prompts : EncodedPrompts
    wanted : slice
        Outputs asked for, of ``decoder.num_mask_tokens``.
    iou_floor : float
        Masks with a predicted IoU above this are returned; with -inf all, a score of NaN too.
    used_hw : (int, int), optional
        Rows and columns of the masks' logits that are used: what lies beyond (padding) need not be computed, and may
        be any number far below zero.
    """
    size = image.size_hw if used_hw is None else _needed(decoder, image.size_hw, used_hw)
    chosen = range(decoder.num_mask_tokens)[wanted]
    masks: list[Tensor] = []
    scores = []
    for part in _batches(prompts, image.tokens.device):
        tokens = _prompt_tokens(decoder, part)
        out, keys = two_way(decoder, image, part, tokens, [0, *(1 + i for i in chosen)])
        iou = decoder.iou_prediction_head(out[:, 0])[:, wanted]
        scores.append(iou)
        mlps = [decoder.output_hypernetworks_mlps[i] for i in chosen]
        hyper = torch.stack([mlp(out[:, 1 + i]) for i, mlp in enumerate(mlps)], dim=1)
        masks += _confident_masks(decoder, image, part, keys, hyper, _above(iou, iou_floor), size)
    all_scores = torch.cat(scores)
    none = all_scores.new_zeros(0, *(4 * side for side in image.size_hw))
    rows = _above(all_scores, iou_floor).flatten().nonzero().flatten()
    return ConfidentMasks(torch.cat(masks) if masks else none, rows, all_scores)


def _confident_masks(
    decoder: MaskDecoder,
    image: ImageTokens,
    prompts: EncodedPrompts,
    keys: list[Tensor],
    hyper: Tensor,
    above: Tensor,
    size: tuple[int, int],
) -> Iterator[Tensor]:
    """Upscale the prompts with a mask ``above`` (B, M), ``size`` of their tokens; yield those masks (k, 4h, 4w)."""
    step = len(keys[0])
    beyond = [4 * (whole - part) for whole, part in zip(image.size_hw, size, strict=True)]
    for i, near in enumerate(keys):
        part = slice(i * step, i * step + len(near))
        some = above[part].any(dim=1).nonzero().flatten()
        if len(some) == 0:
            continue
        if len(some) < len(near):
            near = near[some]
        chosen = some + part.start
        near = near.unflatten(1, image.size_hw)[:, : size[0], : size[1]].flatten(1, 2)
        masks = _masks(decoder, image.fine, prompts.take(chosen), near, hyper[chosen], size)[above[chosen]]
        yield F.pad(masks, (0, beyond[1], 0, beyond[0]), value=_FAR_BELOW) if any(beyond) else masks


def confident(masks: Tensor, scores: Tensor, iou_floor: float) -> ConfidentMasks:
    """Choose the masks (N, M, h, w) whose score (N, M) is above ``iou_floor``; all where that is -inf."""
    above = _above(scores, iou_floor)
    return ConfidentMasks(masks[above], above.flatten().nonzero().flatten(), scores)


def _above(scores: Tensor, iou_floor: float) -> Tensor:
    return scores > iou_floor if iou_floor > float("-inf") else torch.ones_like(scores, dtype=torch.bool)


def _batches(prompts: EncodedPrompts, device: torch.device) -> Iterator[EncodedPrompts]:
    size = _CPU_BATCH if device.type == "cpu" else _GPU_BATCH
    every = torch.arange(prompts.number, device=device)
    for part in every.split(size):
        yield prompts.take(part)


def _prompt_tokens(decoder: MaskDecoder, prompts: EncodedPrompts) -> Tensor:
    count = max(len(prompts.sparse), len(prompts.dense))
    output = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    return torch.cat([output.expand(count, -1, -1), prompts.sparse.expand(count, -1, -1)], dim=1)


def _masks(
    decoder: MaskDecoder,
    fine: tuple[Tensor, ...],
    prompts: EncodedPrompts,
    keys: Tensor,
    hyper: Tensor,
    size_hw: tuple[int, int],
) -> Tensor:
    """Upscale image tokens (B, n, C) and multiply with ``hyper`` (B, M, c); (B, M, 4h, 4w)."""
    if isinstance(decoder, HighResMaskDecoder):
        return _high_res_masks(decoder, fine, prompts, keys, hyper, size_hw)
    return _upscaled_masks(decoder.output_upscaling, keys, hyper, size_hw)


def _needed(decoder: MaskDecoder, size_hw: tuple[int, int], used_hw: tuple[int, int]) -> tuple[int, int]:
    """Return the tokens, of a grid, that the used part of the logits depends on.

    The two convolutions of a :class:`HighResMaskDecoder` see three logits further: one more token.
    """
    more = 1 if isinstance(decoder, HighResMaskDecoder) else 0
    height, width = (min(size, -(-used // 4) + more) for size, used in zip(size_hw, used_hw, strict=True))
    return height, width


def _fine(decoder: HighResMaskDecoder, high_res: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Add to the fine features what a drawing of nothing gives; channels last."""
    drawing = (decoder.prompt_to_s8, decoder.prompt_to_s4)
    return tuple(
        (feature.float() + layer(layer.weight.new_zeros(1, 4, 4, 4))[:, :, 1:2, 1:2]).contiguous(
            memory_format=torch.channels_last
        )
        for feature, layer in zip(high_res, drawing, strict=True)
    )


def _high_res_masks(
    decoder: HighResMaskDecoder,
    fine: tuple[Tensor, ...],
    prompts: EncodedPrompts,
    keys: Tensor,
    hyper: Tensor,
    size_hw: tuple[int, int],
) -> Tensor:
    """Do what :meth:`HighResMaskDecoder.upscale` does, channels last, in place, and drawing only where there is ink."""
    layers = decoder.output_upscaling
    norm, up2 = cast(LayerNorm2d, layers[1]), layers[3]
    x = F.linear(keys, *_as_linear(layers[0])).unflatten(-1, (2, 2, -1)).unflatten(1, size_hw)
    x = F.layer_norm(x, norm.weight.shape, norm.weight, norm.bias, norm.eps).transpose(2, 3)  # (B, h, 2, w, 2, c)
    x = x.flatten(3, 4).flatten(1, 2).permute(0, 3, 1, 2)
    x = x.add_(fine[0][..., : x.shape[2], : x.shape[3]])
    x = _refined(_draw_on(x, decoder.prompt_to_s8, prompts, 2).relu_(), decoder.refine_s8)
    x = up2(x)
    x = x.add_(fine[1][..., : x.shape[2], : x.shape[3]])
    x = _refined(_draw_on(x, decoder.prompt_to_s4, prompts, 4).relu_(), decoder.refine_s4)
    pixels = x.permute(0, 2, 3, 1).flatten(1, 2)
    masks: Tensor = (hyper @ pixels.transpose(1, 2)).unflatten(-1, x.shape[-2:])
    return masks


def _refined(x: Tensor, layer: nn.Conv2d) -> Tensor:
    refined: Tensor = layer(x).relu_().add_(x)
    return refined


def _draw_on(x: Tensor, layer: nn.Conv2d, prompts: EncodedPrompts, scale: int) -> Tensor:
    """Add the drawn prompts, seen by a convolution, to an image of ``scale`` pixels per token; in place."""
    local = prompts.local
    drawn = prompts.drawn if local is None else local.drawn
    if drawn is None:
        raise ValueError("this decoder needs drawn prompts (DrawnPromptEncoder)")
    seen = F.conv2d(drawn, layer.weight, None, layer.stride, layer.padding)
    if local is None:
        return x.add_(seen[..., : x.shape[2], : x.shape[3]])
    for image, ink, (row, column) in zip(x, seen, (local.corner_yx * scale).tolist(), strict=True):
        here = image[:, row : row + ink.shape[1], column : column + ink.shape[2]]
        here += ink[:, : here.shape[1], : here.shape[2]]
    return x


def _upscaled_masks(layers: nn.Sequential, keys: Tensor, hyper: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Upscale image tokens (B, n, C) and multiply with ``hyper`` (B, M, c); (B, M, 4h, 4w)."""
    norm = cast(LayerNorm2d, layers[1])
    first, second = _as_linear(layers[0]), _as_linear(layers[3])
    step = _CPU_UPSCALE_TOKENS if keys.device.type == "cpu" else keys.shape[1]
    masks = keys.new_empty(*hyper.shape[:2], keys.shape[1], 16)
    for start in range(0, keys.shape[1], step):
        tile = keys[:, start : start + step]
        x = F.linear(tile, *first).unflatten(-1, (4, -1))
        x = F.gelu(F.layer_norm(x, norm.weight.shape, norm.weight, norm.bias, norm.eps))
        x = F.gelu(F.linear(x, *second)).unflatten(-1, (4, -1)).flatten(1, 3)  # (B, pixels, c)
        masks[:, :, start : start + step] = (hyper @ x.transpose(1, 2)).unflatten(-1, (-1, 16))
    # (row, column), then twice two rows and two columns within
    nested: Tensor = masks.unflatten(2, size_hw).unflatten(-1, (2, 2, 2, 2))
    return nested.permute(0, 1, 2, 4, 6, 3, 5, 7).reshape(*hyper.shape[:2], 4 * size_hw[0], 4 * size_hw[1])


def _as_linear(layer: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of the linear layer that a 2 x 2 transposed convolution of stride 2 is: C to (2, 2, C')."""
    if not isinstance(layer, nn.ConvTranspose2d) or layer.bias is None:
        raise TypeError("the upscaling must consist of transposed convolutions with a bias")
    return layer.weight.permute(2, 3, 1, 0).flatten(0, 2), layer.bias.repeat(4)
