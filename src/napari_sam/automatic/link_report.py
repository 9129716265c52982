"""What happened to the objects of a stack while they were linked: splits, merges, gaps, objects dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Plane = tuple[int, ...]
"""Which plane of a stack: an index for each dimension that stacks planes."""


@dataclass(frozen=True)
class Split:
    """An object that continues as several.

    Attributes
    ----------
    plane : tuple of int
        First plane of the parts.
    parent : int
        Id of the object before; the part that fits it best keeps the id.
    children : tuple of int
        Ids of the parts.
    """

    plane: Plane
    parent: int
    children: tuple[int, ...]


@dataclass(frozen=True)
class Merge:
    """Several objects that continue as one.

    Attributes
    ----------
    plane : tuple of int
        First plane of what they became.
    parents : tuple of int
        Ids of the objects before.
    child : int
        Id of what they became: that of the parent that fits best.
    """

    plane: Plane
    parents: tuple[int, ...]
    child: int


@dataclass(frozen=True)
class Gap:
    """An object that was missing between two planes.

    Attributes
    ----------
    id : int
    planes : tuple of tuple of int
        Where it is missing.
    """

    id: int
    planes: tuple[Plane, ...]


@dataclass(frozen=True)
class Dropped:
    """An object that was removed because it is too small or on too few planes.

    Attributes
    ----------
    plane : tuple of int
        Its first plane.
    label : int
        Its id in the labels of that plane.
    volume : int
        Pixels on all planes.
    length : int
        Number of planes it is on.
    reason : {"min_volume", "min_length"}
        The parameter that removed it.
    """

    plane: Plane
    label: int
    volume: int
    length: int
    reason: Literal["min_volume", "min_length"]


@dataclass(frozen=True)
class LinkReport:
    """What happened to the objects of a stack, in the order of its planes; ids are those of the stack."""

    splits: tuple[Split, ...] = ()
    merges: tuple[Merge, ...] = ()
    gaps: tuple[Gap, ...] = ()
    dropped: tuple[Dropped, ...] = ()

    def __add__(self, other: LinkReport) -> LinkReport:
        return LinkReport(
            self.splits + other.splits,
            self.merges + other.merges,
            self.gaps + other.gaps,
            self.dropped + other.dropped,
        )
