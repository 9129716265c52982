"""What may be wrong with an image as the model sees it: hot pixels, one grey, clipping, values that are no numbers.

All is judged on the 8-bit picture, whatever the image's type: a plane is worth a warning when nearly all of it falls
into a few grey levels and what stands out are single pixels, no things.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_sam.predict.preprocess import PERCENTILES, to_uint8_bands, value_range

Kind = Literal["hot pixels", "few greys", "one grey", "black", "white", "not finite"]

FEW_GREYS = 20
"""Fewer levels than these, and textures and soft borders are gone."""
_SPARSE = 0.02  # at most this part of the pixels may stand out for the rest to count as the image
_NEIGHBOURS = 4  # of a pixel's 3 x 3 block, itself included, stand out: part of a thing
_HOT_CLUSTER = 4  # a few hot pixels side by side are still no thing
_CHANCE = 0.002  # part of scattered single pixels that have neighbours by chance
_SAMPLE = 1 << 20


@dataclass(frozen=True)
class Finding:
    """One thing worth telling the user."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Report:
    """How an image's values became 8-bit grey levels.

    Attributes
    ----------
    values : (low, high), or None
        Smallest and largest finite value of the image.
    limits : (low, high), or None
        Values shown as 0 and 255; None where 8-bit values pass unchanged.
    findings : tuple of Finding
        Empty when all is well.
    remedy : (low, high), or None
        Robust limits that show more of the image, if the findings call for them and there are any.
    """

    values: tuple[float, float] | None
    limits: tuple[float, float] | None
    findings: tuple[Finding, ...] = ()
    remedy: tuple[float, float] | None = None


def diagnose(image: NDArray[Any], limits: tuple[float, float] | None = None) -> Report:
    """Judge an image as the model sees it at these limits.

    Parameters
    ----------
    image : ndarray, shape (H, W) or (H, W, C)
    limits : (low, high), optional
        As handed to the model.

    Raises
    ------
    ImageError
        As :func:`napari_sam.predict.preprocess.to_uint8_rgb`.
    """
    bands, record = to_uint8_bands(image, limits)
    used = limits if limits is not None or not record.limits else record.limits[0]
    counts = [_histogram(band) for band in bands]
    widest = int(np.argmax([_spread(one) for one in counts]))
    channels = [image] if image.ndim == 2 else [image[..., c] for c in record.channels]
    values = value_range(channels)
    findings, remedy = [], None
    found = _judge(bands[widest], counts[widest], values, used)
    if found is not None:
        finding, outliers = found
        findings.append(finding)
        remedy = _remedy(channels, outliers, used)
    bad = sum(_not_finite(channel) for channel in channels)
    if bad:
        findings.append(Finding("not finite", f"{bad:,} pixels are NaN or infinite and are shown black or white."))
    return Report(values, used, tuple(findings), remedy)


def robust_limits(channels: list[NDArray[Any]]) -> tuple[float, float] | None:
    """Return percentiles that leave out a thousandth at either end, or None where they coincide."""
    values = np.concatenate([_sample(channel) for channel in channels])
    if not values.size:
        return None
    low, high = (float(limit) for limit in np.percentile(values, PERCENTILES))
    return (low, high) if low < high else None


def _judge(
    band: NDArray[np.uint8],
    counts: NDArray[np.int64],
    values: tuple[float, float] | None,
    limits: tuple[float, float] | None,
) -> tuple[Finding, NDArray[np.bool_]] | None:
    """Return what is wrong with one 8-bit band, and which pixels stand out of the rest."""
    darkest, brightest = _fullest_window(counts)
    inside = int(counts[darkest : brightest + 1].sum())
    if band.size - inside > _SPARSE * band.size:
        return None
    outliers = (band < darkest) | (band > brightest)
    if _shows_things(outliers):
        return None
    return _describe(counts, (darkest, brightest), int(outliers.sum()), values, limits), outliers


def _describe(
    counts: NDArray[np.int64],
    window: tuple[int, int],
    outliers: int,
    values: tuple[float, float] | None,
    limits: tuple[float, float] | None,
) -> Finding:
    low, high = limits if limits is not None else (0.0, 255.0)
    smallest, largest = values if values is not None else (low, high)
    if smallest == largest:
        return Finding("one grey", f"The whole plane has one value, {smallest:g}: there is nothing to see in it.")
    if counts[0] >= (1 - _SPARSE) * counts.sum() and smallest < low:
        return Finding("black", f"Nearly everything lies below the contrast limits ({low:g}) and is black.")
    if counts[255] >= (1 - _SPARSE) * counts.sum() and largest > high:
        return Finding("white", f"Nearly everything lies above the contrast limits ({high:g}) and is white.")
    levels = int(np.count_nonzero(counts[window[0] : window[1] + 1]))
    rest = f"{levels} of 256 grey levels" if levels > 1 else "one grey level"
    if outliers:
        pixels = "One single pixel stands" if outliers == 1 else f"{outliers:,} single pixels stand"
        return Finding("hot pixels", f"{pixels} out (hot pixels?): all the rest falls into {rest}.")
    return Finding("few greys", f"At these contrast limits the plane uses only {rest}.")


def _fullest_window(counts: NDArray[np.int64]) -> tuple[int, int]:
    """Return the first and last of the ``FEW_GREYS`` neighbouring levels that hold most pixels."""
    sums = np.convolve(counts, np.ones(FEW_GREYS, np.int64), "valid")
    first = int(np.argmax(sums))
    return first, first + FEW_GREYS - 1


def _shows_things(outliers: NDArray[np.bool_]) -> bool:
    """Return whether pixels that stand out lie together, as those of things do."""
    rows, columns = np.nonzero(outliers)
    if not len(rows):
        return False
    padded = np.pad(outliers, 1)
    together = np.zeros(len(rows), np.uint8)
    for row in range(3):
        for column in range(3):
            together += padded[rows + row, columns + column]
    return int((together >= _NEIGHBOURS).sum()) > max(_HOT_CLUSTER, _CHANCE * len(rows))


def _remedy(
    channels: list[NDArray[Any]], outliers: NDArray[np.bool_], limits: tuple[float, float] | None
) -> tuple[float, float] | None:
    better = robust_limits(channels) or value_range([channel[~outliers][None] for channel in channels])
    if better is None or better[0] >= better[1]:
        return None
    low, high = limits if limits is not None else (0.0, 255.0)
    # Limits that show the bulk no wider than now would change nothing.
    return better if better[1] - better[0] < 0.9 * (high - low) or better[1] < low or better[0] > high else None


def _histogram(band: NDArray[np.uint8]) -> NDArray[np.int64]:
    # Pillow counts bytes several times faster than numpy, which makes wide integers of them first.
    return np.asarray(Image.fromarray(np.ascontiguousarray(band)).histogram(), np.int64)


def _spread(counts: NDArray[np.int64]) -> int:
    """Return how many levels lie between the percentiles."""
    low, high = np.searchsorted(np.cumsum(counts), counts.sum() * np.array(PERCENTILES) / 100)
    return int(high - low)


def _sample(channel: NDArray[Any]) -> NDArray[Any]:
    values: NDArray[Any] = channel[:: _step(channel), :: _step(channel)].ravel()
    if values.dtype.kind != "f":
        return values
    values = values[np.isfinite(values)]
    return values.astype(np.float64 if values.dtype.itemsize > 4 else np.float32, copy=False)


def _step(array: NDArray[Any]) -> int:
    return max(1, int(np.ceil(np.sqrt(array.size / _SAMPLE))))


def _not_finite(channel: NDArray[Any]) -> int:
    return int(np.count_nonzero(~np.isfinite(channel))) if channel.dtype.kind == "f" else 0
