"""Small models of every architecture."""

from __future__ import annotations

from dataclasses import replace

import torch

from napari_sam.model.config import SAM_LITE, SamConfig, TinyViTConfig, ViTConfig
from napari_sam.model.sam import Sam

SMALL_VIT = SamConfig(
    ViTConfig(embed_dim=32, depth=3, num_heads=2, global_attn_indexes=(1,), window_size=3),
    img_size=64,
    prompt_embed_dim=32,
    mask_in_chans=8,
    transformer_depth=1,
    transformer_mlp_dim=48,
    iou_head_depth=4,
    iou_head_hidden_dim=24,
)
SMALL_TINY_VIT = SamConfig(
    TinyViTConfig((8, 16, 16, 32), (1, 1, 2, 1), (2, 2, 4, 4), (7, 7, 14, 7), num_classes=5),
    prompt_embed_dim=32,
    transformer_mlp_dim=64,
    iou_head_hidden_dim=32,
)
SMALL_LITE = replace(SAM_LITE, prompt_embed_dim=32, transformer_mlp_dim=48, iou_head_hidden_dim=16)
SMALL = {"vit": SMALL_VIT, "tiny_vit": SMALL_TINY_VIT, "lite": SMALL_LITE}


def make(config: SamConfig) -> Sam:
    """Build a model with random weights everywhere, the same every time."""
    generator = torch.Generator().manual_seed(5)
    sam = Sam(config)
    with torch.no_grad():
        for tensor in sam.state_dict().values():
            if tensor.is_floating_point():
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.1)
    return sam.eval()


def same_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Compare two state dicts exactly."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
