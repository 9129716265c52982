"""A model small enough for every test: sam_lite's design at a quarter of the resolution, random weights."""

import pytest
import torch

from napari_sam.model.config import EfficientNetLiteConfig, SamConfig
from napari_sam.model.sam import Sam
from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.predictor import Predictor

TINY = SamConfig(
    EfficientNetLiteConfig(),
    img_size=256,
    prompt_embed_dim=64,
    transformer_heads=4,
    transformer_mlp_dim=64,
    iou_head_hidden_dim=32,
    pixel_mean=(127.0, 127.0, 127.0),
    pixel_std=(128.0, 128.0, 128.0),
)


@pytest.fixture(scope="session")
def tiny_sam() -> Sam:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Sam(TINY).eval()


@pytest.fixture(scope="session")
def tiny_model(tiny_sam: Sam) -> LoadedModel:
    return LoadedModel(tiny_sam, "tiny", torch.device("cpu"), "fp32", "hash-of-tiny")


@pytest.fixture
def predictor(tiny_model: LoadedModel) -> Predictor:
    return Predictor(tiny_model)
