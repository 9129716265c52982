"""Which pixels a commit writes: ids, overlap with what is there already, and what an edited object gives up.

Everything here concerns one rectangle of one plane and is plain numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEEP = "keep"
REPLACE = "replace"
ONLY_BACKGROUND = "only background"
OVERLAPS = (KEEP, REPLACE, ONLY_BACKGROUND)
INSTANCE = "instance"
SEMANTIC = "semantic"
MODES = (INSTANCE, SEMANTIC)
# Less than this share free: most likely the same object committed a second time.
LEAST_FREE = 0.1


@dataclass(frozen=True)
class CommitSettings:
    """What the controls say about the next commit.

    Attributes
    ----------
    overlap : str
        "keep", "replace" or "only background".
    mode : str
        "instance": every object has an id of its own; "semantic": all objects of a class share the class's id.
    class_id : int
        Class in semantic mode, from 1.
    class_name : str
        What the user calls it; may be empty.
    object_id : int
        In instance mode the id to commit as, to go on with an object; 0 is the next free id.
    """

    overlap: str = KEEP
    mode: str = INSTANCE
    class_id: int = 1
    class_name: str = ""
    object_id: int = 0


@dataclass(frozen=True, eq=False)
class Plan:
    """What a commit makes of a rectangle.

    Attributes
    ----------
    target : ndarray of uint32, shape (h, w)
        What the rectangle shall hold.
    refused : mapping of int to int
        Proposed objects, by their number in the proposal, that are left out because nearly all of their pixels belong
        to others already; the value is the id that has most of them.
    """

    target: NDArray[np.uint32]
    refused: Mapping[int, int]


def plan_commit(
    proposal: NDArray[Any],
    existing: NDArray[Any],
    ids: Sequence[int],
    overlap: str = KEEP,
    given_up: Mapping[int, NDArray[np.bool_]] | None = None,
) -> Plan:
    """Return what a rectangle of the objects layer holds after the commit.

    Parameters
    ----------
    proposal : ndarray of int, shape (h, w)
        Proposed objects, 0 where there is none.
    existing : ndarray of int, shape (h, w)
        The objects that are there.
    ids : sequence of int
        Id to write for the proposed objects 1, 2, ...; pixels that have it already count as free.
    overlap : str
        "keep" writes free pixels and refuses what is nearly wholly taken, "only background" writes whatever is free,
        "replace" overwrites.
    given_up : mapping of int to ndarray of bool, shape (h, w)
        For the ids of edited objects: the pixels that were opened for editing. Those that are not proposed again
        become background; an edited object is never refused.
    """
    edited = given_up or {}
    target = existing.astype(np.uint32)
    for object_id, mask in edited.items():
        target[mask & (existing == object_id)] = 0
    wanted_ids = np.array([0, *ids], np.uint32)[proposal]
    wanted = wanted_ids > 0
    if overlap == REPLACE:
        np.copyto(target, wanted_ids, where=wanted)
        return Plan(target, {})
    free = wanted & ((target == 0) | (target == wanted_ids))
    refused = {}
    if overlap == KEEP:
        refused = _taken(proposal, target, wanted, free, ids, frozenset(edited))
        for number in refused:
            free &= proposal != number
    np.copyto(target, wanted_ids, where=free)
    return Plan(target, refused)


def _taken(
    proposal: NDArray[Any],
    target: NDArray[np.uint32],
    wanted: NDArray[np.bool_],
    free: NDArray[np.bool_],
    ids: Sequence[int],
    never: frozenset[int],
) -> dict[int, int]:
    sizes, frees = _counts(proposal, wanted, len(ids)), _counts(proposal, free, len(ids))
    taken = np.flatnonzero((sizes > 0) & (frees < LEAST_FREE * sizes))
    return {
        int(number): _most_of(target[(proposal == number) & ~free])
        for number in taken
        if ids[int(number) - 1] not in never
    }


def _counts(proposal: NDArray[Any], where: NDArray[np.bool_], highest: int) -> NDArray[np.intp]:
    if highest == 1:
        return np.array([0, np.count_nonzero(where)])
    return np.bincount(proposal[where], minlength=highest + 1)


def _most_of(values: NDArray[np.uint32]) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])
