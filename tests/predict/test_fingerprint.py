"""Fingerprints: equal for equal images, different for different ones, and cheap for lazy ones."""

from typing import Any

import dask.array as da
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_sam.predict import fingerprint as module
from napari_sam.predict.fingerprint import fingerprint

images = hnp.arrays(
    st.sampled_from([np.uint8, np.uint16, np.float32, np.bool_]), hnp.array_shapes(min_dims=2, max_dims=3, max_side=8)
)


@given(images)
def test_a_copy_has_the_same(image: np.ndarray) -> None:
    assert fingerprint(image) == fingerprint(image.copy(order="F"))


@given(images, st.data())
def test_one_changed_value_changes_it(image: np.ndarray, data: st.DataObject) -> None:
    changed = image.copy()
    position = data.draw(st.integers(0, image.size - 1))
    changed.flat[position] = not changed.flat[position]
    assert fingerprint(image) != fingerprint(changed)


def test_shape_and_dtype_count() -> None:
    zeros = np.zeros((4, 6), np.uint16)
    others = [zeros, zeros.T, zeros.astype(">u2"), zeros.astype(np.int16), zeros[None]]
    assert len({fingerprint(image) for image in others}) == len(others)


def test_lists_are_images_too() -> None:
    assert fingerprint([[1, 2], [3, 4]]) == fingerprint(np.array([[1, 2], [3, 4]]))


@pytest.mark.parametrize("shape", [(1000, 100), (3, 1000, 100), (1, 300_000)])
def test_large_arrays_are_sampled(monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...]) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 1 << 10)
    image = np.zeros(shape, np.uint8)
    read = sum(block.nbytes for block in module._rows(image, 20_000))
    assert 10_000 <= read <= 20_000 + len(shape) * (1 << 10)
    changed = image.copy()
    changed[0] = 1
    assert fingerprint(changed) != fingerprint(image)


class Recording:
    """A lazy array that remembers how much of it was read."""

    def __init__(self, data: np.ndarray, chunks: Any = None) -> None:
        self.data, self.shape, self.dtype, self.read = data, data.shape, data.dtype, 0
        if chunks is not None:
            self.chunks = chunks

    def __getitem__(self, index: Any) -> np.ndarray:
        part = self.data[index]
        self.read += part.size
        return part


@pytest.mark.parametrize("chunks", [None, (1, 256, 256), ((1,) * 30, (500, 500), (1000,))])
def test_of_a_lazy_stack_little_is_read(chunks: Any) -> None:
    stack = Recording(np.random.default_rng(0).integers(0, 255, (30, 1000, 1000), np.uint8), chunks)
    fingerprint(stack)
    assert 0 < stack.read <= 9 * 64 * 64


def test_lazy_arrays_of_equal_content_and_chunks_agree() -> None:
    data = np.random.default_rng(0).integers(0, 255, (4, 200, 300), np.uint8)
    lazy = [da.from_array(data, chunks=(1, 100, 100)), zarr.array(data, chunks=(1, 100, 100))]
    assert fingerprint(lazy[0]) == fingerprint(lazy[1])
    changed = data.copy()
    changed[0, :64, :64] += 1
    assert fingerprint(da.from_array(changed, chunks=(1, 100, 100))) != fingerprint(lazy[0])


def test_each_dask_chunk_is_computed_at_most_once() -> None:
    computed: list[tuple[int, ...]] = []

    def remember(block: np.ndarray, block_info: Any = None) -> np.ndarray:
        computed.append(tuple(block_info[0]["chunk-location"]))
        return block

    planes = da.zeros((20, 100, 60), chunks=(1, 50, 60), dtype=np.uint8)
    fingerprint(planes.map_blocks(remember, dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8)))
    assert len(computed) == len(set(computed)) == 9
