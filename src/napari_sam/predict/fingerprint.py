"""Names for images and for what a model makes of them, computed from their content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import xxhash
from numpy.typing import ArrayLike, NDArray

from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.preprocess import Channels, Limits

_VERSION = 1  # raised when preprocessing or the meaning of an embedding changes: old cache entries are then ignored
_WHOLE_BYTES = 1 << 28  # hashed completely up to here (some 0.05 s); of larger arrays, evenly spread rows
_BLOCK_BYTES = 1 << 22
_SAMPLED_CHUNKS = 9
_SAMPLE_SIDE = 64


def fingerprint(image: ArrayLike) -> str:
    """Hash an image's shape, dtype and content, reading a bounded amount.

    Arrays in memory are hashed completely up to 256 MiB; of larger ones, as many evenly spread rows. Of a lazy array
    (dask, zarr, h5py: anything with a shape and dtype that is not numpy) at most nine small blocks are read, each in
    another chunk: enough to tell volumes apart, not planes of one volume, as empty corners look alike.

    Parameters
    ----------
    image : array-like
        Any number of dimensions.

    Returns
    -------
    str
        32 hex digits. Equal values in memory of the same dtype give the same, whatever their strides.
    """
    if not isinstance(image, np.ndarray) and not (hasattr(image, "shape") and hasattr(image, "dtype")):
        image = np.asarray(image)
    lazy: Any = image
    digest = xxhash.xxh3_128(f"{tuple(lazy.shape)} {np.dtype(lazy.dtype).str}".encode())
    for block in _rows(lazy) if isinstance(lazy, np.ndarray) else _sampled_blocks(lazy):
        digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()


def embedding_key(model: LoadedModel, image_fingerprint: str, limits: Limits | None, channels: Channels | None) -> str:
    """Name what a model makes of an image: the key of its embedding in caches.

    Parameters
    ----------
    model : LoadedModel
    image_fingerprint : str
        From :func:`fingerprint`.
    limits, channels
        As asked for in ``Predictor.encode``.

    Returns
    -------
    str
        64 hex digits.
    """
    wanted = [_plain(limits), _plain(channels)]
    parts = [_VERSION, model.hash, model.precision, model.config.img_size, image_fingerprint, *wanted]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _plain(value: object) -> object:
    return None if value is None else repr(np.asarray(value, dtype=object).tolist())


def _rows(array: NDArray[Any], budget: int = _WHOLE_BYTES) -> Iterator[NDArray[Any]]:
    if array.ndim == 0 or array.nbytes <= _BLOCK_BYTES:
        yield array
        return
    row_bytes = array.nbytes // len(array)
    if row_bytes > budget:  # few enormous rows: sample within each
        for row in array:
            yield from _rows(row, max(_BLOCK_BYTES, budget // len(array)))
        return
    step = -(-array.nbytes // budget)
    rows = max(1, _BLOCK_BYTES // row_bytes)
    for start in range(0, len(array), rows * step):
        yield array[start : start + rows * step : step]


def _sampled_blocks(lazy: Any) -> Iterator[NDArray[Any]]:
    """Read the corner of some chunks: the first, the last, and evenly spread ones between."""
    edges = [_chunk_edges(lazy, axis) for axis in range(len(lazy.shape))]
    counts = [len(e) - 1 for e in edges]
    total = int(np.prod(counts, dtype=np.int64))
    if 0 in lazy.shape:
        return
    for flat in sorted({round(i * (total - 1) / (_SAMPLED_CHUNKS - 1)) for i in range(_SAMPLED_CHUNKS)}):
        block = []
        for axis, chunk in enumerate(np.unravel_index(flat, counts)):
            start, stop = int(edges[axis][chunk]), int(edges[axis][chunk + 1])
            side = _SAMPLE_SIDE if axis >= len(counts) - 2 else 1  # of a stack, one plane
            block.append(slice(start, min(stop, start + side)))
        yield np.asarray(lazy[tuple(block)])


def _chunk_edges(lazy: Any, axis: int) -> NDArray[np.int64]:
    """Return where the chunks along an axis start, and its length."""
    length = int(lazy.shape[axis])
    chunks = getattr(lazy, "chunks", None)
    if not chunks:  # unknown layout: thirds
        return np.append(np.arange(0, length, max(_SAMPLE_SIDE, -(-length // 3))), length)
    sizes = chunks[axis]
    if isinstance(sizes, int):  # zarr, h5py
        return np.append(np.arange(0, length, sizes), length)
    return np.cumsum([0, *sizes])  # dask
