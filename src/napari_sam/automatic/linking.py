"""Which objects of neighbouring planes are the same: ids of a stack from labels of its planes.

Objects of neighbouring planes belong together where they overlap by at least ``link_iou`` (IoU). Each object has at
most one partner on the plane before and one on the plane after: of all ways to pair objects the one with the largest
sum of IoUs is taken (optimal assignment; taking the best pair first instead can cost a row of moving neighbours all
their partners). What found no partner on the plane before may continue an object that was last seen up to
``link_gap`` planes earlier. An object of which more than half lies in an object before it, but which is not its
partner, was split off; one that ends while more than half of it lies in an object behind it merged with that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_sam.automatic.config import StackConfig
from napari_sam.automatic.link_report import Dropped, Gap, LinkReport, Merge, Plane, Split
from napari_sam.errors import ImageError
from napari_sam.geometry.overlaps import best_pairs, label_areas, overlap_counts

_LARGEST_ID = int(np.iinfo(np.uint32).max)
_MOST = 0.5  # of an object must lie in another to have come from it, or to have gone into it


@dataclass(frozen=True, eq=False)
class Linked:
    """Ids of a stack.

    Attributes
    ----------
    tables : tuple of ndarray of uint32
        For each plane, in the order in which they were added: ``tables[k][labels]`` are the ids of the stack, 0 where
        an object was dropped.
    last_id : int
        The highest id. Ids are given without a gap, in the order in which objects appear.
    report : LinkReport
    """

    tables: tuple[NDArray[np.uint32], ...]
    last_id: int
    report: LinkReport


@dataclass
class _Track:
    """One object so far."""

    plane: Plane
    label: int
    volume: int = 0
    length: int = 0
    last: int = -1  # index of the last plane it is on


@dataclass(frozen=True, eq=False)
class _Labelled:
    """A plane that may still be linked to."""

    index: int
    labels: Any
    areas: NDArray[np.int64]
    tracks: NDArray[np.int64]  # of each label; -1: none


@dataclass(frozen=True, eq=False)
class _Contact:
    """Overlaps of the objects of two planes."""

    before: _Labelled
    after: _Labelled
    ours: NDArray[np.int64]
    theirs: NDArray[np.int64]
    pixels: NDArray[np.int64]
    chosen: NDArray[np.int64]  # indices of pairs that are the same object

    def splits(self) -> Iterator[tuple[int, list[int]]]:
        """Yield the track of each object that became several, and theirs."""
        inside = self.pixels > _MOST * self.after.areas[self.theirs]
        for label, parts in _families(self.ours, self.theirs, self.chosen, inside):
            yield int(self.before.tracks[label]), self.after.tracks[parts].tolist()

    def merges(self) -> Iterator[tuple[list[int], int]]:
        """Yield the tracks of objects that became one, and its track."""
        inside = self.pixels > _MOST * self.before.areas[self.ours]
        for label, parts in _families(self.theirs, self.ours, self.chosen, inside):
            yield self.before.tracks[parts].tolist(), int(self.after.tracks[label])


@dataclass
class _Events:
    """What happened, in numbers of tracks."""

    splits: list[tuple[Plane, int, list[int]]] = field(default_factory=list)
    merges: list[tuple[Plane, list[int], int]] = field(default_factory=list)
    gaps: list[tuple[int, tuple[Plane, ...]]] = field(default_factory=list)


class StackLinker:
    """Links the planes of one series, which come one after another; the module says by which rules.

    Holds the labels of the last ``link_gap`` + 1 planes.

    Parameters
    ----------
    config : StackConfig
        With ``link="none"`` no object continues on another plane, and nothing is dropped.
    first_id : int
        Ids begin here.
    """

    def __init__(self, config: StackConfig, first_id: int = 1) -> None:
        self._config = config
        self._first_id = first_id
        self._recent: deque[_Labelled] = deque(maxlen=config.link_gap + 1)
        self._planes: list[Plane] = []
        self._tracks: list[_Track] = []
        self._owners: list[NDArray[np.int64]] = []
        self._events = _Events()

    def add(self, labels: Any, plane: Plane | None = None) -> NDArray[np.uint32]:
        """Add the next plane.

        Parameters
        ----------
        labels : array of integers, shape (H, W)
            0 is background. Kept as long as later planes can be linked to it: do not change it. Numpy, or anything
            that can be sliced: it is read in bands of rows.
        plane : tuple of int, optional
            Its name in the report; (0,), (1,) ... when left out.

        Returns
        -------
        ndarray of uint32
            The ids so far, ``table[labels]``: linked and unique already. Nothing is dropped yet, and :meth:`finish`
            numbers without gaps.

        Raises
        ------
        ImageError
            If the plane has another size than those before, or there are more objects than labels can number.
        """
        self._check(labels)
        areas = label_areas(labels)
        new = _Labelled(len(self._planes), labels, areas, np.full(len(areas), -1, np.int64))
        self._planes.append((new.index,) if plane is None else plane)
        contacts = [self._link(earlier, new) for earlier in reversed(self._recent)]
        self._count(new)
        for contact in contacts[:1]:  # splits and merges: with the plane before only
            self._events.splits += [(self._planes[-1], parent, parts) for parent, parts in contact.splits()]
            self._events.merges += [(self._planes[-1], parts, child) for parts, child in contact.merges()]
        if self._config.link != "none":
            self._recent.append(new)
        self._owners.append(new.tracks)
        ids = np.where(new.tracks < 0, 0, new.tracks + self._first_id)
        return ids.astype(np.uint32)

    def finish(self) -> Linked:
        """Return the ids of all planes that were added."""
        flaws = {number: flaw for number, track in enumerate(self._tracks) if (flaw := self._flaw(track)) is not None}
        kept = np.ones(len(self._tracks) + 1, np.bool_)
        kept[[*flaws, -1]] = False  # the last entry is what -1 finds: no object
        ids = np.where(kept, np.cumsum(kept) + (self._first_id - 1), 0).astype(np.uint32)
        lost = [(self._tracks[number], flaw) for number, flaw in flaws.items()]
        report = LinkReport(
            *_told(self._events, ids),
            dropped=tuple(Dropped(one.plane, one.label, one.volume, one.length, flaw) for one, flaw in lost),
        )
        last_id = self._first_id - 1 + int(np.count_nonzero(kept))
        return Linked(tuple(ids[tracks] for tracks in self._owners), last_id, report)

    def _check(self, labels: Any) -> None:
        shape = tuple(labels.shape)
        if len(shape) != 2 or np.dtype(labels.dtype).kind not in "bui":
            raise ImageError(f"A plane of labels has whole numbers and shape (H, W), not {labels.dtype} and {shape}.")
        if self._recent and shape != tuple(self._recent[-1].labels.shape):
            before = tuple(self._recent[-1].labels.shape)
            raise ImageError(f"The planes of a stack have one size, but after one of {before} comes one of {shape}.")

    def _link(self, earlier: _Labelled, new: _Labelled) -> _Contact:
        """Continue the objects that were last seen on an earlier plane."""
        ours, theirs, pixels = overlap_counts(earlier.labels, new.labels)
        iou = pixels / (earlier.areas[ours] + new.areas[theirs] - pixels)
        ended = np.array([self._tracks[track].last == earlier.index for track in earlier.tracks[ours]], np.bool_)
        possible = np.flatnonzero(ended & (new.tracks[theirs] < 0) & (iou >= self._config.link_iou))
        chosen = possible[best_pairs(ours[possible], theirs[possible], iou[possible])]
        new.tracks[theirs[chosen]] = earlier.tracks[ours[chosen]]
        missing = tuple(self._planes[earlier.index + 1 : new.index])
        if missing:
            self._events.gaps += [(int(track), missing) for track in earlier.tracks[ours[chosen]]]
        for track in earlier.tracks[ours[chosen]]:
            self._tracks[track].last = new.index
        return _Contact(earlier, new, ours, theirs, pixels, chosen)

    def _count(self, new: _Labelled) -> None:
        """Begin a track for each new object, and count pixels and planes of all."""
        labels = np.flatnonzero(new.areas)
        begun = labels[new.tracks[labels] < 0]
        if self._first_id + len(self._tracks) + len(begun) - 1 > _LARGEST_ID:
            raise ImageError(
                f"There are more than {_LARGEST_ID:,} objects, which is all that labels can number. Segment fewer "
                "planes at a time, or drop small objects (min_area)."
            )
        new.tracks[begun] = np.arange(len(self._tracks), len(self._tracks) + len(begun))
        self._tracks += [_Track(self._planes[-1], int(label)) for label in begun]
        for label in labels:
            track = self._tracks[new.tracks[label]]
            track.volume += int(new.areas[label])
            track.length += 1
            track.last = new.index

    def _flaw(self, track: _Track) -> Literal["min_volume", "min_length"] | None:
        if self._config.link == "none":
            return None
        if track.length < self._config.min_length:
            return "min_length"
        return "min_volume" if track.volume < self._config.min_volume else None


def _families(
    heads: NDArray[np.int64], members: NDArray[np.int64], chosen: NDArray[np.int64], inside: NDArray[np.bool_]
) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield each head with two or more members: its partner, and those that lie in it and have no partner."""
    belongs = inside & ~np.isin(members, members[chosen])
    belongs[chosen] = True
    found, counts = np.unique(heads[belongs], return_counts=True)
    for head in found[counts > 1]:
        yield int(head), members[belongs & (heads == head)]


def _told(events: _Events, ids: NDArray[np.uint32]) -> tuple[tuple[Split, ...], tuple[Merge, ...], tuple[Gap, ...]]:
    """Put ids in place of tracks, and leave out what concerns objects that were dropped."""
    splits, merges = [], []
    for plane, parent, parts in events.splits:
        children = _kept(parts, ids)
        if ids[parent] and len(children) > 1:
            splits.append(Split(plane, int(ids[parent]), children))
    for plane, parts, child in events.merges:
        parents = _kept(parts, ids)
        if ids[child] and len(parents) > 1:
            merges.append(Merge(plane, parents, int(ids[child])))
    gaps = tuple(Gap(int(ids[track]), planes) for track, planes in events.gaps if ids[track])
    return tuple(splits), tuple(merges), gaps


def _kept(tracks: list[int], ids: NDArray[np.uint32]) -> tuple[int, ...]:
    return tuple(sorted(int(ids[track]) for track in tracks if ids[track]))
