"""The architecture behind a state dict, from the names and shapes of its tensors alone.

One thing cannot be seen in tensors: the number of heads of the decoder's transformer, which is 8 in every published
model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from napari_sam.errors import CheckpointError
from napari_sam.model.config import (
    CONFIGS,
    SAM_LITE,
    SAM_VIT_B,
    EfficientNetLiteConfig,
    EncoderConfig,
    SamConfig,
    TinyViTConfig,
    ViTConfig,
)

State = Mapping[str, Tensor]
_PATCH = 16


def recognise(state: State) -> SamConfig:
    """Find the configuration of a model.

    Parameters
    ----------
    state : mapping of str to Tensor
        Official names; only shapes are looked at.

    Raises
    ------
    CheckpointError
        If a needed tensor is missing or shapes contradict each other.
    """
    encoder, img_size = recognise_encoder(state)
    # What no tensor shows (decoder heads, pixel statistics) is that of the published models.
    base = SAM_LITE if isinstance(encoder, EfficientNetLiteConfig) else SAM_VIT_B
    return replace(
        base,
        encoder=encoder,
        img_size=img_size,
        prompt_embed_dim=_shape(state, "prompt_encoder.no_mask_embed.weight")[-1],
        mask_in_chans=_shape(state, "prompt_encoder.mask_downscaling.4.weight")[0],
        transformer_depth=_count(state, "mask_decoder.transformer.layers."),
        transformer_mlp_dim=_shape(state, "mask_decoder.transformer.layers.0.mlp.lin1.weight")[0],
        iou_head_depth=_count(state, "mask_decoder.iou_prediction_head.layers."),
        iou_head_hidden_dim=_shape(state, "mask_decoder.iou_prediction_head.layers.0.weight")[0],
        num_multimask_outputs=_shape(state, "mask_decoder.mask_tokens.weight")[0] - 1,
    )


def recognise_encoder(state: State, prefix: str = "image_encoder.") -> tuple[EncoderConfig, int]:
    """Find an image encoder's configuration and the image size it was made for (in pixels)."""
    if f"{prefix}pos_embed" in state or f"{prefix}patch_embed.proj.weight" in state:
        return _recognise_vit(state, prefix)
    if f"{prefix}patch_embed.seq.0.c.weight" in state:
        return _recognise_tiny_vit(state, prefix), 1024
    if f"{prefix}stem.weight" in state and f"{prefix}lateral8.weight" in state:
        dims = (_shape(state, f"{prefix}lateral8.weight")[0], _shape(state, f"{prefix}lateral4.weight")[0])
        return EfficientNetLiteConfig(dims), SAM_LITE.img_size
    some = ", ".join(sorted(name for name in state if name.startswith(prefix))[:4]) or "none"
    raise CheckpointError(f"its image encoder is of no known kind (tensors: {some})")


def architecture_name(config: SamConfig) -> str:
    """Name an architecture: a key of ``CONFIGS``, or a description such as ``custom vit (depth 4, width 96)``.

    Only what shapes the tensors is compared, without TinyViT's unused classifier.
    """
    for name, known in CONFIGS.items():
        if _shaping(config) == _shaping(known):
            return name
    return _describe(config)


def encoder_shape(config: SamConfig) -> EncoderConfig:
    """Return what shapes the image encoder: its configuration without TinyViT's unused classifier."""
    encoder = config.encoder
    return replace(encoder, num_classes=1) if isinstance(encoder, TinyViTConfig) else encoder


def _shaping(config: SamConfig) -> tuple[object, ...]:
    return (
        encoder_shape(config),
        config.img_size,
        config.prompt_embed_dim,
        config.mask_in_chans,
        config.transformer_depth,
        config.transformer_mlp_dim,
        config.iou_head_depth,
        config.iou_head_hidden_dim,
        config.num_multimask_outputs,
    )


def _describe(config: SamConfig) -> str:
    encoder = config.encoder
    size = "" if config.img_size == 1024 else f", image {config.img_size}"
    prompt = "" if config.prompt_embed_dim in (128, 256) else f", embedding {config.prompt_embed_dim}"
    if isinstance(encoder, ViTConfig):
        return f"custom vit (depth {encoder.depth}, width {encoder.embed_dim}{size}{prompt})"
    if isinstance(encoder, TinyViTConfig):
        widths = "/".join(str(width) for width in encoder.embed_dims)
        depths = "/".join(str(depth) for depth in encoder.depths)
        return f"custom tiny vit (depths {depths}, widths {widths}{prompt})"
    return f"custom efficientnet lite (embedding {config.prompt_embed_dim})"


def _recognise_vit(state: State, prefix: str) -> tuple[ViTConfig, int]:
    width, _, patch, _ = _shape(state, f"{prefix}patch_embed.proj.weight", 4)
    grid = _shape(state, f"{prefix}pos_embed", 4)[1]
    if patch != _PATCH:
        raise CheckpointError(f"its patches are {patch} pixels wide; only {_PATCH} is supported")
    depth = _count(state, f"{prefix}blocks.")
    tables = [_shape(state, f"{prefix}blocks.{i}.attn.rel_pos_h", 2) for i in range(depth)]
    head_dim = tables[0][1]
    if head_dim == 0 or width % head_dim:
        raise CheckpointError(f"its width {width} cannot be divided into heads of {head_dim} channels")
    window, global_blocks = _windows([table[0] for table in tables], grid)
    hidden = _shape(state, f"{prefix}blocks.0.mlp.lin1.weight")[0]
    config = ViTConfig(width, depth, width // head_dim, global_blocks, window, patch, hidden / width)
    return config, grid * patch


def _windows(lengths: list[int], grid: int) -> tuple[int, tuple[int, ...]]:
    """Window size and global blocks from the lengths of the relative-position tables, 2 * side - 1 each.

    Where every table is as long as the grid needs, all blocks are global. Blocks with a window as large as the whole
    grid look the same and compute the same: the grid is then one window, without padding.
    """
    whole = 2 * grid - 1
    windowed = sorted({length for length in lengths if length != whole})
    global_blocks = tuple(i for i, length in enumerate(lengths) if length == whole)
    if not windowed:
        return ViTConfig().window_size, global_blocks
    if len(windowed) > 1 or windowed[0] % 2 == 0:
        found = ", ".join(str(length) for length in windowed)
        raise CheckpointError(
            f"its relative-position tables (lengths {found}) fit neither the grid of {grid} x {grid} (length "
            f"{whole}) nor one window size"
        )
    return (windowed[0] + 1) // 2, global_blocks


def _recognise_tiny_vit(state: State, prefix: str) -> TinyViTConfig:
    usual = TinyViTConfig()
    stages = _count(state, f"{prefix}layers.")
    dims = [_shape(state, f"{prefix}patch_embed.seq.2.c.weight")[0]]
    dims += [_shape(state, f"{prefix}layers.{i}.downsample.conv3.c.weight")[0] for i in range(stages - 1)]
    depths = [_count(state, f"{prefix}layers.{i}.blocks.") for i in range(stages)]
    biases = [_shape(state, f"{prefix}layers.{i}.blocks.0.attn.attention_biases", 2) for i in range(1, stages)]
    fc1 = _shape(state, f"{prefix}layers.1.blocks.0.mlp.fc1.weight")[0]
    expanded = _shape(state, f"{prefix}layers.0.blocks.0.conv1.c.weight")[0]
    head = state.get(f"{prefix}head.weight")
    # The first stage is convolutional: its heads and window are in no tensor and in no computation.
    return TinyViTConfig(
        embed_dims=tuple(dims),
        depths=tuple(depths),
        num_heads=(usual.num_heads[0], *(heads for heads, _ in biases)),
        window_sizes=(usual.window_sizes[0], *(math.isqrt(offsets) for _, offsets in biases)),
        mlp_ratio=fc1 / dims[1],
        mbconv_expand_ratio=expanded / dims[0],
        local_conv_size=_shape(state, f"{prefix}layers.1.blocks.0.local_conv.c.weight", 4)[-1],
        num_classes=0 if head is None else len(head),
    )


def _shape(state: State, name: str, dims: int | None = None) -> tuple[int, ...]:
    if name not in state:
        raise CheckpointError(f"a tensor is missing: {name}")
    shape = tuple(state[name].shape)
    if not shape or 0 in shape or (dims is not None and len(shape) != dims):
        raise CheckpointError(f"the tensor {name} has the shape {shape}")
    return shape


def _count(state: State, stem: str) -> int:
    """Count the layers whose tensors are named ``stem`` + number + ``.``."""
    pattern = re.compile(re.escape(stem) + r"(\d+)\.")
    numbers = sorted({int(found[1]) for name in state if (found := pattern.match(name))})
    if not numbers:
        raise CheckpointError(f"tensors are missing: there is none named {stem}0")
    if numbers != list(range(len(numbers))):
        present = ", ".join(str(number) for number in numbers)
        raise CheckpointError(f"tensors are missing: of the layers {stem}N there are only {present}")
    return len(numbers)
