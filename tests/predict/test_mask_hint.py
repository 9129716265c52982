"""A mask of the image's size as the decoder's low-resolution logits."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam.geometry.frame import ResizeFrame
from napari_sam.predict.mask_hint import mask_to_logits


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
