"""The two-way transformer at inference: see :mod:`napari_sam.model.fast_decoder`."""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from napari_sam.model.mask_decoder import MaskDecoder
from napari_sam.model.prompt_encoder import EncodedPrompts, LocalDrawing
from napari_sam.model.transformer import Attention, TwoWayAttentionBlock


class FirstLayer(NamedTuple):
    """The first layer's view of an image without a drawn prompt or mask, the same for all prompts.

    ``keys`` (1, n, C) image tokens with the dense embedding of no mask; ``k``, ``v`` for tokens looking at the image
    and ``q`` for the image looking at tokens, (1, heads, n, c).
    """

    keys: Tensor
    k: Tensor
    v: Tensor
    q: Tensor


class ImageTokens(NamedTuple):
    """An image embedding as the decoder reads it.

    ``tokens`` and ``positions`` (1, n, C) of a grid ``size_hw``; ``fine`` what the upscaling adds at strides 8 and 4,
    channels last, for decoders that use it.
    """

    tokens: Tensor
    positions: Tensor
    size_hw: tuple[int, int]
    first_layer: FirstLayer | None
    fine: tuple[Tensor, ...] = ()


class _Patch(NamedTuple):
    """The first layer's view of the few image tokens on which one prompt is drawn.

    ``where`` (p,) which they are; ``change`` (p, C) what the drawing adds to them; ``k``, ``v``, ``q`` (heads, p, c)
    as in :class:`FirstLayer`, with the drawing.
    """

    where: Tensor
    change: Tensor
    k: Tensor
    v: Tensor
    q: Tensor


def two_way(
    decoder: MaskDecoder, image: ImageTokens, prompts: EncodedPrompts, tokens: Tensor, outputs: list[int]
) -> tuple[Tensor, list[Tensor]]:
    """Let prompt tokens and image attend to each other.

    Parameters
    ----------
    decoder : MaskDecoder
    image : ImageTokens
        Without ``first_layer`` where the prompts' dense embedding is not that of no mask.
    prompts : EncodedPrompts
    tokens : Tensor, shape (B, Nt, C)
    outputs : list of int
        Tokens that are returned.

    Returns
    -------
    tokens : Tensor, shape (B, len(outputs), C)
    image : list of Tensor, shape (b, n, C)
        One after the other, B in all; on a processor one prompt each, so that it stays in the cache.
    """
    first, positions = image.first_layer, image.positions
    shared = first.keys if first is not None else image.tokens + as_tokens(prompts.dense)
    step = _together(tokens.device, len(tokens))
    keys = list(shared.expand(len(tokens), -1, -1).split(step))
    patches = [] if first is None or prompts.local is None else _patches(decoder, image, first, prompts.local)
    queries = tokens
    for i, layer in enumerate(_layers(decoder)):
        known = first if i == 0 else None
        queries = _update_queries(layer, queries, tokens, keys, positions, known, patches)
        keys = _update_keys(layer, queries, tokens, keys, positions, known, patches)
    queries = queries[:, outputs]
    transformer = decoder.transformer
    attended = _tokens_to_image(transformer.final_attn_token_to_image, queries + tokens[:, outputs], keys, positions)
    return transformer.norm_final_attn(queries + attended), keys


def _together(device: torch.device, count: int) -> int:
    """Return how many prompts' images are worked on at a time: one on a processor, whose cache it fits."""
    return 1 if device.type == "cpu" else count


def first_layer(decoder: MaskDecoder, keys: Tensor, positions: Tensor) -> FirstLayer:
    """Project image tokens (1, n, C) once for all prompts."""
    layer = _layers(decoder)[0]
    to_image, to_tokens = layer.cross_attn_token_to_image, layer.cross_attn_image_to_token
    positioned = keys + positions
    k = _heads(to_image.k_proj(positioned), to_image).contiguous()
    v = _heads(to_image.v_proj(keys), to_image).contiguous()
    q = _heads(to_tokens.q_proj(positioned), to_tokens).contiguous()
    return FirstLayer(keys, k, v, q)


def as_tokens(image: Tensor) -> Tensor:
    """Turn (B, C, h, w) into tokens (B, h * w, C)."""
    tokens: Tensor = image.float().flatten(2).transpose(1, 2)
    return tokens.contiguous()


def _patches(decoder: MaskDecoder, image: ImageTokens, first: FirstLayer, local: LocalDrawing) -> list[_Patch]:
    layer = _layers(decoder)[0]
    to_image, to_tokens = layer.cross_attn_token_to_image, layer.cross_attn_image_to_token
    index = local.tokens(image.size_hw[1])  # (B, p)
    keys = image.tokens[0][index] + local.dense
    positioned = keys + image.positions[0][index]
    change = keys - first.keys[0][index]
    k = _heads(to_image.k_proj(positioned), to_image)
    v = _heads(to_image.v_proj(keys), to_image)
    q = _heads(to_tokens.q_proj(positioned), to_tokens)
    return [_Patch(*parts) for parts in zip(index, change, k, v, q, strict=True)]


def _heads(x: Tensor, attention: Attention) -> Tensor:
    """Split (B, N, C) into heads (B, heads, N, c)."""
    split: Tensor = x.unflatten(-1, (attention.num_heads, -1))
    return split.transpose(1, 2)


def _layers(decoder: MaskDecoder) -> list[TwoWayAttentionBlock]:
    return [cast(TwoWayAttentionBlock, layer) for layer in decoder.transformer.layers]


def _update_queries(
    layer: TwoWayAttentionBlock,
    queries: Tensor,
    query_pe: Tensor,
    keys: list[Tensor],
    positions: Tensor,
    first: FirstLayer | None,
    patches: list[_Patch],
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
        attended = _tokens_to_image(attention, queries + query_pe, keys, positions)
    else:
        attended = _tokens_to_first_layer(attention, queries + query_pe, first, patches)
    queries = layer.norm2(queries + attended)
    out: Tensor = layer.norm3(queries + layer.mlp(queries))
    return out


def _tokens_to_first_layer(attention: Attention, queries: Tensor, first: FirstLayer, patches: list[_Patch]) -> Tensor:
    """Attend (B, Nt, C) to the shared image: all prompts' tokens are one long sequence."""
    batch, count = queries.shape[:2]
    q = _heads(attention.q_proj(queries.flatten(0, 1)[None]), attention)
    if not patches:
        attended = F.scaled_dot_product_attention(q, first.k, first.v)
    else:
        q = q[0].unflatten(1, (batch, count)) * q.shape[-1] ** -0.5  # (heads, B, Nt, c)
        parts = [_with_patch(q[:, i], first, patch) for i, patch in enumerate(patches)]
        attended = torch.cat(parts, dim=1)[None]
    projected: Tensor = attention.out_proj(attended.transpose(1, 2).flatten(-2))
    return projected.reshape(batch, count, -1)


def _with_patch(q: Tensor, first: FirstLayer, patch: _Patch) -> Tensor:
    """Attend (heads, Nt, c) to the shared image, some tokens of which are replaced."""
    scores = q @ first.k[0].transpose(1, 2)
    scores[..., patch.where] = q @ patch.k.transpose(1, 2)
    weights = torch.softmax(scores, dim=-1)
    return weights @ first.v[0] + weights[..., patch.where] @ (patch.v - first.v[0][:, patch.where])


def _tokens_to_image(attention: Attention, queries: Tensor, keys: list[Tensor], positions: Tensor) -> Tensor:
    """Attend (B, Nt, C) to image tokens (b, n, C), without projecting those."""
    q = _heads(attention.q_proj(queries), attention)  # (B, heads, Nt, c)
    key_weight = attention.k_proj.weight.unflatten(0, (attention.num_heads, -1))  # (heads, c, C)
    folded = (q @ key_weight).flatten(1, 2) * q.shape[-1] ** -0.5  # (B, heads * Nt, C)
    seen = []
    for part, near in zip(folded.split(len(keys[0])), keys, strict=True):
        weights = torch.softmax(part @ (near + positions).transpose(1, 2), dim=-1)
        seen.append(weights @ near)
    averaged = torch.cat(seen).unflatten(1, (attention.num_heads, -1))  # (B, heads, Nt, C)
    value_weight = attention.v_proj.weight.unflatten(0, (attention.num_heads, -1))
    values = (averaged @ value_weight.transpose(1, 2)).transpose(1, 2).flatten(-2) + attention.v_proj.bias
    projected: Tensor = attention.out_proj(values)
    return projected


def _update_keys(
    layer: TwoWayAttentionBlock,
    queries: Tensor,
    query_pe: Tensor,
    keys: list[Tensor],
    positions: Tensor,
    first: FirstLayer | None,
    patches: list[_Patch],
) -> list[Tensor]:
    """Image to tokens; (b, n, C) each."""
    attention, step = layer.cross_attn_image_to_token, len(keys[0])
    heads = attention.num_heads
    k = _heads(attention.k_proj(queries + query_pe), attention)  # (B, heads, Nt, c)
    k = k * k.shape[-1] ** -0.5
    values = _heads(attention.v_proj(queries), attention)
    output_weight = attention.out_proj.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)  # (heads, c, C)
    # Each head's weights sum to one, so each head may carry its part of the bias.
    updates = (values @ output_weight + attention.out_proj.bias / heads).flatten(1, 2)  # (B, heads * Nt, C)
    out = []
    for i, (part, update, near) in enumerate(zip(k.split(step), updates.split(step), keys, strict=True)):
        here = patches[i * step : (i + 1) * step]
        scores = _image_scores(attention, part, near, positions) if first is None else _first_scores(part, first, here)
        weights = torch.softmax(scores, dim=2).flatten(1, 2)  # (b, heads * Nt, n): over the tokens of each head
        near = torch.baddbmm(near, weights.transpose(1, 2), update)
        if first is not None:
            for image, patch in zip(near, here, strict=bool(here)):
                image[patch.where] += patch.change
        out.append(layer.norm4(near))
    return out


def _image_scores(attention: Attention, k: Tensor, keys: Tensor, positions: Tensor) -> Tensor:
    """Compare each image token with the prompt tokens ``k`` (b, heads, Nt, c); (b, heads, Nt, n)."""
    heads = attention.num_heads
    query_weight = attention.q_proj.weight.unflatten(0, (heads, -1))  # (heads, c, C)
    folded = (k @ query_weight).flatten(1, 2)  # (b, heads * Nt, C)
    offset = k @ attention.q_proj.bias.unflatten(0, (heads, -1)).unsqueeze(-1)  # (b, heads, Nt, 1)
    scores: Tensor = (folded @ (keys + positions).transpose(1, 2)).unflatten(1, (heads, -1))
    return scores.add_(offset)


def _first_scores(k: Tensor, first: FirstLayer, patches: list[_Patch]) -> Tensor:
    scores = k @ first.q.transpose(-1, -2)
    for one, own, patch in zip(scores, k, patches, strict=bool(patches)):
        one[..., patch.where] = own @ patch.q.transpose(1, 2)
    return scores
