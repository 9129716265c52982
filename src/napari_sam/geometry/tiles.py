"""A large plane cut into tiles: each owns a core, and sees more around it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tile:
    """A part of a plane.

    Attributes
    ----------
    core_rows, core_columns : slice
        What belongs to this tile alone; cores cover the plane.
    rows, columns : slice
        What it sees: its core and the halo, as far as the plane goes.
    """

    core_rows: slice
    core_columns: slice
    rows: slice
    columns: slice

    @property
    def corner_yx(self) -> tuple[int, int]:
        """First row and column of what it sees."""
        return self.rows.start, self.columns.start

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width of what it sees."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def owns(self, row: float, column: float) -> bool:
        """Whether a place lies in the core: of all tiles of a plane exactly one owns it."""
        rows, columns = self.core_rows, self.core_columns
        return bool(rows.start <= row < rows.stop and columns.start <= column < columns.stop)

    def shared_with(self, other: Tile) -> tuple[slice, slice] | None:
        """Return the rows and columns that both see, or None."""
        rows = slice(max(self.rows.start, other.rows.start), min(self.rows.stop, other.rows.stop))
        columns = slice(max(self.columns.start, other.columns.start), min(self.columns.stop, other.columns.stop))
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None

    def cuts(self, box: tuple[int, int, int, int], hw: tuple[int, int], margin: int) -> bool:
        """Whether something in a box (top, left, bottom, right) may go on beyond what the tile sees.

        Parameters
        ----------
        box : tuple of int
            In the plane; bottom and right are not inside.
        hw : (int, int)
            Size of the plane: nothing goes on beyond that.
        margin : int
            Pixels from the end of the tile within which it counts as cut.
        """
        top, left, bottom, right = box
        return bool(
            (self.rows.start > 0 and top < self.rows.start + margin)
            or (self.columns.start > 0 and left < self.columns.start + margin)
            or (self.rows.stop < hw[0] and bottom > self.rows.stop - margin)
            or (self.columns.stop < hw[1] and right > self.columns.stop - margin)
        )


def cut_tiles(hw: tuple[int, int], size: int, halo: int) -> list[Tile]:
    """Cut a plane into tiles.

    Parameters
    ----------
    hw : (int, int)
        Height and width of the plane.
    size : int
        Longest side of a core; cores of one plane are equally large, up to a pixel.
    halo : int
        How much more a tile sees on each side.

    Returns
    -------
    list of Tile
        Row by row.
    """
    rows, columns = _pieces(hw[0], size), _pieces(hw[1], size)
    return [
        Tile(row, column, _widened(row, halo, hw[0]), _widened(column, halo, hw[1]))
        for row in rows
        for column in columns
    ]


def _pieces(length: int, size: int) -> list[slice]:
    count = -(-length // size)
    return [slice(length * i // count, length * (i + 1) // count) for i in range(count)]


def _widened(piece: slice, halo: int, length: int) -> slice:
    return slice(max(0, piece.start - halo), min(length, piece.stop + halo))
