"""A tiny model and a tiny data folder: bright disks on a dark, noisy ground."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from napari_sam.model.config import EfficientNetLiteConfig, SamConfig
from napari_sam.model.sam import Sam

TINY = SamConfig(
    EfficientNetLiteConfig((16, 8)),
    img_size=128,
    prompt_embed_dim=32,
    transformer_mlp_dim=32,
    iou_head_hidden_dim=32,
    transformer_heads=4,
    pixel_mean=(127.0,) * 3,
    pixel_std=(128.0,) * 3,
    stretch_percentiles=(0.5, 99.5),
)


@pytest.fixture
def tiny_sam():
    torch.manual_seed(0)
    return Sam(TINY)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    (folder / "disks").mkdir()
    names = [f"image{i}" for i in range(4)]
    for name in names:
        rows, columns = np.mgrid[:96, :128]
        labels = np.zeros((96, 128), np.uint16)
        for i, (row, column) in enumerate([(25, 30), (60, 90), (70, 30)]):
            labels[(rows - row) ** 2 + (columns - column) ** 2 < rng.integers(10, 18) ** 2] = i + 1
        image = np.clip(40 + 100 * (labels > 0) + rng.normal(0, 8, labels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / "disks" / f"{name}_img.png")
        Image.fromarray(labels).save(folder / "disks" / f"{name}_lab.png")
    (folder / "splits.json").write_text(json.dumps({"disks": {"train": names[:3], "val": names[3:]}}))
    return folder
