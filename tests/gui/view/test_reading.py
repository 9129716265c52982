"""Windows are read where they lie, at the zoom asked for, from the level that is fine enough, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.geometry.window import Window
from napari_sam.gui.view.planes import Plane
from napari_sam.gui.view.reading import PlaneReader


class Counting:
    """An array that remembers how many pixels were read from it."""

    def __init__(self, data: np.ndarray[Any, Any]) -> None:
        self.data = data
        self.shape, self.dtype, self.ndim = data.shape, data.dtype, data.ndim
        self.pixels = 0

    def __getitem__(self, key: Any) -> Any:
        part = self.data[key]
        self.pixels += part.size
        return part


def ramp(height: int, width: int) -> np.ndarray[Any, Any]:
    """Return an image whose value says where it is."""
    return (np.arange(height)[:, None] * 1000 + np.arange(width)).astype(np.float32)


def plane_of(data: Any) -> Plane:
    return Plane((0, 1), (), data.shape[:2])


def test_a_window_at_full_resolution_is_that_part_of_the_data():
    data = ramp(50, 60).astype(np.uint16)
    reading = PlaneReader([data], plane_of(data)).window(Window(10, 20, 15, 25))
    np.testing.assert_array_equal(reading.pixels, data[10:25, 20:45])
    assert reading.window == Window(10, 20, 15, 25)
    assert reading.pixels.dtype == np.uint16


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32])
def test_farther_away_pixels_are_means(dtype: Any):
    data = np.random.default_rng(0).integers(0, 200, (64, 64)).astype(dtype)
    reading = PlaneReader([data], plane_of(data)).window(Window(8, 16, 32, 40, step=4))
    expected = data[8:40, 16:56].reshape(8, 4, 10, 4).mean(axis=(1, 3))
    np.testing.assert_allclose(reading.pixels, expected, atol=0.51 if np.issubdtype(dtype, np.integer) else 1e-3)
    assert reading.pixels.dtype == dtype


def test_colour_and_bool():
    colour = np.random.default_rng(0).integers(0, 255, (40, 40, 3)).astype(np.uint8)
    reading = PlaneReader([colour], plane_of(colour)).window(Window(0, 0, 40, 40, step=4))
    assert reading.pixels.shape == (10, 10, 3)
    mask = np.eye(40, dtype=bool)
    assert PlaneReader([mask], plane_of(mask)).window(Window(0, 0, 40, 40, step=4)).pixels[0, 0] == pytest.approx(0.25)


@given(st.integers(100, 400), st.integers(100, 400), st.sampled_from([2, 3, 4, 8]), st.data())
@settings(deadline=None, max_examples=60)
def test_a_window_says_what_it_covers(height: int, width: int, step: int, data: st.DataObject):
    """Whatever level is read: the mean place of a pixel's content is where the window says the pixel lies."""
    rounding = data.draw(st.sampled_from(["down", "up"]))
    full = ramp(height, width)
    levels = [full]
    for factor in data.draw(st.sampled_from([(), (2, 4), (3,), (8,)])):
        pad = [(0, -length % factor) for length in full.shape] if rounding == "up" else [(0, 0)] * 2
        grown = np.pad(full, pad, mode="edge")
        rows, columns = (length // factor for length in grown.shape)
        blocks = grown[: rows * factor, : columns * factor].reshape(rows, factor, columns, factor)
        levels.append(blocks.mean(axis=(1, 3)))
    top, left = data.draw(st.integers(0, height - 60)), data.draw(st.integers(0, width - 60))
    window = Window(top, left, data.draw(st.integers(40, height - top)), data.draw(st.integers(40, width - left)), step)
    reading = PlaneReader(levels, plane_of(full)).window(window)
    covered = reading.window
    assert 1 <= covered.step <= step
    assert covered.top <= top < covered.top + covered.step
    assert covered.left <= left < covered.left + covered.step
    assert abs(covered.bottom - window.bottom) < 8
    assert abs(covered.right - window.right) < 8
    assert reading.pixels.shape == (covered.height // covered.step, covered.width // covered.step)
    middle = (covered.step - 1) / 2
    inner = reading.pixels[:-3, :-3]
    rows = covered.top + np.arange(inner.shape[0]) * covered.step + middle
    columns = covered.left + np.arange(inner.shape[1]) * covered.step + middle
    np.testing.assert_allclose(inner, rows[:, None] * 1000 + columns, rtol=1e-5, atol=0.1)


def test_the_coarsest_level_that_is_fine_enough_is_read():
    full = Counting(np.zeros((4001, 4001), np.uint8))
    half, eighth = Counting(np.zeros((2000, 2000), np.uint8)), Counting(np.zeros((501, 501), np.uint8))
    reader = PlaneReader([full, half, eighth], plane_of(full))
    assert reader.window(Window(0, 0, 4001, 4001, step=3)).window.step == 2
    assert (full.pixels, eighth.pixels) == (0, 0)
    reader.window(Window(0, 0, 4001, 4001, step=8))
    assert eighth.pixels == 501 * 501
    assert full.pixels == 0
    reader.window(Window(100, 100, 50, 50, step=1))
    assert full.pixels == 2500


def test_levels_that_do_not_fit_are_not_used():
    full, odd = Counting(np.zeros((400, 400), np.uint8)), Counting(np.zeros((200, 150), np.uint8))
    PlaneReader([full, odd], plane_of(full)).window(Window(0, 0, 400, 400, step=4))
    assert odd.pixels == 0


def test_slices_of_coarser_levels_are_those_napari_shows():
    full = np.zeros((6, 64, 64), np.uint8)
    coarse = np.zeros((3, 16, 16), np.uint8)
    coarse[2] = 7
    reader = PlaneReader([full, coarse], Plane((1, 2), (5,), (64, 64)))
    assert (reader.window(Window(0, 0, 64, 64, step=4)).pixels == 7).all()


def test_only_the_chunks_under_the_window_are_read():
    store = zarr.storage.MemoryStore()
    data = zarr.create_array(store, shape=(5, 4000, 4000), chunks=(1, 500, 500), dtype=np.uint8, fill_value=3)
    data[2] = 1
    read: list[str] = []
    get = store.get

    async def counting(key: str, *arguments: Any, **options: Any) -> Any:
        read.append(key)
        return await get(key, *arguments, **options)

    store.get = counting  # type: ignore[method-assign]
    reading = PlaneReader([data], Plane((1, 2), (2,), (4000, 4000))).window(Window(1000, 1500, 1000, 1000))
    assert (reading.pixels == 1).all()
    chunks = {key for key in read if key.startswith("c/")}
    assert chunks == {f"c/2/{row}/{column}" for row in (2, 3) for column in (3, 4)}
