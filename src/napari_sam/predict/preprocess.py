"""Any image to the 8-bit RGB picture the model sees, with a record of what was done.

The networks were trained on 8-bit RGB. Everything else is brought there in one explicit step: pick channels, scale by
limits (given, or percentiles), replace what is not finite. uint8 without limits passes unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from napari_sam.errors import ImageError
from napari_sam.geometry.frame import ResizeFrame

Limits = tuple[float, float] | Sequence[tuple[float, float]]
Channels = int | Sequence[int]

PERCENTILES = (0.1, 99.9)
"""Default limits: a thousandth at either end is cut off.

Min-max would let one hot pixel turn a fluorescence image black; wider cuts (1-99, 2-98) clip small bright objects,
which are what microscopists click on.
"""

_BLOCK_PIXELS = 1 << 18  # pixels converted at a time: temporaries stay within the processor's cache
_SAMPLE_PIXELS = 1 << 22  # per channel; more pixels would not change a percentile noticeably
_MANY_CHANNELS = 16
_SLIVER = 16  # model pixels: one patch of the image encoder


@dataclass(frozen=True)
class Preprocessing:
    """What was done to an image before the model saw it.

    Attributes
    ----------
    channels : tuple of int
        Indices along the last axis shown as red, green, blue (one or two of them: grey, or red and green); empty for
        a two-dimensional image.
    limits : tuple of (low, high)
        Values shown as 0 and 255, one pair for all channels or one per channel; empty where uint8 passed unchanged.
    source : {"unchanged", "given", "percentiles", "range"}
        Where the limits come from. "range" is the minimum and maximum, used for bool and where percentiles coincide.
    notes : tuple of str
        Everything worth telling the user: dropped alpha, replaced NaN, a constant image.
    """

    channels: tuple[int, ...]
    limits: tuple[tuple[float, float], ...]
    source: Literal["unchanged", "given", "percentiles", "range"]
    notes: tuple[str, ...] = ()


def to_uint8_rgb(
    image: ArrayLike, limits: Limits | None = None, channels: Channels | None = None
) -> tuple[NDArray[np.uint8], Preprocessing]:
    """Convert an image to exactly the picture the model sees, before it is resized.

    Parameters
    ----------
    image : array-like, shape (H, W) or (H, W, C)
        Any real dtype. Lazy arrays are read once. Never modified.
    limits : (low, high) or one pair per shown channel, optional
        Values shown as 0 and 255. Left out, uint8 passes unchanged and other dtypes are scaled by percentiles:
        together for RGB(A), so that colours are kept, and channel by channel otherwise.
    channels : int or sequence of 1 to 3 int, optional
        Which entries of the last axis to show as (red, green, blue); one is shown grey, two as red and green. Left
        out: one channel is grey, two are red and green, of more the first three are taken.

    Returns
    -------
    rgb : ndarray of uint8, shape (H, W, 3)
    preprocessing : Preprocessing

    Raises
    ------
    ImageError
        If the image is empty, complex, not numeric, has no finite value or the wrong axes, or if ``limits`` or
        ``channels`` do not fit it.
    """
    bands, record = to_uint8_bands(image, limits, channels)
    return np.stack(_as_rgb(bands), axis=-1), record


def to_uint8_bands(
    image: ArrayLike, limits: Limits | None = None, channels: Channels | None = None
) -> tuple[list[NDArray[np.uint8]], Preprocessing]:
    """Convert an image to its one, two or three 8-bit bands; see :func:`to_uint8_rgb`.

    Grey images stay one band, and uint8 bands are views of the image: large images need no second copy.
    """
    array = checked_array(image)
    notes: list[str] = []
    chosen = _choose_channels(array, channels, notes)
    sources = [array] if array.ndim == 2 else [array[..., c] for c in chosen]
    pairs = _given_limits(limits, len(sources))
    _check_finite(sources, notes)
    if pairs:
        record = Preprocessing(chosen, pairs, "given")
    elif array.dtype == np.uint8:
        return list(sources), Preprocessing(chosen, (), "unchanged", tuple(notes))
    else:
        together = channels is None and array.ndim == 3 and array.shape[2] in (3, 4)
        record = _automatic_limits(sources, together, chosen, notes)
    per_band = record.limits * (len(sources) // len(record.limits))
    bands = [_scale(source, *pair) for source, pair in zip(sources, per_band, strict=True)]
    return bands, Preprocessing(chosen, record.limits, record.source, tuple(notes))


def resized_rgb(
    image: ArrayLike, frame_size: int, limits: Limits | None = None, channels: Channels | None = None
) -> tuple[NDArray[np.uint8], ResizeFrame, Preprocessing]:
    """Convert an image and resize it for the model, band by band.

    Pillow's antialiased bilinear filter on uint8, bit-equal to the official ``ResizeLongestSide.apply_image``; bands
    are resized one at a time (Pillow treats them independently), so a large image needs one band of extra memory.

    Parameters
    ----------
    image, limits, channels
        See :func:`to_uint8_rgb`.
    frame_size : int
        Longest side of the result.

    Returns
    -------
    rgb : ndarray of uint8, shape (h, w, 3)
    frame : ResizeFrame
    preprocessing : Preprocessing
    """
    bands, record = to_uint8_bands(image, limits, channels)
    height, width = bands[0].shape
    frame = ResizeFrame((height, width), frame_size)
    small = [_resize(band, frame.input_hw) for band in bands]
    if min(frame.input_hw) < min(_SLIVER, *frame.original_hw):
        note = (
            f"The image is {height} x {width}: resized for the model, its short side is only {min(frame.input_hw)} px, "
            "too little to see objects. Cut it into shorter pieces."
        )
        record = Preprocessing(record.channels, record.limits, record.source, (*record.notes, note))
    return np.stack(_as_rgb(small), axis=-1), frame, record


def _resize(band: NDArray[np.uint8], size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    if band.shape == size_hw:
        return band
    picture = Image.fromarray(np.ascontiguousarray(band))
    return np.asarray(picture.resize(size_hw[::-1], Image.Resampling.BILINEAR))


def _as_rgb(bands: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    if len(bands) == 1:
        return bands * 3
    return [*bands, np.zeros_like(bands[0])][:3]  # two bands: nothing in blue


def checked_array(image: ArrayLike) -> NDArray[Any]:
    """Read an image once, lazy or not, after making sure that it can be one.

    Raises
    ------
    ImageError
        If its shape or dtype cannot be an image's; a lazy stack is not read for that.
    """
    array = _array_like(image)
    shape = tuple(array.shape)
    if len(shape) not in (2, 3):
        raise ImageError(
            f"An image must have shape (height, width) or (height, width, channels), got {shape}. "
            "Of a stack, pass one plane at a time: image[z]."
        )
    if 0 in shape:
        raise ImageError(f"The image is empty: its shape is {shape}.")
    kind = np.dtype(array.dtype).kind
    if kind == "c":
        raise ImageError("The image is complex; pass a real one, for example np.abs(image).")
    if kind not in "buif":
        raise ImageError(f"The image has dtype {array.dtype}; convert it to a real number type, e.g. float32.")
    return np.asarray(array)


def _array_like(image: ArrayLike) -> Any:
    """Leave lazy arrays, which know their shape and numpy dtype, unread; make an array of everything else."""
    try:
        if hasattr(image, "shape") and hasattr(image, "dtype") and np.dtype(image.dtype) is not None:
            return image
    except TypeError:  # another library's dtype, such as torch's
        pass
    try:
        return np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ImageError(f"The image cannot be made a numpy array: {error}") from error


def _choose_channels(array: NDArray[Any], channels: Channels | None, notes: list[str]) -> tuple[int, ...]:
    if array.ndim == 2:
        if channels is not None and tuple(np.atleast_1d(channels)) != (0,):
            raise ImageError(f"channels={channels!r} was given, but the image of shape {array.shape} has no channels.")
        return ()
    count = array.shape[2]
    if channels is not None:
        return _given_channels(channels, count)
    _refuse_other_axis_orders(array.shape)
    if count == 4:
        notes.append("The fourth channel was taken for transparency (alpha) and dropped.")
    elif count == 2:
        notes.append("Two channels: shown as red and green. Choose with channels=.")
    elif count > 4:
        notes.append(f"{count} channels: the first three are shown as red, green, blue. Choose with channels=.")
    return tuple(range(min(count, 3)))


def _refuse_other_axis_orders(shape: tuple[int, ...]) -> None:
    first, _, last = shape
    if last > 4 and first <= 4:
        raise ImageError(
            f"Shape {shape} looks like channels first; move them last: np.moveaxis(image, 0, -1). "
            "If the last axis does hold channels, choose with channels=."
        )
    if last > _MANY_CHANNELS:
        raise ImageError(
            f"The last axis of shape {shape} is too long for channels. Of a stack, pass one plane at a time: image[z]. "
            "If it does hold channels, choose up to three with channels=."
        )


def _given_channels(channels: Channels, count: int) -> tuple[int, ...]:
    chosen = np.atleast_1d(np.asarray(channels))
    if chosen.ndim != 1 or not 1 <= len(chosen) <= 3 or chosen.dtype.kind not in "iu":
        raise ImageError(f"channels must be one to three whole numbers, got {channels!r}.")
    if (chosen < -count).any() or (chosen >= count).any():
        raise ImageError(f"channels={channels!r} does not exist: the image has channels 0 to {count - 1}.")
    return tuple(int(c) % count for c in chosen)


def _given_limits(limits: Limits | None, bands: int) -> tuple[tuple[float, float], ...]:
    if limits is None:
        return ()
    try:
        pairs = np.asarray(limits, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ImageError(f"limits must be (low, high) or one such pair per shown channel, got {limits!r}.") from error
    pairs = pairs[None] if pairs.shape == (2,) else pairs
    if pairs.shape not in ((1, 2), (bands, 2)):
        raise ImageError(
            f"limits must be (low, high) or one such pair for each of the {bands} shown channels, got {limits!r}."
        )
    if not np.isfinite(pairs).all() or (pairs[:, 0] >= pairs[:, 1]).any():
        raise ImageError(f"limits must be finite with low < high, got {limits!r}.")
    return tuple((float(low), float(high)) for low, high in pairs)


def _automatic_limits(
    sources: list[NDArray[Any]], together: bool, chosen: tuple[int, ...], notes: list[str]
) -> Preprocessing:
    if sources[0].dtype == np.bool_:
        return Preprocessing(chosen, ((0.0, 1.0),), "range")
    groups = [sources] if together else [[source] for source in sources]
    found = [_percentile_limits(group) for group in groups]
    if None in found:
        notes.append("A channel has no finite value and is shown black.")
    pairs, ranges = [], 0
    for group, pair in zip(groups, found, strict=True):
        low, high = pair if pair is not None else (0.0, 1.0)
        if low >= high:  # nearly all pixels equal: small bright objects are all there is
            low, high = value_range(group) or (low, high)
            ranges += 1
        if low >= high:
            notes.append(f"The image (or a channel) is constant ({low:g}) and shown black.")
            high = low + 1.0 if low + 1.0 > low else float(np.nextafter(low, np.inf))
        pairs.append((low, high))
    return Preprocessing(chosen, tuple(pairs), "range" if ranges == len(pairs) else "percentiles")


def _percentile_limits(group: list[NDArray[Any]]) -> tuple[float, float] | None:
    step = 1
    while group[0][::step, ::step].size > _SAMPLE_PIXELS:
        step += 1
    values = np.concatenate([source[::step, ::step].ravel() for source in group])
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
        if values.size == 0:
            return value_range(group)
        values = values.astype(np.float64 if values.dtype.itemsize > 4 else np.float32, copy=False)
    low, high = np.percentile(values, PERCENTILES)
    return float(low), float(high)


def value_range(group: Sequence[NDArray[Any]]) -> tuple[float, float] | None:
    """Return the smallest and largest finite value of some arrays, or None where there is none."""
    low, high = np.inf, -np.inf
    for source in group:
        for block in _blocks(source):
            finite = block[np.isfinite(block)] if block.dtype.kind == "f" else block
            if finite.size:
                low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else None


def _blocks(source: NDArray[Any]) -> Iterator[NDArray[Any]]:
    rows = max(1, _BLOCK_PIXELS // source.shape[1])
    for start in range(0, len(source), rows):
        yield source[start : start + rows]


def _scale(source: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Map low..high to 0..255, rounded to the nearest, in blocks: no float copy of the whole image."""
    band = np.empty(source.shape, np.uint8)
    small = source.dtype.itemsize <= 2 and max(abs(low), abs(high)) < 1e6
    factor = 1.0 if np.isfinite(high - low) else 0.5  # limits near the largest float: their difference overflows
    start = 0
    for block in _blocks(source):
        values: NDArray[np.floating] = block.astype(np.float32 if small else np.float64)
        np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
        np.clip(values, low, high, out=values)
        values *= factor
        values -= low * factor
        values /= high * factor - low * factor
        values *= 255.0
        band[start : start + len(block)] = np.rint(values, out=values)
        start += len(block)
    return band


def _check_finite(sources: list[NDArray[Any]], notes: list[str]) -> None:
    if sources[0].dtype.kind != "f":
        return
    bad = sum(int(np.count_nonzero(~np.isfinite(block))) for source in sources for block in _blocks(source))
    if bad == sum(source.size for source in sources):
        raise ImageError("The image has no finite value: every pixel is NaN or infinite.")
    if bad:
        notes.append(f"{bad} NaN or infinite values were replaced (NaN and -inf by the low limit, inf by the high).")
