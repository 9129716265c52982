"""Several layers drawn over one another, as a viewer shows them: the picture of split-channel images.

Every layer is brought to colours by its limits, gamma and colormap, and blended with what lies below it on black.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import ImageError
from napari_sam.predict.preprocess import checked_array

LUT_SIZE = 1024
_BLOCK_PIXELS = 1 << 17  # pixels blended at a time: temporaries stay within the processor's cache


@dataclass(frozen=True, eq=False)
class LayerLook:
    """How one layer is shown.

    Parameters
    ----------
    limits : (low, high)
        Values shown in the first and the last colour.
    lut : ndarray, shape (LUT_SIZE + 1, 4), or None
        RGBA colours in 0..1 from ``low`` to ``high``, and one more for NaN; None for RGB(A) images.
    gamma : float
        Exponent applied between limits and colours.
    opacity : float
    blending : str
        napari's name of the way the layer lies over others: "additive", "translucent", "translucent_no_depth",
        "opaque", "minimum" or "multiplicative".
    name : str
        For texts; not part of the key.
    """

    limits: tuple[float, float]
    lut: NDArray[np.float32] | None = field(default=None, repr=False)
    gamma: float = 1.0
    opacity: float = 1.0
    blending: str = "additive"
    name: str = ""

    @property
    def key(self) -> tuple[object, ...]:
        """A short hashable value that changes when the look does."""
        colours = "" if self.lut is None else hashlib.blake2b(self.lut.tobytes(), digest_size=8).hexdigest()
        return self.limits, colours, self.gamma, self.opacity, self.blending


def composite(layers: Sequence[NDArray[Any]], looks: Sequence[LayerLook]) -> NDArray[np.uint8]:
    """Draw layers over one another on black.

    Parameters
    ----------
    layers : sequence of ndarray, each (H, W), or (H, W, 3 or 4) where the look has no colormap
        Lowest first.
    looks : sequence of LayerLook
        One per layer.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)

    Raises
    ------
    ImageError
        If there is no layer, or their sizes differ.
    """
    if not layers or len(layers) != len(looks):
        raise ImageError(f"A composite needs layers and one look for each: got {len(layers)} and {len(looks)}.")
    arrays = [checked_array(layer) for layer in layers]
    shape = arrays[0].shape[:2]
    if any(array.shape[:2] != shape for array in arrays):
        raise ImageError(f"Only layers of one size can be shown together, got {[a.shape[:2] for a in arrays]}.")
    picture = np.empty((*shape, 3), np.uint8)
    rows = max(1, _BLOCK_PIXELS // shape[1])
    for start in range(0, shape[0], rows):
        part = slice(start, start + rows)
        drawn = np.zeros((*arrays[0][part].shape[:2], 3), np.float32)
        for index, (array, look) in enumerate(zip(arrays, looks, strict=True)):
            colours, alpha = _colours(array[part], look)
            drawn = _blend(look.blending, index == 0)(drawn, colours, alpha)
            np.clip(drawn, 0.0, 1.0, out=drawn)
        picture[part] = np.rint(drawn * 255.0)
    return picture


def _colours(array: NDArray[Any], look: LayerLook) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return colours, shape (h, w, 3), and opacity, shape (h, w, 1)."""
    low, high = look.limits
    if look.lut is None:
        colours = _normalised(array[..., :3], low, high, look.gamma)
        np.nan_to_num(colours, copy=False)
        alpha = np.full((*array.shape[:2], 1), look.opacity, np.float32)
        if array.shape[2] == 4:
            top = 255.0 if array.dtype == np.uint8 else 1.0
            alpha *= np.clip(array[..., 3:].astype(np.float32) / top, 0.0, 1.0)
        return colours, alpha
    values = _normalised(array, low, high, look.gamma)
    index = np.where(np.isnan(values), LUT_SIZE, np.rint(np.nan_to_num(values) * (LUT_SIZE - 1))).astype(np.intp)
    rgba = look.lut[index]
    return rgba[..., :3], rgba[..., 3:] * np.float32(look.opacity)


def _normalised(array: NDArray[Any], low: float, high: float, gamma: float) -> NDArray[np.float32]:
    """Return low..high as 0..1 with gamma; NaN stays NaN."""
    values: NDArray[np.floating] = array.astype(np.float64 if array.dtype.itemsize > 2 else np.float32)
    factor = 1.0 if np.isfinite(high - low) else 0.5  # limits near the largest float: their difference overflows
    np.clip(values, low, high, out=values)
    values *= factor
    values -= low * factor
    values /= high * factor - low * factor
    if gamma != 1.0:
        np.power(values, gamma, out=values)
    return values.astype(np.float32)


_Array = NDArray[np.float32]


def _blend(name: str, is_lowest: bool) -> Callable[[_Array, _Array, _Array], _Array]:
    # The lowest layer lies on the black canvas; "minimum" would give black there and ignores its opacity.
    if is_lowest:
        return _opaque if name == "minimum" else _over
    return _BLENDING[name]


def _over(below: _Array, colours: _Array, alpha: _Array) -> _Array:
    return below + (colours - below) * alpha


def _add(below: _Array, colours: _Array, alpha: _Array) -> _Array:
    return below + colours * alpha


def _opaque(below: _Array, colours: _Array, alpha: _Array) -> _Array:
    return colours


def _minimum(below: _Array, colours: _Array, alpha: _Array) -> _Array:
    smaller: _Array = np.minimum(below, colours)
    return smaller


def _multiply(below: _Array, colours: _Array, alpha: _Array) -> _Array:
    return below * colours


_BLENDING: dict[str, Callable[[_Array, _Array, _Array], _Array]] = {
    "additive": _add,
    "translucent": _over,
    "translucent_no_depth": _over,
    "opaque": _opaque,
    "minimum": _minimum,
    "multiplicative": _multiply,
}
