"""Which part of a large plane the model is shown: windows on a coarse lattice, at sensible zooms.

A plane much larger than the model's square is not shrunk into it, as small objects would vanish: the model sees a
window around the prompts. Sides come from a ladder of powers of two and corners from a lattice, so that neighbouring
clicks fall into the same window and share its embedding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WHOLE_UP_TO = 1.5
"""A plane whose longest side is at most this many model sides is shown as a whole."""

LARGEST_SIDE = 8192
"""Pixels; masks are as large as their window, so this bounds memory."""

_FINEST = 4  # the smallest window is a quarter of the model's side: enlarging more shows nothing new
_LATTICE = 4  # corners lie on multiples of a quarter of the side
_ROOM = 0.7  # share of a window's side that what it is made for may take: the lattice moves it by up to an eighth
_LOGITS = 256  # masks are decoded on a grid of this many pixels per window

Rect = tuple[float, float, float, float]
"""First and last row and column: (top, left, bottom, right)."""


@dataclass(frozen=True)
class Window:
    """Part of a plane, in pixels of the plane.

    Attributes
    ----------
    top, left : int
        First row and column.
    height, width : int
        Number of rows and columns.
    step : int
        Pixels of the plane per pixel the model is handed, at least 1.
    """

    top: int
    left: int
    height: int
    width: int
    step: int = 1

    @property
    def bottom(self) -> int:
        """One more than the last row."""
        return self.top + self.height

    @property
    def right(self) -> int:
        """One more than the last column."""
        return self.left + self.width

    @property
    def side(self) -> int:
        """The longer side."""
        return max(self.height, self.width)

    def holds(self, rect: Rect) -> bool:
        """Return whether a rectangle lies inside."""
        return (
            rect[0] >= self.top - 0.5
            and rect[1] >= self.left - 0.5
            and rect[2] <= self.bottom - 0.5
            and rect[3] <= self.right - 0.5
        )


@dataclass(frozen=True)
class WindowPlan:
    """The windows of one plane for one model.

    Parameters
    ----------
    shape_hw : tuple of int
        Height and width of the plane.
    model_side : int
        Side of the model's square.
    """

    shape_hw: tuple[int, int]
    model_side: int

    @property
    def is_whole(self) -> bool:
        """Whether the plane is small enough to be shown as a whole."""
        return max(self.shape_hw) <= WHOLE_UP_TO * self.model_side

    @property
    def whole(self) -> Window:
        """The whole plane at full resolution."""
        return Window(0, 0, *self.shape_hw)

    @property
    def sides(self) -> tuple[int, ...]:
        """The ladder of window sides, ascending, each twice the one before."""
        sides = [max(1, self.model_side // _FINEST)]
        while sides[-1] < min(max(self.shape_hw), LARGEST_SIDE):
            sides.append(2 * sides[-1])
        return tuple(sides)

    def side_for(self, extent: float, room: float = _ROOM) -> int:
        """Return the smallest side of the ladder in which ``extent`` pixels take at most the share ``room``."""
        return next((side for side in self.sides if extent <= side * room), self.sides[-1])

    def window_at(self, centre_yx: tuple[float, float], side: int) -> Window:
        """Return the window of the lattice with this side whose middle is nearest, within the plane."""
        spacing = max(1, side // _LATTICE)
        corner = []
        for centre, length in zip(centre_yx, self.shape_hw, strict=True):
            snapped = math.floor((centre - side / 2) / spacing + 0.5) * spacing
            # The last window of a row is cut off on the right rather than moved: it stays on the lattice.
            corner.append(max(0, min(snapped, -(-max(0, length - side) // spacing) * spacing)))
        height, width = (min(side, length - at) for length, at in zip(self.shape_hw, corner, strict=True))
        return Window(corner[0], corner[1], height, width, max(1, max(height, width) // self.model_side))

    def around(self, rect: Rect, side: int = 0) -> Window:
        """Return a window with room around a rectangle; at least of this side, larger where it has to be."""
        extent = max(rect[2] - rect[0], rect[3] - rect[1]) + 1
        return self.window_at(_middle(rect), max(side, self.side_for(extent)))

    def cuts(self, window: Window, rect: Rect) -> bool:
        """Return whether a rectangle reaches a border of the window that is not a border of the plane."""
        near = max(1.0, window.side / _LOGITS)
        height, width = self.shape_hw
        return (
            (window.top > 0 and rect[0] < window.top + near)
            or (window.left > 0 and rect[1] < window.left + near)
            or (window.bottom < height and rect[2] > window.bottom - 1 - near)
            or (window.right < width and rect[3] > window.right - 1 - near)
        )

    def larger(self, window: Window, rect: Rect) -> Window | None:
        """Return the next larger window around a rectangle, or None where there is none."""
        side = self._side_of(window)
        return None if side >= self.sides[-1] else self.around(rect, 2 * side)

    def closer(self, window: Window, rect: Rect, share: float) -> Window | None:
        """Return a closer window around a rectangle that takes less than ``share`` of this one, or None.

        The rectangle takes one to two times that share of the closer window, where the ladder goes down that far.
        """
        extent = max(rect[2] - rect[0], rect[3] - rect[1]) + 1
        side = self._side_of(window)
        wanted = self.side_for(extent, 2 * share)
        return None if extent >= share * side or wanted >= side else self.around(rect, wanted)

    def _side_of(self, window: Window) -> int:
        """Return the side of the ladder that a window was made with; the plane's border may have cut it off."""
        return next((side for side in self.sides if window.side <= side), self.sides[-1])


def extent_of(mask: NDArray[np.bool_], top_left: tuple[int, int] = (0, 0)) -> Rect | None:
    """Return the rectangle around a mask whose first pixel lies at ``top_left``, or None where it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    top, left = top_left
    return float(top + rows[0]), float(left + columns[0]), float(top + rows[-1]), float(left + columns[-1])


def joined(first: Rect, second: Rect) -> Rect:
    """Return the smallest rectangle around two."""
    return (
        min(first[0], second[0]),
        min(first[1], second[1]),
        max(first[2], second[2]),
        max(first[3], second[3]),
    )


def _middle(rect: Rect) -> tuple[float, float]:
    return (rect[0] + rect[2] + 1) / 2, (rect[1] + rect[3] + 1) / 2
