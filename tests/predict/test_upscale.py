"""Masks of the image's size are those of the official ``Sam.postprocess_masks``."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_sam.geometry.frame import ResizeFrame
from napari_sam.predict.upscale import masks_at_image_size


def official(logits: torch.Tensor, frame: ResizeFrame) -> NDArray[np.float32]:
    square = F.interpolate(logits[None], (frame.img_size, frame.img_size), mode="bilinear", align_corners=False)
    cropped = square[..., : frame.input_hw[0], : frame.input_hw[1]]
    values = F.interpolate(cropped, frame.original_hw, mode="bilinear", align_corners=False)
    return values[0].numpy()


def blobs(seed: int, size: int, offset: float) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(2, size // 8, size // 8, generator=generator)
    return F.interpolate(coarse[None], (size, size), mode="bicubic", align_corners=False)[0] - offset


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 400), st.integers(1, 400)),
    st.sampled_from([128, 256]),
    st.integers(0, 1000),
    st.floats(-1, 2.5),
)
def test_equal_to_the_official_postprocessing(hw: tuple[int, int], img_size: int, seed: int, offset: float) -> None:
    frame = ResizeFrame(hw, img_size)
    logits = blobs(seed, img_size // 4, offset)
    expected = official(logits, frame)
    differs = masks_at_image_size(logits, frame) != (expected > 0)
    assert np.abs(expected[differs]).max(initial=0) < 1e-5  # only where rounding decides


def test_noise_and_large_images_too() -> None:
    logits = torch.randn(3, 256, 256, generator=torch.Generator().manual_seed(1))
    frame = ResizeFrame((1100, 1700))
    expected = official(logits, frame)
    differs = masks_at_image_size(logits, frame) != (expected > 0)
    assert np.abs(expected[differs]).max(initial=0) < 1e-5


@pytest.mark.parametrize("radius", [1.5, 5.0, 40.0])
@pytest.mark.parametrize("hw", [(256, 256), (200, 301), (1500, 900)])
def test_objects_from_small_to_whole(radius: float, hw: tuple[int, int]) -> None:
    y, x = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    logits = (radius - torch.hypot(y - 20, x - 25))[None]
    frame = ResizeFrame(hw, 256)
    expected = official(logits, frame)
    differs = masks_at_image_size(logits, frame) != (expected > 0)
    assert (expected > 0).any()
    assert np.abs(expected[differs]).max(initial=0) < 1e-5


@pytest.mark.parametrize("value", [-1.0, 0.0])
def test_nothing_positive_gives_an_empty_mask(value: float) -> None:
    masks = masks_at_image_size(torch.full((1, 64, 64), value), ResizeFrame((50, 60), 256))
    assert not masks.any()


def test_logits_in_the_padding_are_ignored() -> None:
    logits = torch.full((1, 64, 64), -1.0)
    logits[:, 50:] = 1.0  # the image fills the upper half only
    assert not masks_at_image_size(logits, ResizeFrame((100, 200), 256)).any()


def test_single_logit_lands_where_it_belongs() -> None:
    logits = torch.full((1, 64, 64), -0.1)
    logits[0, 20, 40] = 1.0
    rows, columns = masks_at_image_size(logits, ResizeFrame((512, 512), 256))[0].nonzero()
    assert_array_equal([rows.mean(), columns.mean()], [20.5 * 8 - 0.5, 40.5 * 8 - 0.5])
