"""Run-length encoding of masks, as COCO and SA-1B files hold it.

A mask is read column by column; ``counts`` are the lengths of its runs, alternately of zeros and of ones, beginning
with zeros (0 where the first pixel is set). Files hold them as text: every count after the third is replaced by its
difference to the count two before (runs of neighbouring columns are alike), and written in groups of five bits, lowest
first, as characters from "0"; bit 5 says that another group follows, bit 4 of the last is the sign. The text is that
of ``rleToString`` in pycocotools' ``common/maskApi.c``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam.errors import FileFormatError
from napari_sam.types import Rle

_BITS = 5
_MORE = 0x20
_SIGN = 0x10
_GROUPS = 7  # of five bits: enough for a difference of two 32-bit numbers
_FIRST_CHARACTER = 48
_MOST_PIXELS = 2**32 - 1  # a count has 32 bits, here as in pycocotools


def mask_to_counts(mask: ArrayLike) -> NDArray[np.uint32]:
    """Return the run lengths of a mask.

    Parameters
    ----------
    mask : array-like, shape (H, W)
        Anything that is not 0 (or False) belongs to the mask.

    Returns
    -------
    ndarray of uint32
        Column by column, beginning with zeros; their sum is H * W.

    Raises
    ------
    ValueError
        If the mask has not two dimensions, or four thousand million pixels or more.
    """
    array = np.asarray(mask)
    if array.ndim != 2:
        raise ValueError(f"a mask has two dimensions, not {array.ndim}")
    return patch_to_counts(array != 0, (0, 0), (array.shape[0], array.shape[1]))


def patch_to_counts(patch: NDArray[np.bool_], corner_yx: tuple[int, int], hw: tuple[int, int]) -> NDArray[np.uint32]:
    """Return the run lengths of a mask that is 0 outside of a patch, without making it whole.

    Parameters
    ----------
    patch : ndarray of bool, shape (h, w)
    corner_yx : (int, int)
        Row and column of the patch's first pixel.
    hw : (int, int)
        Size of the mask, which holds the patch.

    Returns
    -------
    ndarray of uint32
    """
    height, width = hw
    if height * width > _MOST_PIXELS:
        raise ValueError(f"a mask of {height} x {width} pixels is too large for run lengths of 32 bits")
    top, left = corner_yx
    # Each column as a row that ends in a zero: no run goes on into the next.
    columns = np.zeros((patch.shape[1], patch.shape[0] + 1), np.bool_)
    columns[:, :-1] = patch.T
    flat = columns.reshape(-1)
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    if flat.size and flat[0]:
        edges = np.concatenate([[0], edges])
    column, row = np.divmod(edges, patch.shape[0] + 1)
    positions = (column + left) * height + row + top
    # A run to the bottom and one from the top of the next column are one: the end of the first is the second's start.
    joined = np.flatnonzero(positions[1:-1:2] == positions[2::2])
    positions = np.delete(positions, np.concatenate([2 * joined + 1, 2 * joined + 2]))
    ends = [height * width] if len(positions) == 0 or positions[-1] < height * width else []
    return np.diff(np.concatenate([[0], positions, ends])).astype(np.uint32)


def counts_to_mask(counts: ArrayLike, hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the mask of some run lengths, shape (H, W).

    Raises
    ------
    FileFormatError
        If the counts do not add up to H * W.
    """
    lengths = np.asarray(counts, np.int64)
    _check_counts(lengths, hw)
    values = np.zeros(len(lengths), np.bool_)
    values[1::2] = True
    return np.repeat(values, lengths).reshape(hw[1], hw[0]).T


def counts_to_patch(counts: NDArray[np.uint32], hw: tuple[int, int], rows: slice, columns: slice) -> NDArray[np.bool_]:
    """Return a window of the mask of some run lengths, shape (h, w), without making it whole.

    Parameters
    ----------
    counts : ndarray of uint32
    hw : (int, int)
        Size of the mask.
    rows, columns : slice
        The window, with start and stop inside the mask. The mask may be larger than the window.
    """
    height = hw[0]
    ends = np.cumsum(counts, dtype=np.int64)
    first, last = columns.start * height, columns.stop * height
    clipped = np.clip(ends, first, last)
    lengths = np.diff(np.concatenate([[first], clipped]))
    values = np.zeros(len(lengths), np.bool_)
    values[1::2] = True
    patch = np.repeat(values, lengths).reshape(columns.stop - columns.start, height)
    return patch[:, rows].T


def counts_contain(
    counts: NDArray[np.uint32], hw: tuple[int, int], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which pixels belong to the mask of some run lengths, in the shape of ``rows`` and ``columns``."""
    ends = np.cumsum(counts, dtype=np.int64)
    inside: NDArray[np.bool_] = np.searchsorted(ends, columns * hw[0] + rows, side="right") % 2 == 1
    return inside


def counts_area(counts: NDArray[np.uint32]) -> int:
    """Return the number of pixels of a mask given as run lengths."""
    return int(counts[1::2].sum(dtype=np.int64))


def compress(counts: ArrayLike, hw: tuple[int, int]) -> Rle:
    """Return run lengths as COCO and SA-1B files hold them.

    Parameters
    ----------
    counts : array-like of int
    hw : (int, int)
        Height and width of the mask.

    Returns
    -------
    Rle
        The same text as pycocotools'.

    Raises
    ------
    FileFormatError
        If the counts do not add up to H * W.
    """
    numbers = np.asarray(counts, np.int64)
    _check_counts(numbers, hw)
    differences = numbers.copy()
    differences[3:] -= numbers[1:-2]
    # Shifted right once per group; what is left after the last one is 0 or -1, like its sign bit.
    rest = differences[:, None] >> (_BITS * np.arange(_GROUPS + 1))
    groups = rest[:, :-1] & 0x1F
    done = rest[:, 1:] == np.where(groups & _SIGN, -1, 0)
    size = done.argmax(axis=1) + 1
    index = np.arange(_GROUPS)
    groups |= np.where(index < size[:, None] - 1, _MORE, 0)
    text = (groups + _FIRST_CHARACTER)[index < size[:, None]].astype(np.uint8).tobytes().decode("ascii")
    return Rle(size=[int(hw[0]), int(hw[1])], counts=text)


def decompress(rle: Mapping[str, Any]) -> NDArray[np.uint32]:
    """Return the run lengths of an encoded mask; uncompressed ``counts`` (a list of numbers) are fine too.

    Raises
    ------
    FileFormatError
        If the encoding is damaged: a character that does not occur, a number cut off or too long, a run of negative
        length, or runs that do not add up to the size.
    """
    hw = _size(rle)
    counts = rle.get("counts")
    if isinstance(counts, bytes):
        counts = counts.decode("ascii", "replace")
    if isinstance(counts, str):
        numbers = _numbers(counts)
    elif isinstance(counts, Sequence | np.ndarray):
        numbers = np.asarray(counts, np.int64)
    else:
        raise FileFormatError(f"The run lengths of a mask are a {type(counts).__name__}, not a text.")
    _check_counts(numbers, hw)
    return numbers.astype(np.uint32)


def rle_to_mask(rle: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return the mask of ``MaskRecord.rle``, or of a segmentation in a COCO or SA-1B file.

    Parameters
    ----------
    rle : Rle or mapping
        {"size": [height, width], "counts": text}.

    Returns
    -------
    ndarray of bool, shape (H, W)

    Raises
    ------
    FileFormatError
        If the encoding is damaged.
    """
    return counts_to_mask(decompress(rle), _size(rle))


def _numbers(text: str) -> NDArray[np.int64]:
    """Read the text: groups of five bits to differences to counts."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.int64) - _FIRST_CHARACTER
    if len(codes) == 0:
        return codes
    if codes.min() < 0 or codes.max() >= 2 * _MORE:
        at = int(np.argmax((codes < 0) | (codes >= 2 * _MORE)))
        raise FileFormatError(f"The mask's run lengths are damaged: {text[at]!r} at character {at} cannot occur.")
    last = (codes & _MORE) == 0
    if not last[-1]:
        raise FileFormatError(f"The mask's run lengths are damaged: they end within a number, after {len(text)} bytes.")
    stops = np.flatnonzero(last) + 1
    starts = np.concatenate([[0], stops[:-1]])
    sizes = stops - starts
    if sizes.max() > _GROUPS:
        at = int(starts[sizes.argmax()])
        raise FileFormatError(f"The mask's run lengths are damaged: the number at character {at} is too long.")
    shifts = _BITS * (np.arange(len(codes)) - np.repeat(starts, sizes))
    numbers = np.add.reduceat((codes & 0x1F) << shifts, starts)
    negative = (codes[stops - 1] & _SIGN) != 0
    numbers -= np.where(negative, np.int64(1) << (_BITS * sizes), 0)
    for start in (1, 2):  # differences to the count two before, from the fourth count on
        numbers[start::2] = np.cumsum(numbers[start::2])
    return numbers


def _size(rle: Mapping[str, Any]) -> tuple[int, int]:
    size = rle.get("size")
    if isinstance(size, Sequence) and len(size) == 2 and all(isinstance(n, int | np.integer) and n >= 0 for n in size):
        return int(size[0]), int(size[1])
    raise FileFormatError(f"The size of an encoded mask is {size!r}, but must be [height, width].")


def _check_counts(counts: NDArray[np.int64], hw: tuple[int, int]) -> None:
    if counts.ndim != 1 or (len(counts) and counts.min() < 0):
        raise FileFormatError("The mask's run lengths are damaged: a run has a negative length.")
    total = int(counts.sum())
    if total != hw[0] * hw[1]:
        raise FileFormatError(
            f"The mask's run lengths are damaged: they are of {total} pixels, a mask of {hw[0]} x {hw[1]} has "
            f"{hw[0] * hw[1]}."
        )
