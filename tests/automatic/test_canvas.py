import errno
import os
import tempfile

import numpy as np
import pytest

from napari_sam.automatic import canvas as module
from napari_sam.automatic.canvas import bands, canvas
from napari_sam.errors import OutOfMemoryError


def test_small_planes_are_in_memory_and_large_ones_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    small = canvas((3, 4), np.int32)
    monkeypatch.setattr(module, "_MEMORY_BYTES", 47)
    large = canvas((3, 4), np.int32)
    assert not isinstance(small, np.memmap)
    assert isinstance(large, np.memmap)
    for array in (small, large):
        assert array.shape == (3, 4)
        assert array.dtype == np.int32
        assert not array.any()
        array[1, 2] = 7
        assert array.view(np.uint32)[1, 2] == 7


def test_no_file_is_left(monkeypatch: pytest.MonkeyPatch, tmp_path: os.PathLike[str]) -> None:
    monkeypatch.setattr(module, "_MEMORY_BYTES", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    array = canvas((50, 40), np.uint32)
    assert os.listdir(tmp_path) == []
    array[:] = 1
    assert array.sum() == 2000


def test_a_full_disk_is_an_error_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_MEMORY_BYTES", 0)
    monkeypatch.setattr(module, "_reserve", full)
    with pytest.raises(OutOfMemoryError, match=r"No space left on device\. Free some space, or set TMPDIR"):
        canvas((50, 40), np.uint32)


def test_bands_cover_a_plane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BAND_PIXELS", 25)
    assert list(bands((7, 10))) == [slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 7)]
    assert list(bands((2, 100))) == [slice(0, 1), slice(1, 2)]
