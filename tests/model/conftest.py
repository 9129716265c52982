"""The official code's outputs, and the small model that made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from napari_sam.model.config import SamConfig, ViTConfig
from napari_sam.model.sam import ImageContext, Sam

REFERENCE = Path(__file__).parent.parent / "data" / "reference"
IMAGES = ("coffee", "coins", "tall")

Reference = Mapping[str, np.ndarray]


@pytest.fixture(scope="session")
def reference() -> Reference:
    """Arrays of vit_small_predict.npz."""
    with np.load(REFERENCE / "vit_small_predict.npz") as stored:
        return dict(stored)


def small_config() -> SamConfig:
    sizes = json.loads((REFERENCE / "vit_small.json").read_text())
    encoder = ViTConfig(
        sizes["embed_dim"],
        sizes["depth"],
        sizes["num_heads"],
        tuple(sizes["global_attn_indexes"]),
        sizes["window_size"],
        sizes["patch_size"],
        sizes["mlp_ratio"],
    )
    return SamConfig(
        encoder,
        img_size=sizes["img_size"],
        prompt_embed_dim=sizes["out_chans"],
        mask_in_chans=sizes["mask_in_chans"],
        transformer_depth=sizes["transformer_depth"],
        transformer_heads=sizes["transformer_heads"],
        transformer_mlp_dim=sizes["transformer_mlp_dim"],
        iou_head_depth=sizes["iou_head_depth"],
        iou_head_hidden_dim=sizes["iou_head_hidden_dim"],
    )


@pytest.fixture(scope="session")
def small_sam() -> Sam:
    """The model behind vit_small_predict.npz. Shared: do not train it."""
    sam = Sam(small_config()).eval()
    sam.load_state_dict(load_file(REFERENCE / "vit_small.safetensors"))
    return sam


@pytest.fixture(scope="session")
def contexts(small_sam: Sam, reference: Reference) -> dict[str, ImageContext]:
    """Each reference image, encoded by us."""
    found = {}
    with torch.inference_mode():
        for name in IMAGES:
            image = torch.from_numpy(reference[f"{name}.resized"]).permute(2, 0, 1)
            found[name] = small_sam.image_context(small_sam.encode(small_sam.preprocess(image)))
    return found
