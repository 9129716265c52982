"""Masks as vertical runs of pixels: sets of pixels of planes of any size, without ever making a picture of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_COLUMN = np.int64(1) << 32  # pixels as single numbers: column * this + row


@dataclass(frozen=True, eq=False)
class Runs:
    """The pixels of a mask.

    Attributes
    ----------
    starts, stops : ndarray of int64, shape (N,)
        First pixel of each run and the one behind it, as column * 2**32 + row; ascending, without overlap. No run
        leaves its column.
    """

    starts: NDArray[np.int64]
    stops: NDArray[np.int64]

    @classmethod
    def of_counts(cls, counts: NDArray[np.uint32], height: int, corner_yx: tuple[int, int] = (0, 0)) -> Runs:
        """Read the run lengths of a mask, whose first pixel lies at ``corner_yx``.

        Parameters
        ----------
        counts : ndarray of uint32
            See :mod:`napari_sam.geometry.rle`.
        height : int
            Rows of the mask.
        corner_yx : (int, int)
        """
        ends = np.cumsum(counts, dtype=np.int64)
        filled = np.flatnonzero(counts[1::2]) * 2
        first, last = ends[filled], ends[filled + 1] - 1
        columns = first // height
        parts = last // height - columns + 1  # columns that each run touches
        run = np.repeat(np.arange(len(first)), parts)
        part = np.arange(len(run)) - np.repeat(np.cumsum(parts) - parts, parts)
        top = np.where(part == 0, first[run] % height, 0)
        bottom = np.where(part == parts[run] - 1, last[run] % height, height - 1) + 1
        left = (columns[run] + part + corner_yx[1]) * _COLUMN + corner_yx[0]
        return cls(left + top, left + bottom)

    def counts(self, hw: tuple[int, int]) -> NDArray[np.uint32]:
        """Return the run lengths of the mask in a plane that holds it.

        Raises
        ------
        ValueError
            If the plane has more pixels than run lengths can count.
        """
        height, width = hw
        if height * width > np.iinfo(np.uint32).max:
            raise ValueError(f"a mask of {height} x {width} pixels is too large for run lengths of 32 bits")
        starts = self.starts // _COLUMN * height + self.starts % _COLUMN
        edges = np.stack([starts, starts + (self.stops - self.starts)], axis=1).reshape(-1)
        joined = np.flatnonzero(edges[1:-1:2] == edges[2::2])  # down to the bottom, on from the top
        edges = np.delete(edges, np.concatenate([2 * joined + 1, 2 * joined + 2]))
        ends = [height * width] if len(edges) == 0 or edges[-1] < height * width else []
        return np.diff(np.concatenate([[0], edges, ends])).astype(np.uint32)

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int((self.stops - self.starts).sum())

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Top, left, bottom, right; the last two are not inside. All 0 for an empty mask."""
        if len(self.starts) == 0:
            return (0, 0, 0, 0)
        left, right = int(self.starts[0] // _COLUMN), int(self.starts[-1] // _COLUMN) + 1
        return int((self.starts % _COLUMN).min()), left, int(((self.stops - 1) % _COLUMN).max()) + 1, right

    def within(self, rows: slice, columns: slice) -> Runs:
        """Return the pixels in a window, which stay where they are."""
        first, last = np.searchsorted(self.starts, [columns.start * _COLUMN, columns.stop * _COLUMN])
        starts, stops = self.starts[first:last], self.stops[first:last]
        corner = starts // _COLUMN * _COLUMN
        starts, stops = np.maximum(starts, corner + rows.start), np.minimum(stops, corner + rows.stop)
        kept = starts < stops
        return Runs(starts[kept], stops[kept])

    def shared(self, other: Runs) -> int:
        """Count the pixels that two masks have in common."""
        if len(self.starts) == 0 or len(other.starts) == 0:
            return 0
        return int((other.before(self.stops) - other.before(self.starts)).sum())

    def before(self, pixels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the pixels of the mask that come before some pixels, column by column."""
        lengths = self.stops - self.starts
        total = np.concatenate([[0], np.cumsum(lengths)])
        run = np.searchsorted(self.starts, pixels, side="right") - 1
        inside = np.minimum(pixels - self.starts[run], lengths[run])
        counted: NDArray[np.int64] = np.where(run < 0, 0, total[run] + inside)
        return counted

    @classmethod
    def union(cls, masks: Sequence[Runs]) -> Runs:
        """Return the pixels of any of some masks."""
        starts = np.concatenate([mask.starts for mask in masks])
        stops = np.concatenate([mask.stops for mask in masks])
        order = np.argsort(starts, kind="stable")
        starts, reached = starts[order], np.maximum.accumulate(stops[order])
        first = np.append(True, starts[1:] > reached[:-1])[: len(starts)]
        last = np.append(first[1:], True)[: len(starts)]
        return cls(starts[first], reached[last])
