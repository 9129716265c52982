"""From any image to the 8-bit RGB picture the model sees."""

import tracemalloc
from typing import Any

import dask.array as da
import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_array_equal
from PIL import Image

from napari_sam.errors import ImageError
from napari_sam.predict import preprocess as module
from napari_sam.predict.preprocess import resized_rgb, to_uint8_rgb

RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
REAL_DTYPES = ["?", "u1", "i1", "<u2", ">u2", "<i4", ">i8", "u8", "f2", "<f4", ">f8", np.longdouble]


class TestUnsignedBytes:
    def test_grey_is_repeated_unchanged(self) -> None:
        rgb, record = to_uint8_rgb(RAMP)
        assert_array_equal(rgb, np.stack([RAMP] * 3, axis=-1))
        assert (record.source, record.limits, record.channels, record.notes) == ("unchanged", (), (), ())

    def test_colour_passes_unchanged(self) -> None:
        image = np.random.default_rng(0).integers(0, 255, (6, 7, 3), np.uint8)
        rgb, record = to_uint8_rgb(image)
        assert_array_equal(rgb, image)
        assert record.channels == (0, 1, 2)

    def test_alpha_is_dropped_and_noted(self) -> None:
        image = np.random.default_rng(0).integers(0, 255, (6, 7, 4), np.uint8)
        rgb, record = to_uint8_rgb(image)
        assert_array_equal(rgb, image[..., :3])
        assert any("alpha" in note for note in record.notes)

    def test_limits_apply_to_bytes_too(self) -> None:
        rgb, record = to_uint8_rgb(RAMP, limits=(100, 151))
        assert_array_equal(rgb[..., 0].ravel()[[0, 100, 101, 151, 255]], [0, 0, 5, 255, 255])
        assert (record.limits, record.source) == (((100.0, 151.0),), "given")


class TestDtypes:
    @pytest.mark.parametrize("dtype", REAL_DTYPES)
    def test_limits_mean_the_same_for_every_dtype(self, dtype: Any) -> None:
        values = (np.arange(64).reshape(8, 8) % 2).astype(dtype)
        rgb, _ = to_uint8_rgb(values, limits=(0, 1))
        assert_array_equal(rgb[..., 1], np.where(values.astype(bool), 255, 0))

    @pytest.mark.parametrize("dtype", REAL_DTYPES[1:])
    def test_percentiles_use_the_whole_range(self, dtype: Any) -> None:
        values = np.arange(128).reshape(8, 16).astype(dtype)
        expected = values.astype(np.uint8) if dtype == "u1" else np.rint(np.linspace(0, 255, 128)).reshape(8, 16)
        assert np.abs(to_uint8_rgb(values)[0][..., 0].astype(int) - expected).max() <= 1

    def test_bool_is_black_and_white(self) -> None:
        rgb, record = to_uint8_rgb(RAMP > 250)
        assert_array_equal(rgb[..., 2], np.where(RAMP > 250, 255, 0))
        assert record.source == "range"

    @pytest.mark.parametrize("low", [-3e38, -1.7e308, 0.0, 1e-310])
    def test_extreme_values_neither_overflow_nor_warn(self, low: float) -> None:
        image = np.array([[low, 0.0], [3e38, 1.7e308]])
        assert to_uint8_rgb(image)[0].max() == 255

    @given(
        hnp.arrays(
            st.sampled_from([np.int16, np.uint32, np.float16, np.float32, np.float64]),
            st.tuples(st.integers(1, 6), st.integers(1, 6)),
        )
    )
    def test_any_array_is_either_shown_or_refused(self, image: np.ndarray) -> None:
        before = image.copy()
        try:
            rgb, record = to_uint8_rgb(image)
        except ImageError:
            assert not np.isfinite(image).any()
        else:
            assert rgb.shape == (*image.shape, 3)
            assert rgb.dtype == np.uint8
            assert all(low < high for low, high in record.limits)
        assert_array_equal(image, before)

    @given(hnp.arrays(np.float64, (5, 5), elements=st.floats(-1e6, 1e6)))
    def test_brighter_stays_brighter(self, image: np.ndarray) -> None:
        shown = to_uint8_rgb(image)[0][..., 0].ravel()
        assert (np.diff(shown[np.argsort(image.ravel(), kind="stable")].astype(int)) >= 0).all()


class TestLimits:
    def test_a_hot_pixel_does_not_darken_the_image(self) -> None:
        image = np.random.default_rng(0).normal(1000, 100, (200, 200)).astype(np.uint16)
        image[3, 4] = 65_535
        _, record = to_uint8_rgb(image)
        assert record.source == "percentiles"
        assert record.limits[0][1] < 1500

    def test_small_bright_objects_are_not_lost(self) -> None:
        image = np.zeros((200, 200), np.float32)
        image[5:7, 5:8] = 3.0  # fewer pixels than the percentiles cut off
        rgb, record = to_uint8_rgb(image)
        assert (record.limits, record.source) == (((0.0, 3.0),), "range")
        assert rgb[5, 5, 0] == 255

    def test_colours_share_limits(self) -> None:
        image = np.zeros((20, 20, 3), np.uint16)
        image[..., 0], image[..., 1] = np.arange(20) * 100, np.arange(20) * 50
        rgb, record = to_uint8_rgb(image)
        assert len(record.limits) == 1
        assert abs(int(rgb[0, 19, 0]) - 2 * int(rgb[0, 19, 1])) <= 1  # twice as red as green stays so

    def test_chosen_channels_have_their_own(self) -> None:
        image = np.zeros((20, 20, 3), np.uint16)
        image[..., 0], image[..., 2] = np.arange(20) * 100, np.arange(20) * 3
        rgb, record = to_uint8_rgb(image, channels=(2, 0))
        assert len(record.limits) == 2
        assert_array_equal(rgb[0, 19], [255, 255, 0])

    def test_one_pair_per_channel(self) -> None:
        image = np.full((4, 4, 2), 50, np.uint16)
        rgb, _ = to_uint8_rgb(image, limits=[(0, 100), (0, 50)])
        assert_array_equal(rgb[0, 0], [128, 255, 0])

    @pytest.mark.parametrize(
        "limits", [(1, 1), (2, 1), (0, np.nan), (0, np.inf), 5, "ab", [(0, 1)] * 2, (1, 2, 3), [(0, 1), (2,)]]
    )
    def test_impossible_limits_are_refused(self, limits: Any) -> None:
        with pytest.raises(ImageError, match="limits must be"):
            to_uint8_rgb(RAMP, limits=limits)

    def test_large_images_are_sampled(self, monkeypatch: pytest.MonkeyPatch) -> None:
        image = np.random.default_rng(0).normal(0, 1, (400, 500))
        exact = to_uint8_rgb(image)[1].limits[0]
        monkeypatch.setattr(module, "_SAMPLE_PIXELS", 20_000)
        assert np.allclose(to_uint8_rgb(image)[1].limits[0], exact, atol=0.5)

    def test_a_lone_finite_pixel_outside_the_sample_counts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_SAMPLE_PIXELS", 100)
        image = np.full((50, 50), np.nan)
        image[1, 1] = 5.0
        assert to_uint8_rgb(image)[0].max() == 0


class TestNotFinite:
    def test_replaced_and_noted(self) -> None:
        image = RAMP.astype(np.float32)
        image[0, :3] = np.nan, np.inf, -np.inf
        rgb, record = to_uint8_rgb(image, limits=(0, 255))
        assert_array_equal(rgb[0, :4, 0], [0, 255, 0, 3])
        assert any("3 NaN or infinite" in note for note in record.notes)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("limits", [None, (0, 1)])
    def test_nothing_finite_is_refused(self, value: float, limits: Any) -> None:
        with pytest.raises(ImageError, match="no finite value"):
            to_uint8_rgb(np.full((4, 4), value), limits=limits)

    def test_one_dead_channel_is_shown_black(self) -> None:
        image = np.random.default_rng(0).random((8, 8, 2))
        image[..., 1] = np.nan
        rgb, record = to_uint8_rgb(image)
        assert rgb[..., 1].max() == 0
        assert any("no finite value" in note for note in record.notes)


class TestAxes:
    @pytest.mark.parametrize(
        ("image", "message"),
        [
            (np.zeros((0, 5)), "empty"),
            (np.zeros((5, 5, 0)), "empty"),
            (np.zeros(5), "must have shape"),
            (np.zeros((2, 3, 4, 5)), "one plane at a time"),
            (np.float32(3), "must have shape"),
            (np.zeros((3, 64, 80), np.uint8), "channels first.*moveaxis"),
            (np.zeros((1, 64, 80), np.uint8), "channels first"),
            (np.zeros((30, 64, 80), np.uint8), "one plane at a time"),
            (np.zeros((4, 4), complex), "complex"),
            (np.zeros((4, 4), object), "dtype object"),
            (np.array([["a", "b"]]), "dtype <U1"),
            (np.zeros((4, 4), "M8[s]"), "dtype datetime64"),
        ],
    )
    def test_what_is_no_image_is_refused_with_advice(self, image: np.ndarray, message: str) -> None:
        with pytest.raises(ImageError, match=message):
            to_uint8_rgb(image)

    @pytest.mark.parametrize(
        ("count", "channels", "shown"),
        [
            (1, None, (0,)),
            (2, None, (0, 1)),
            (3, None, (0, 1, 2)),
            (5, None, (0, 1, 2)),
            (5, 3, (3,)),
            (5, -1, (4,)),
            (5, (4, 1), (4, 1)),
            (40, (39, 0, 7), (39, 0, 7)),
        ],
    )
    def test_channel_choice(self, count: int, channels: Any, shown: tuple[int, ...]) -> None:
        image = np.arange(64 * 64 * count, dtype=np.uint8).reshape(64, 64, count)
        rgb, record = to_uint8_rgb(image, channels=channels)
        assert record.channels == shown
        bands = [image[..., c] for c in shown]
        expected = bands * 3 if len(bands) == 1 else [*bands, np.zeros_like(bands[0])][:3]
        assert_array_equal(rgb, np.stack(expected, axis=-1))

    @pytest.mark.parametrize("channels", [5, -6, (0, 9), (), (0, 1, 2, 3), 1.5, "red"])
    def test_impossible_channels_are_refused(self, channels: Any) -> None:
        with pytest.raises(ImageError, match="channels"):
            to_uint8_rgb(np.zeros((8, 8, 5), np.uint8), channels=channels)

    def test_a_grey_image_has_no_channels_to_choose(self) -> None:
        with pytest.raises(ImageError, match="no channels"):
            to_uint8_rgb(RAMP, channels=1)

    @pytest.mark.parametrize("value", [0, 7, 255])
    @pytest.mark.parametrize("dtype", [np.uint16, np.float64])
    def test_a_constant_image_is_black_and_noted(self, value: int, dtype: type) -> None:
        rgb, record = to_uint8_rgb(np.full((5, 5), value, dtype))
        assert rgb.max() == 0
        assert any("constant" in note for note in record.notes)


class TestLazy:
    def test_a_lazy_plane_is_read_once(self) -> None:
        reads = []

        def read(block: np.ndarray) -> np.ndarray:
            reads.append(block.shape)
            return block

        lazy = da.from_array(RAMP, chunks=(16, 16)).map_blocks(read, dtype=np.uint8, meta=np.empty((0, 0), np.uint8))
        assert_array_equal(to_uint8_rgb(lazy)[0][..., 0], RAMP)
        assert reads == [(16, 16)]

    def test_zarr(self) -> None:
        assert_array_equal(to_uint8_rgb(zarr.array(RAMP))[0][..., 0], RAMP)

    def test_a_lazy_stack_is_refused_unread(self) -> None:
        lazy = da.zeros((5, 10**6, 10**6, 10**6), dtype=np.uint8, chunks=10**6)
        with pytest.raises(ImageError, match="one plane at a time"):
            to_uint8_rgb(lazy)

    def test_tensors_and_pictures(self) -> None:
        for image in (torch.from_numpy(RAMP), Image.fromarray(RAMP)):
            assert_array_equal(to_uint8_rgb(image)[0][..., 0], RAMP)

    @pytest.mark.parametrize("image", [[[1, 2], [3]], torch.ones(3, 3, requires_grad=True), None, "image.png"])
    def test_what_is_no_array(self, image: Any) -> None:
        with pytest.raises(ImageError):
            to_uint8_rgb(image)

    def test_nested_lists(self) -> None:
        assert to_uint8_rgb([[0, 1], [2, 3]])[0].shape == (2, 2, 3)


def official_resize(image: np.ndarray, size: int) -> np.ndarray:
    """``ResizeLongestSide.apply_image``."""
    height, width = image.shape[:2]
    scale = size * 1.0 / max(height, width)
    new = int(width * scale + 0.5), int(height * scale + 0.5)
    return np.array(Image.fromarray(image).resize(new, Image.Resampling.BILINEAR))


class TestResize:
    @pytest.mark.parametrize("shape", [(180, 240), (400, 200), (64, 64), (1, 50), (300, 301), (33, 1024)])
    def test_bit_equal_to_the_official_resize(self, shape: tuple[int, int]) -> None:
        image = np.random.default_rng(0).integers(0, 255, (*shape, 3), np.uint8)
        expected = official_resize(image, 256)
        assert_array_equal(resized_rgb(image, 256)[0], expected)
        grey = np.ascontiguousarray(image[..., 1])
        assert_array_equal(resized_rgb(grey, 256)[0], official_resize(np.stack([grey] * 3, -1), 256))

    def test_views_of_any_stride(self) -> None:
        image = np.random.default_rng(0).integers(0, 255, (80, 120, 3), np.uint8)
        view = image[::-2, ::3, ::-1]
        assert_array_equal(resized_rgb(view, 64)[0], official_resize(np.ascontiguousarray(view), 64))

    @settings(deadline=None, max_examples=30)
    @given(st.integers(1, 200), st.integers(1, 200), st.sampled_from([64, 256]))
    def test_every_size_fits_the_frame(self, height: int, width: int, size: int) -> None:
        rgb, frame, _ = resized_rgb(np.zeros((height, width), np.uint8), size)
        assert rgb.shape == (*frame.input_hw, 3)

    @pytest.mark.parametrize("shape", [(10, 20_000), (20_000, 10), (2, 20_000)])
    def test_slivers_work_and_say_what_is_lost(self, shape: tuple[int, int]) -> None:
        rgb, frame, record = resized_rgb(np.zeros(shape, np.uint8), 1024)
        assert max(rgb.shape) == 1024
        assert min(frame.input_hw) == 1
        assert any("short side is only 1 px" in note for note in record.notes)

    def test_small_images_are_not_slivers(self) -> None:
        assert resized_rgb(np.zeros((3, 3), np.uint8), 1024)[2].notes == ()

    @pytest.mark.parametrize("dtype", [np.uint16, np.float32])
    def test_large_images_need_little_more_memory(self, dtype: type) -> None:
        image = np.zeros((4000, 20_000), dtype)
        image[::7] = 1000
        tracemalloc.start()
        try:
            resized_rgb(image, 1024)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 2.5 * image.size  # bytes: one 8-bit band and the percentiles' sample, no float copy
