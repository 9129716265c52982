"""The array behind an objects layer: whether it can be written to, and room for higher ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Labels


def is_writable(data: Any) -> bool:
    """Return whether single pixels of an array can be set in place: not in dask, nor in what was opened to read."""
    if isinstance(data, np.ndarray):
        return bool(data.flags.writeable)
    if bool(getattr(data, "read_only", False)) or hasattr(data, "dask"):
        return False
    return hasattr(data, "__setitem__")


def holds_ids(dtype: Any) -> bool:
    """Return whether a type has room for ids: an integer of at least 16 bits."""
    kind = np.dtype(dtype)
    return kind.kind in "iu" and kind.itemsize >= 2


def make_room(layer: Labels, highest: int) -> bool:
    """Widen the integer type of an objects layer if ``highest`` does not fit; return whether that was necessary.

    The content stays the same, so napari's undo history of the layer, and ours, go on to fit.
    """
    dtype = layer.data.dtype
    if highest <= np.iinfo(dtype).max:
        return False
    layer.data = widened(layer.data, np.dtype(np.int64 if dtype.kind == "i" else np.uint32))
    return True


def widened(data: Any, dtype: np.dtype[Any]) -> Any:
    """Return a copy in another integer type, of the same kind: an array in memory, or one in chunks."""
    if isinstance(data, np.ndarray):
        return data.astype(dtype)
    import zarr

    chunks = getattr(data, "chunks", (1,) * (len(data.shape) - 2) + tuple(min(n, 1024) for n in data.shape[-2:]))
    copy = zarr.create_array(zarr.storage.MemoryStore(), shape=data.shape, chunks=chunks, dtype=dtype, fill_value=0)
    if getattr(data, "nchunks_initialized", None) == 0:
        return copy
    for position in np.ndindex(*data.shape[:-2]):
        plane = np.asarray(data[position])
        if plane.any():
            copy[position] = plane.astype(dtype)
    return copy
