"""What tells an image layer from others when it is opened again, without reading a lazy volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xxhash

from napari_sam.gui.recovery.state import ImageIdentity
from napari_sam.gui.view.planes import full_data, spatial_shape

if TYPE_CHECKING:
    from napari.layers import Image

_SAMPLES = 64


def identity_of(image: Image) -> ImageIdentity:
    """Return the identity of an image layer; costs microseconds, whatever its size."""
    data = full_data(image)
    path = image.source.path
    return ImageIdentity(
        name=str(image.name),
        path=None if path is None else str(path),
        shape=spatial_shape(image),
        dtype=str(np.dtype(data.dtype)),
        sample=_sample(data),
        scale=tuple(float(step) for step in image.scale),
        unit=_unit(image),
    )


def _unit(image: Image) -> str | None:
    names = {str(unit) for unit in image.units}
    name = names.pop() if len(names) == 1 else "pixel"
    return None if name == "pixel" else name


def _sample(data: Any) -> str | None:
    """Hash a few evenly spread pixels of an array in memory; the pixels cannot be told from the hash."""
    if not isinstance(data, np.ndarray) or isinstance(data, np.memmap) or data.size == 0:
        return None
    flat = np.unique(np.linspace(0, data.size - 1, _SAMPLES).astype(np.int64))
    pixels = np.ascontiguousarray(data[np.unravel_index(flat, data.shape)])
    return xxhash.xxh3_64_hexdigest(pixels.tobytes())
