"""What is worth a warning in a picture, and what is not."""

from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_sam.predict.diagnose import diagnose

RNG = np.random.default_rng(0)
Array = np.ndarray[Any, Any]


def camera_noise(shape: tuple[int, int] = (300, 320), level: float = 110.0, sd: float = 6.0) -> Array:
    return np.clip(RNG.normal(level, sd, shape), 0, 4095)


def with_blobs(count: int, radius: float, height: float) -> Array:
    """Bright round things on camera noise, as seen through a microscope."""
    image = camera_noise()
    seeds = np.zeros_like(image)
    seeds[tuple(RNG.integers(20, 280, (2, count)))] = 1
    return (image + height * ndimage.gaussian_filter(seeds, radius) * 2 * np.pi * radius**2).astype(np.uint16)


def kinds(image: Array, limits: tuple[float, float] | None = None) -> list[str]:
    return [finding.kind for finding in diagnose(image, limits).findings]


def full_range(image: Array) -> tuple[float, float]:
    return float(image.min()), float(image.max())


@pytest.mark.parametrize(
    "image",
    [
        with_blobs(30, 8, 900),
        with_blobs(3, 5, 3000),
        with_blobs(40, 1.2, 3500),
        with_blobs(1, 2, 60000),
        RNG.integers(0, 4000, (300, 300)).astype(np.uint16),
        (RNG.normal(128, 25, (300, 300, 3)).clip(0, 255)).astype(np.uint8),
    ],
    ids=["nuclei", "few cells", "small bright spots", "one tiny spot", "noise", "photo"],
)
def test_things_in_an_image_are_no_reason_to_warn(image: Array):
    assert kinds(image, full_range(image)) == []


def test_a_background_set_to_black_by_the_user_is_none_either():
    image = with_blobs(4, 6, 3000)
    assert (image < 500).mean() > 0.97
    assert kinds(image, (500.0, 3000.0)) == []


@pytest.mark.parametrize("count", [1, 4, 30])
def test_hot_pixels_are_found_and_can_be_put_right(count: int):
    image = with_blobs(20, 8, 900)
    before = full_range(image)
    image[tuple(RNG.integers(0, 300, (2, count)))] = 65535
    report = diagnose(image, full_range(image))
    assert [finding.kind for finding in report.findings] == ["hot pixels"]
    assert report.remedy is not None
    assert before[0] <= report.remedy[0] < report.remedy[1] <= before[1]
    assert diagnose(image, report.remedy).findings == ()


def test_a_few_hot_pixels_side_by_side_are_no_thing():
    image = with_blobs(20, 8, 900)
    image[100:102, 100:102] = 65535
    assert kinds(image, full_range(image)) == ["hot pixels"]


def test_dead_pixels_count_as_hot_ones_do():
    image = camera_noise(level=40000, sd=20).astype(np.float32) + 40000
    image[5, 7] = 0
    assert kinds(image, full_range(image)) == ["hot pixels"]


def test_a_camera_of_12_bits_shown_over_16():
    image = (with_blobs(20, 8, 900) - 60).astype(np.uint16)
    report = diagnose(image, (0.0, 65535.0))
    assert [finding.kind for finding in report.findings] == ["few greys"]
    assert report.remedy is not None


def test_a_dim_8_bit_image_that_passes_unchanged():
    image = RNG.integers(3, 12, (50, 60)).astype(np.uint8)
    assert kinds(image) == ["few greys"]
    assert diagnose(image).limits is None


@pytest.mark.parametrize(
    ("limits", "kind"), [((30000.0, 60000.0), "black"), ((0.0, 50.0), "white"), ((0.0, 65535.0), "few greys")]
)
def test_limits_beside_the_data(limits: tuple[float, float], kind: str):
    report = diagnose(with_blobs(20, 8, 900), limits)
    assert [finding.kind for finding in report.findings] == [kind]
    assert report.remedy is not None
    assert diagnose(with_blobs(20, 8, 900), report.remedy).findings == ()


@pytest.mark.parametrize("image", [np.full((20, 30), 7, np.uint16), np.full((20, 30, 3), 7, np.uint8)])
def test_a_constant_image_has_no_remedy(image: Array):
    report = diagnose(image, (0.0, 100.0) if image.ndim == 2 else None)
    assert [finding.kind for finding in report.findings] == ["one grey"]
    assert report.remedy is None
    assert report.values == (7.0, 7.0)


def test_what_is_no_number_is_counted():
    image = camera_noise().astype(np.float32)
    image[3, :5] = np.nan
    image[4, 0] = np.inf
    report = diagnose(image, (90.0, 130.0))
    assert [finding.kind for finding in report.findings] == ["not finite"]
    assert "6 pixels" in report.findings[0].text
    assert report.remedy is None


def test_one_good_colour_is_enough():
    image = np.zeros((60, 60, 3), np.uint8)
    image[..., 1] = RNG.integers(0, 255, (60, 60))
    assert kinds(image) == []


def test_texts_name_numbers():
    image = camera_noise().astype(np.uint16)
    image[9, 9] = 60000
    (finding,) = diagnose(image, full_range(image)).findings
    assert finding.text == "One single pixel stands out (hot pixels?): all the rest falls into one grey level."
