"""One list of records from those of overlapping tiles: every object once, and whole.

Two records of different tiles are the same object where they agree on what both tiles see: their masks, cut to that,
have an IoU of at least one half. Each record has at most one partner in another tile (the pairs with the largest sum
of IoUs, so that a part and the whole of an object stay two), and partners of partners are the same object too. Of an
object that some tile sees whole that mask is taken, the one of the tile that owns its centre where there are several;
of an object that no tile sees whole, as it is larger than the halo, the pieces are joined.

A record without a partner counts if its tile owns its centre. If another tile does, that one saw the place better and
found something else there, or nothing: then the record counts only if it is whole and its place is still free.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from napari_sam.geometry.overlaps import best_pairs
from napari_sam.geometry.rle import compress, decompress
from napari_sam.geometry.runs import Runs
from napari_sam.geometry.tiles import Tile
from napari_sam.types import MaskRecord

_SAME = 0.5  # IoU, where both tiles see, from which two records are one object
_TAKEN = 0.5  # of its pixels: from here on the place of a record is not free
_RIM = 256  # parts of a tile's longer side: how far from its end a mask may stop and still be cut by it


@dataclass(frozen=True, eq=False)
class Piece:
    """A record of a tile.

    Attributes
    ----------
    record : MaskRecord
        In coordinates of the tile.
    tile : int
        Number of the tile.
    corner_yx : (int, int)
        Where the tile's first pixel lies in the plane.
    box : tuple of int
        Top, left, bottom, right in the plane; the last two are not inside.
    cut : bool
        Whether the object may go on beyond the tile.
    owned : bool
        Whether the tile owns the centre of the box.
    """

    record: MaskRecord = field(repr=False)
    tile: int
    corner_yx: tuple[int, int]
    box: tuple[int, int, int, int]
    cut: bool
    owned: bool

    @property
    def runs(self) -> Runs:
        """The mask, in the plane. Decoded each time: few pieces are ever compared, and all would fill the memory."""
        return Runs.of_counts(decompress(self.record.rle), self.record.rle["size"][0], self.corner_yx)


def pieces_of(records: Sequence[MaskRecord], tiles: Sequence[Tile], number: int, hw: tuple[int, int]) -> list[Piece]:
    """Prepare the records of one tile for :func:`stitch`.

    Parameters
    ----------
    records : sequence of MaskRecord
        Of the tile, in its own coordinates. Empty masks are left out.
    tiles : sequence of Tile
    number : int
        Which of the tiles.
    hw : (int, int)
        Size of the plane.
    """
    tile = tiles[number]
    margin = -(-max(tile.hw) // _RIM)
    pieces = []
    for record in records:
        top, left, bottom, right = Runs.of_counts(decompress(record.rle), tile.hw[0], tile.corner_yx).box
        if bottom > top:
            box = (top, left, bottom, right)
            owned = tile.owns((top + bottom) / 2, (left + right) / 2)
            pieces.append(Piece(record, number, tile.corner_yx, box, tile.cuts(box, hw, margin), owned))
    return pieces


def stitch(pieces: Sequence[Piece], tiles: Sequence[Tile], hw: tuple[int, int]) -> list[MaskRecord]:
    """Make the records of a plane from those of its tiles; the module says by which rules.

    Parameters
    ----------
    pieces : sequence of Piece
        Of all tiles, tile by tile.
    tiles : sequence of Tile
    hw : (int, int)
        Size of the plane.

    Returns
    -------
    list of MaskRecord
        In coordinates of the plane, in the order of the tiles. The scores of a joined record are the lowest of its
        pieces, its point is that of the largest.
    """
    return _Stitching(pieces, tiles, hw).records()


class _Stitching:
    """The pieces of a plane and who is whose partner."""

    def __init__(self, pieces: Sequence[Piece], tiles: Sequence[Tile], hw: tuple[int, int]) -> None:
        self._pieces = pieces
        self._tiles = tiles
        self._hw = hw
        self._boxes = np.array([piece.box for piece in pieces], np.int64).reshape(-1, 4)
        of_tile = np.array([piece.tile for piece in pieces], np.int64)
        self._bounds = np.searchsorted(of_tile, np.arange(len(tiles) + 1))
        self._neighbours = _neighbours(tiles)

    def records(self) -> list[MaskRecord]:
        groups = self._groups()
        chosen = [(group, self._chosen(group)) for group in groups]
        taken = {piece for _, found in chosen for piece in found}
        records = []
        for group, found in chosen:
            if found or self._is_free(group[0], taken):
                records.append(self._record(found or group))
        return records

    def _groups(self) -> list[list[int]]:
        """Numbers of the pieces that are one object, for each object."""
        near = [(first, second) for first, others in enumerate(self._neighbours) for second in others if first < second]
        pairs = [pair for first, second in near for pair in self._partners(first, second)]
        ours, theirs = np.array(pairs, np.int64).reshape(-1, 2).T
        size = len(self._pieces)
        graph = coo_matrix((np.ones(len(ours), np.int8), (ours, theirs)), shape=(size, size))
        groups: dict[int, list[int]] = {}
        for number, group in enumerate(connected_components(graph, directed=False)[1] if size else ()):
            groups.setdefault(int(group), []).append(number)
        return list(groups.values())

    def _partners(self, first: int, second: int) -> list[tuple[int, int]]:
        """Pieces of two tiles that are the same object."""
        shared = self._tiles[first].shared_with(self._tiles[second])
        if shared is None:
            return []
        rows, columns = shared
        window = np.array([rows.start, columns.start, rows.stop, columns.stop])
        ours, theirs = (self._of_tile(tile, window) for tile in (first, second))
        masks = {number: self._pieces[number].runs.within(rows, columns) for number in [*ours, *theirs]}
        pairs, scores = [], []
        for one in ours:
            for other in theirs[_touching(self._boxes[theirs], self._boxes[one])]:
                iou = _iou(masks[one], masks[other])
                if iou >= _SAME:
                    pairs.append((int(one), int(other)))
                    scores.append(iou)
        found = np.array(pairs, np.int64).reshape(-1, 2)
        return [pairs[i] for i in best_pairs(found[:, 0], found[:, 1], np.array(scores))]

    def _of_tile(self, tile: int, window: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the pieces of a tile that may have pixels in a window."""
        first, last = self._bounds[tile], self._bounds[tile + 1]
        return _touching(self._boxes[first:last], window) + int(first)

    def _chosen(self, group: list[int]) -> list[int]:
        """Pieces whose pixels make the object; none where it has to be seen whether the place is free."""
        whole = [number for number in group if not self._pieces[number].cut]
        owned = [number for number in group if self._pieces[number].owned]
        if len(group) == 1 and not owned:
            return []
        if not whole:
            return group
        return [next((number for number in whole if number in owned), whole[0])]

    def _is_free(self, number: int, taken: set[int]) -> bool:
        """Whether a piece that its tile does not own is whole, and nobody else's object lies there."""
        piece = self._pieces[number]
        if piece.cut:
            return False
        covered, runs = 0, piece.runs
        for other in self._around(piece):
            if other in taken:
                covered += runs.shared(self._pieces[other].runs)
        return covered < _TAKEN * runs.area

    def _around(self, piece: Piece) -> Iterator[int]:
        """Numbers of the pieces of other tiles whose boxes touch that of a piece."""
        box = np.array(piece.box)
        for tile in self._neighbours[piece.tile]:
            yield from (int(other) for other in self._of_tile(tile, box))

    def _record(self, numbers: list[int]) -> MaskRecord:
        pieces = [self._pieces[number] for number in numbers]
        runs = pieces[0].runs if len(pieces) == 1 else Runs.union([piece.runs for piece in pieces])
        largest = max(pieces, key=lambda piece: piece.record.area)
        top, left, bottom, right = runs.box
        return MaskRecord(
            rle=compress(runs.counts(self._hw), self._hw),
            bbox=(left, top, right - left - 1, bottom - top - 1),
            area=runs.area,
            predicted_iou=min(piece.record.predicted_iou for piece in pieces),
            point_coords=_moved_points(largest),
            stability_score=min(piece.record.stability_score for piece in pieces),
            crop_box=_around_all([_moved(piece.record.crop_box, piece.corner_yx) for piece in pieces]),
        )


def _neighbours(tiles: Sequence[Tile]) -> list[list[int]]:
    """Return, for each tile, the numbers of the others that see some of the same pixels."""
    windows = np.array([(t.rows.start, t.columns.start, t.rows.stop, t.columns.stop) for t in tiles], np.int64)
    return [
        [int(other) for other in _touching(windows, window) if other != number] for number, window in enumerate(windows)
    ]


def _touching(boxes: NDArray[np.int64], box: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the indices of the boxes (top, left, bottom, right) that share a pixel with one."""
    overlap = (boxes[:, :2] < box[2:]) & (boxes[:, 2:] > box[:2])
    return np.flatnonzero(overlap.all(axis=1))


def _iou(first: Runs, second: Runs) -> float:
    shared = first.shared(second)
    return shared / (first.area + second.area - shared) if shared else 0.0


def _moved_points(piece: Piece) -> tuple[tuple[float, float], ...]:
    top, left = piece.corner_yx
    return tuple((x + left, y + top) for x, y in piece.record.point_coords)


def _moved(box_xywh: tuple[int, int, int, int], corner_yx: tuple[int, int]) -> tuple[int, int, int, int]:
    x, y, width, height = box_xywh
    return x + corner_yx[1], y + corner_yx[0], width, height


def _around_all(boxes_xywh: list[tuple[int, int, int, int]]) -> tuple[int, int, int, int]:
    x, y = min(box[0] for box in boxes_xywh), min(box[1] for box in boxes_xywh)
    right, bottom = max(box[0] + box[2] for box in boxes_xywh), max(box[1] + box[3] for box in boxes_xywh)
    return x, y, right - x, bottom - y
