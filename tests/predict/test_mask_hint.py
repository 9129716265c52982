"""A mask of the image's size as the decoder's low-resolution logits."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam.geometry.frame import ResizeFrame
from napari_sam.geometry.masks import PlaneMask
from napari_sam.predict.mask_hint import mask_to_logits, patch_to_logits, prompts_from_mask


def test_inside_is_positive_and_outside_and_padding_are_negative() -> None:
    frame = ResizeFrame((100, 200), 256)
    mask = np.zeros((100, 200), bool)
    mask[:50, :100] = True
    logits = mask_to_logits(mask, frame)
    assert logits.shape == (64, 64)
    assert logits.dtype == np.float32
    expected = np.zeros((64, 64), bool)
    expected[:16, :32] = True  # the image covers 32 x 64 of the logits, its upper left quarter 16 x 32
    assert np.array_equal(logits > 0, expected)
    assert np.allclose(np.abs(logits), np.log(0.999 / 0.001), rtol=1e-3)


def test_partly_covered_pixels_lie_between() -> None:
    frame = ResizeFrame((64, 64), 64)
    mask = np.zeros((64, 64), bool)
    mask[:, :2] = True  # half of the first column of 4 x 4 blocks
    logits = mask_to_logits(mask, frame)
    assert np.allclose(logits[:, 0], 0, atol=1e-6)
    assert (logits[:, 1:] < -6).all()


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 4\)"):
        mask_to_logits(np.zeros((3, 4), bool), ResizeFrame((4, 3)))


@pytest.mark.parametrize(
    ("shape", "size", "top_left", "part"),
    [
        ((100, 200), 256, (31, 57), (20, 33)),
        ((2048, 1500), 256, (700, 1400), (300, 100)),
        ((37, 211), 1024, (0, 0), (37, 211)),
        ((300, 300), 256, (280, -10), (40, 40)),
    ],
)
def test_a_part_gives_what_the_whole_gives(
    shape: tuple[int, int], size: int, top_left: tuple[int, int], part: tuple[int, int]
) -> None:
    frame = ResizeFrame(shape, size)
    patch = PlaneMask(top_left, np.random.default_rng(1).random(part) < 0.7)
    whole = mask_to_logits(patch.within(shape), frame)
    assert (whole > 0).any()
    assert np.allclose(patch_to_logits(patch, frame), whole, atol=1e-3)


def test_a_part_outside_of_the_image_is_background() -> None:
    assert (patch_to_logits(PlaneMask((50, 3), np.ones((4, 4), bool)), ResizeFrame((40, 40), 64)) < -6).all()


def test_the_prompts_of_a_mask_are_its_box_its_logits_and_a_point_inside() -> None:
    mask = np.zeros((9, 21), bool)
    mask[:, :9] = True
    mask[4] = True
    patch, frame = PlaneMask((10, 20), mask), ResizeFrame((64, 64), 64)
    prompts = prompts_from_mask(patch, frame)
    assert np.array_equal(prompts.box_yxyx, [10, 20, 18, 40])
    assert np.array_equal(prompts.points_yx, [[14, 24]])
    assert np.array_equal(prompts.mask_logits, patch_to_logits(patch, frame))
