from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam.automatic import contrast
from napari_sam.automatic.contrast import plane_limits
from napari_sam.automatic.job import ModelConfig
from napari_sam.errors import ImageError
from napari_sam.io.array_source import array_source
from napari_sam.predict.preprocess import to_uint8_rgb
from tests.automatic.test_plane import CountingArray


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planes are large from 64 x 64 pixels on, windows and parts small."""
    monkeypatch.setattr(contrast, "_WHOLE_PIXELS", 64 * 64)
    monkeypatch.setattr(contrast, "_WINDOW_SIDE", 8)
    monkeypatch.setattr(contrast, "_PART_SIDE", 50)


def limits(array: Any, **model: Any) -> Any:
    return plane_limits(array_source(array), (), ModelConfig(**model))


@pytest.mark.parametrize("shape", [(60, 60), (60, 60, 3)])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.bool_])
def test_a_small_plane_has_the_limits_it_has_without_tiles(shape: tuple[int, ...], dtype: Any) -> None:
    image = (np.random.default_rng(0).gamma(2, 300, shape) * (1 if dtype != np.bool_ else 0)).astype(dtype)
    assert limits(image) == to_uint8_rgb(image)[1].limits


def test_given_limits_and_8_bit_images_need_no_reading() -> None:
    source = CountingArray(np.zeros((50, 50), np.uint16))
    assert limits(source, limits="3,9") == ((3.0, 9.0),)
    assert limits(CountingArray(np.zeros((50, 50), np.uint8))) is None
    assert source.read == []


def test_a_large_plane_is_sampled(sampled: None) -> None:
    rng = np.random.default_rng(1)
    image = rng.normal(5000, 500, (900, 1200)).astype(np.uint16)
    source = CountingArray(image)
    ((low, high),) = limits(source)
    ((low_all, high_all),) = to_uint8_rgb(image)[1].limits
    assert source.read == [(8, 8)] * 256
    assert low == pytest.approx(low_all, abs=100)
    assert high == pytest.approx(high_all, abs=100)
    assert limits(CountingArray(image)) == ((low, high),)


def test_a_long_strip_is_sampled(sampled: None) -> None:
    image = np.random.default_rng(1).normal(5000, 500, (3, 4000)).astype(np.uint16)
    ((low, high),) = limits(image)
    assert 3000 < low < high < 7000


def test_a_few_bright_things_on_nothing(sampled: None) -> None:
    """The windows miss them: everything is read once, in parts."""
    image = np.zeros((300, 400), np.float32)
    image[29:31, 36:38] = 70
    source = CountingArray(image)
    assert limits(source) == ((0.0, 70.0),)
    assert max(source.read[256:]) <= (50, 50)
    assert len(source.read) == 256 + 6 * 8


def test_channels_are_sampled_each_for_itself(sampled: None) -> None:
    image = np.zeros((300, 400, 2), np.float32)
    image[..., 0] = np.random.default_rng(1).normal(100, 10, (300, 400))
    image[29:31, 36:38, 1] = 70
    (first, second) = limits(image)
    assert second == (0.0, 70.0)
    assert first == pytest.approx((69, 131), abs=10)
    assert limits(image, channels="1") == ((0.0, 70.0),)


def test_a_plane_that_is_mostly_not_recorded(sampled: None) -> None:
    image = np.full((300, 400), np.nan, np.float32)
    image[30, 36:38] = 3, 70
    assert limits(image) == ((3.0, 70.0),)
    image[:] = np.nan
    with pytest.raises(ImageError, match="no finite value"):
        limits(image)
