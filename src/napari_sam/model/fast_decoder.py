"""The mask decoder at inference: the same numbers as :class:`MaskDecoder`, with about half of the arithmetic.

Nothing is approximated (docs/adr/0002-networks.md); sums are only taken in another order:

- What all prompts of an image share (tokens, positions, the first layer's projections) is computed once per image.
- A projection of the 4096 image tokens followed by a product with a few prompt tokens is a product with the projected
  prompt tokens: ``(x Wk) . q = x . (Wk q)``. A key's bias adds the same to all scores of a query: softmax ignores it.
- Values are averaged before they are projected, and the output projection is applied to the few prompt tokens.
- Transposed convolutions of stride 2 are matrix products on tokens; pixels are put in order only in the final masks.
- Only the masks that are asked for are computed, and the last attention only for their tokens.

All arithmetic is fp32: in bf16 0.4 % of the mask pixels flip.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.model.common import LayerNorm2d
from napari_sam.model.mask_decoder import HighResMaskDecoder, MaskDecoder
from napari_sam.model.prompt_encoder import EncodedPrompts
from napari_sam.model.transformer import Attention, TwoWayAttentionBlock

_CPU_BATCH = 4  # prompts at a time: more stream their activations through memory, fewer read all weights too often
_GPU_BATCH = 64
_CPU_UPSCALE_TOKENS = 512  # image tokens upscaled at a time, so that a tile stays in the processor's cache


class FirstLayer(NamedTuple):
    """The first layer's view of an image without a mask prompt, the same for all prompts.

    ``keys`` (1, n, C) image tokens with the no-mask embedding; ``k``, ``v`` for tokens looking at the image and ``q``
    for the image looking at tokens, (1, heads, n, c).
    """

    keys: Tensor
    k: Tensor
    v: Tensor
    q: Tensor


class ImageTokens(NamedTuple):
    """An image embedding as the decoder reads it: ``tokens`` and ``positions`` (1, n, C) of a grid ``size_hw``."""

    tokens: Tensor
    positions: Tensor
    size_hw: tuple[int, int]
    first_layer: FirstLayer | None


class ConfidentMasks(NamedTuple):
    """The masks of N prompts whose predicted IoU is above a floor.

    ``scores`` (N, M) of all masks; ``rows`` (K,) which of them, flattened, are above, ascending; ``masks``
    (K, 4h, 4w) their logits.
    """

    masks: Tensor
    rows: Tensor
    scores: Tensor


def image_tokens(decoder: MaskDecoder, embedding: Tensor, image_pe: Tensor, no_mask: Tensor | None) -> ImageTokens:
    """Prepare one image for any number of prompts.

    Parameters
    ----------
    decoder : MaskDecoder
    embedding : Tensor, shape (1, C, h, w)
    image_pe : Tensor, shape (1, C, h, w)
    no_mask : Tensor, shape (1, C, h, w), optional
        Dense embedding of prompts without a mask, where that is the same for all of them.
    """
    tokens, positions = _tokens(embedding), _tokens(image_pe)
    first = None if no_mask is None else _first_layer(decoder, tokens + _tokens(no_mask), positions)
    return ImageTokens(tokens, positions, (embedding.shape[-2], embedding.shape[-1]), first)


def decode_prompts(
    decoder: MaskDecoder, image: ImageTokens, prompts: EncodedPrompts, high_res: tuple[Tensor, ...], wanted: slice
) -> tuple[Tensor, Tensor]:
    """Decode N prompts on one image; what ``decoder(...)`` gives, for some of its outputs.

    Parameters
    ----------
    decoder : MaskDecoder
    image : ImageTokens
        Without ``first_layer`` where the prompts' dense embeddings are not the image's ``no_mask``.
    prompts : EncodedPrompts
    high_res : tuple of Tensor
        As in :meth:`MaskDecoder.forward`, of one image.
    wanted : slice
        Outputs asked for, of ``decoder.num_mask_tokens``.

    Returns
    -------
    masks : Tensor, shape (N, M, 4h, 4w)
    iou_predictions : Tensor, shape (N, M)
    """
    found = decode_confident(decoder, image, prompts, high_res, wanted, float("-inf"))
    return found.masks.unflatten(0, found.scores.shape), found.scores


def decode_confident(
    decoder: MaskDecoder,
    image: ImageTokens,
    prompts: EncodedPrompts,
    high_res: tuple[Tensor, ...],
    wanted: slice,
    iou_floor: float,
) -> ConfidentMasks:
    """Decode N prompts on one image, but only those masks whose predicted IoU is above ``iou_floor``.

    The predicted IoU comes from one token, before anything is upscaled: the upscaling, most of the arithmetic, is left
    out for prompts with no mask above the floor. Parameters are those of :func:`decode_prompts`. With a floor of -inf
    every mask is returned, one with a score of NaN too.
    """
    chosen = range(decoder.num_mask_tokens)[wanted]
    masks, scores = [], []
    for part in _batches(prompts, image.tokens.device):
        tokens = _prompt_tokens(decoder, part)
        out, keys = _two_way(decoder, image, part, tokens, [0, *(1 + i for i in chosen)])
        iou = decoder.iou_prediction_head(out[:, 0])[:, wanted]
        scores.append(iou)
        mlps = [decoder.output_hypernetworks_mlps[i] for i in chosen]
        hyper = torch.stack([mlp(out[:, 1 + i]) for i, mlp in enumerate(mlps)], dim=1)
        if iou_floor == float("-inf"):
            masks.append(_masks(decoder, keys, hyper, image.size_hw, part, high_res).flatten(0, 1))
            continue
        above = iou > iou_floor
        some = above.any(dim=1)
        if not some.all():
            keys, hyper, above, part = keys[some], hyper[some], above[some], _rows(part, some)
        if len(keys):
            masks.append(_masks(decoder, keys, hyper, image.size_hw, part, high_res)[above])
    all_scores = torch.cat(scores)
    size = [4 * side for side in image.size_hw]
    none = all_scores.new_zeros(0, *size)
    return ConfidentMasks(torch.cat(masks) if masks else none, _rows_above(all_scores, iou_floor), all_scores)


def confident(masks: Tensor, scores: Tensor, iou_floor: float) -> ConfidentMasks:
    """Choose the masks (N, M, h, w) whose score (N, M) is above ``iou_floor``; all where that is -inf."""
    above = _rows_above(scores, iou_floor)
    return ConfidentMasks(masks.flatten(0, 1)[above], above, scores)


def _rows_above(scores: Tensor, iou_floor: float) -> Tensor:
    flat = scores.flatten()
    if iou_floor == float("-inf"):
        return torch.arange(len(flat), device=flat.device)
    return (flat > iou_floor).nonzero().flatten()


def _tokens(image: Tensor) -> Tensor:
    tokens: Tensor = image.float().flatten(2).transpose(1, 2)
    return tokens.contiguous()


def _heads(x: Tensor, attention: Attention) -> Tensor:
    """Split (B, N, C) into heads (B, heads, N, c)."""
    split: Tensor = x.unflatten(-1, (attention.num_heads, -1))
    return split.transpose(1, 2)


def _layers(decoder: MaskDecoder) -> list[TwoWayAttentionBlock]:
    return [cast(TwoWayAttentionBlock, layer) for layer in decoder.transformer.layers]


def _first_layer(decoder: MaskDecoder, keys: Tensor, positions: Tensor) -> FirstLayer:
    layer = _layers(decoder)[0]
    to_image, to_tokens = layer.cross_attn_token_to_image, layer.cross_attn_image_to_token
    positioned = keys + positions
    k = _heads(to_image.k_proj(positioned), to_image).contiguous()
    v = _heads(to_image.v_proj(keys), to_image).contiguous()
    q = _heads(to_tokens.q_proj(positioned), to_tokens).contiguous()
    return FirstLayer(keys, k, v, q)


def _batches(prompts: EncodedPrompts, device: torch.device) -> Iterator[EncodedPrompts]:
    sparse, dense, drawn = prompts
    count = max(len(sparse), len(dense))
    size = _CPU_BATCH if device.type == "cpu" else _GPU_BATCH
    for start in range(0, count, size):
        part = slice(start, start + size)
        yield EncodedPrompts(
            sparse[part] if len(sparse) > 1 else sparse,
            dense[part] if len(dense) > 1 else dense,
            None if drawn is None else drawn[part],
        )


def _rows(prompts: EncodedPrompts, some: Tensor) -> EncodedPrompts:
    sparse, dense, drawn = prompts
    return EncodedPrompts(
        sparse[some] if len(sparse) > 1 else sparse,
        dense[some] if len(dense) > 1 else dense,
        None if drawn is None else drawn[some],
    )


def _prompt_tokens(decoder: MaskDecoder, prompts: EncodedPrompts) -> Tensor:
    count = max(len(prompts.sparse), len(prompts.dense))
    output = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
    return torch.cat([output.expand(count, -1, -1), prompts.sparse.expand(count, -1, -1)], dim=1)


def _two_way(
    decoder: MaskDecoder, image: ImageTokens, prompts: EncodedPrompts, tokens: Tensor, outputs: list[int]
) -> tuple[Tensor, Tensor]:
    """Tokens and image attend to each other; returns tokens ``outputs`` (B, No, C) and the image (B, n, C)."""
    transformer = decoder.transformer
    shared = image.first_layer
    keys = shared.keys if shared is not None else image.tokens + _tokens(prompts.dense)
    positioned = keys + image.positions
    queries = tokens
    for i, layer in enumerate(_layers(decoder)):
        first = shared if i == 0 else None
        queries = _update_queries(layer, queries, tokens, keys, positioned, first)
        keys = _update_keys(layer, queries, tokens, keys, positioned, first)
        positioned = keys + image.positions
    queries = queries[:, outputs]
    attended = _tokens_to_image(transformer.final_attn_token_to_image, queries + tokens[:, outputs], keys, positioned)
    return transformer.norm_final_attn(queries + attended), keys


def _update_queries(
    layer: TwoWayAttentionBlock,
    queries: Tensor,
    query_pe: Tensor,
    keys: Tensor,
    positioned: Tensor,
    first: FirstLayer | None,
) -> Tensor:
    """Tokens to tokens, tokens to image, feed-forward."""
    if layer.skip_first_layer_pe:
        queries = layer.self_attn(queries, queries, queries)
    else:
        q = queries + query_pe
        queries = queries + layer.self_attn(q, q, queries)
    queries = layer.norm1(queries)
    attention = layer.cross_attn_token_to_image
    if first is None:
        attended = _tokens_to_image(attention, queries + query_pe, keys, positioned)
    else:
        attended = _tokens_to_first_layer(attention, queries + query_pe, first)
    queries = layer.norm2(queries + attended)
    out: Tensor = layer.norm3(queries + layer.mlp(queries))
    return out


def _tokens_to_first_layer(attention: Attention, queries: Tensor, first: FirstLayer) -> Tensor:
    """Attend (B, Nt, C) to the shared image: all prompts' tokens are one long sequence."""
    batch, count = queries.shape[:2]
    q = _heads(attention.q_proj(queries.flatten(0, 1)[None]), attention)
    attended = F.scaled_dot_product_attention(q, first.k, first.v)
    projected: Tensor = attention.out_proj(attended.transpose(1, 2).flatten(-2))
    return projected.reshape(batch, count, -1)


def _tokens_to_image(attention: Attention, queries: Tensor, keys: Tensor, positioned: Tensor) -> Tensor:
    """Attend (B, Nt, C) to image tokens (B, n, C), without projecting those."""
    q = _heads(attention.q_proj(queries), attention)  # (B, heads, Nt, c)
    key_weight = attention.k_proj.weight.unflatten(0, (attention.num_heads, -1))  # (heads, c, C)
    folded = (q @ key_weight).flatten(1, 2) * q.shape[-1] ** -0.5  # (B, heads * Nt, C)
    weights = torch.softmax(folded @ positioned.transpose(1, 2), dim=-1)
    seen = (weights @ keys).unflatten(1, (attention.num_heads, -1))  # (B, heads, Nt, C)
    value_weight = attention.v_proj.weight.unflatten(0, (attention.num_heads, -1))
    values = (seen @ value_weight.transpose(1, 2)).transpose(1, 2).flatten(-2) + attention.v_proj.bias
    projected: Tensor = attention.out_proj(values)
    return projected


def _update_keys(
    layer: TwoWayAttentionBlock,
    queries: Tensor,
    query_pe: Tensor,
    keys: Tensor,
    positioned: Tensor,
    first: FirstLayer | None,
) -> Tensor:
    """Image to tokens; (B, n, C)."""
    attention = layer.cross_attn_image_to_token
    heads = attention.num_heads
    k = _heads(attention.k_proj(queries + query_pe), attention)  # (B, heads, Nt, c)
    k = k * k.shape[-1] ** -0.5
    if first is None:
        query_weight = attention.q_proj.weight.unflatten(0, (heads, -1))  # (heads, c, C)
        folded = (k @ query_weight).flatten(1, 2)  # (B, heads * Nt, C)
        offset = k @ attention.q_proj.bias.unflatten(0, (heads, -1)).unsqueeze(-1)  # (B, heads, Nt, 1)
        scores = (folded @ positioned.transpose(1, 2)).unflatten(1, (heads, -1)) + offset
    else:
        scores = k @ first.q.transpose(-1, -2)
    weights = torch.softmax(scores, dim=2).flatten(1, 2)  # (B, heads * Nt, n): over the tokens of each head
    values = _heads(attention.v_proj(queries), attention)
    output_weight = attention.out_proj.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)  # (heads, c, C)
    # Each head's weights sum to one, so each head may carry its part of the bias.
    update = (values @ output_weight + attention.out_proj.bias / heads).flatten(1, 2)  # (B, heads * Nt, C)
    base = keys.expand(len(update), -1, -1)
    out: Tensor = layer.norm4(torch.baddbmm(base, weights.transpose(1, 2), update))
    return out


def _masks(
    decoder: MaskDecoder,
    keys: Tensor,
    hyper: Tensor,
    size_hw: tuple[int, int],
    prompts: EncodedPrompts,
    high_res: tuple[Tensor, ...],
) -> Tensor:
    if isinstance(decoder, HighResMaskDecoder):
        # Channels-last in memory, without a copy.
        grid = keys.transpose(1, 2).unflatten(-1, size_hw)
        upscaled = decoder.upscale(grid, prompts.drawn, high_res)
        pixels = upscaled.permute(0, 2, 3, 1).flatten(1, 2)
        masks: Tensor = (hyper @ pixels.transpose(1, 2)).unflatten(-1, upscaled.shape[-2:])
        return masks
    return _upscaled_masks(decoder.output_upscaling, keys, hyper, size_hw)


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
