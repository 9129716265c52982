"""A checkpoint that loads and computes in milliseconds: real architecture, quarter size, random weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_sam.model.config import SAM_LITE
from napari_sam.model.sam import Sam
from napari_sam.zoo.checkpoints import save_checkpoint

SIDE = 256


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "tiny.safetensors"
    config = replace(
        SAM_LITE,
        img_size=SIDE,
        prompt_embed_dim=64,
        transformer_mlp_dim=64,
        transformer_heads=4,
        iou_head_hidden_dim=32,
    )
    with torch.random.fork_rng():
        torch.manual_seed(4)  # one whose masks are neither empty nor full
        save_checkpoint(Sam(config).eval(), path)
    return path
