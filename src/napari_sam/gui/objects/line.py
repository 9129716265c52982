"""The planes along one axis of a stack, what is known of an object on them, and how one more plane is written."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.geometry.masks import PlaneMask, trimmed
from napari_sam.gui.objects.find import Region
from napari_sam.gui.objects.patches import LabelPatch, plane_patch, window
from napari_sam.gui.objects.plan import ONLY_BACKGROUND, REPLACE, plan_commit
from napari_sam.gui.objects.records import RecordBook
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.layers import Labels


@dataclass(frozen=True)
class Line:
    """The planes before and after one along an axis.

    Attributes
    ----------
    plane : Plane
        One of them.
    axis : int
        Data axis to go along; not one of the plane's own.
    length : int
        Number of planes.
    """

    plane: Plane
    axis: int
    length: int

    @property
    def start(self) -> int:
        """Where ``plane`` is."""
        return self.plane.index[self._at]

    @property
    def _at(self) -> int:
        return self.plane.other_axes.index(self.axis)

    def plane_at(self, position: int) -> Plane:
        """Return one of the planes."""
        index = self.plane.index
        return replace(self.plane, index=(*index[: self._at], position, *index[self._at + 1 :]))

    def where(self, plane: Plane) -> int | None:
        """Return where a plane is, or None if it is not one of these."""
        if plane.ndim != self.plane.ndim or plane.axes != self.plane.axes:
            return None
        position = plane.index[self._at]
        return position if self.plane_at(position) == plane else None


@dataclass(frozen=True, eq=False)
class Known:
    """What is known of an object along a line, by position.

    Attributes
    ----------
    given : dict of int to PlaneMask
        What the user committed, corrected or painted: never changed.
    found : dict of int to Region
        What an earlier walk found, and nobody has touched: found anew.
    barriers : set of int
        Where the user has removed it.
    """

    given: dict[int, PlaneMask] = field(default_factory=dict)
    found: dict[int, Region] = field(default_factory=dict)
    barriers: set[int] = field(default_factory=set)


def known_along(
    line: Line, object_id: int, regions: Iterable[Region], records: RecordBook, edited: Collection[Plane]
) -> Known:
    """Return what is known of an object along a line.

    Parameters
    ----------
    line : Line
        Its ``plane`` counts as given, whoever made the object there.
    object_id : int
    regions : iterable of Region
        The object on every plane it lies on.
    records : RecordBook
        How it came to be there.
    edited : collection of Plane
        Planes on which it is open for editing.
    """
    known = Known()
    for region in regions:
        position = line.where(region.plane)
        if position is None:
            continue
        record = records.get(object_id, region.plane)
        untouched = record is not None and record.propagated and record.has_pixels(region.top_left, region.mask)
        if untouched and position != line.start and region.plane not in edited:
            known.found[position] = region
        else:
            known.given[position] = PlaneMask(region.top_left, region.mask)
    recorded = {line.where(plane) for plane in records.planes(object_id)}
    known.barriers.update(at for at in recorded if at is not None and at not in known.given and at not in known.found)
    return known


def rewrite(
    layer: Labels, plane: Plane, object_id: int, mask: PlaneMask | None, old: Region | None, overlap: str
) -> tuple[LabelPatch | None, PlaneMask | None]:
    """Return the change that puts an object where it was found, and the pixels it then has.

    Parameters
    ----------
    layer : Labels
        Only read.
    plane : Plane
    object_id : int
    mask : PlaneMask or None
        Where it was found; None removes it.
    old : Region or None
        What an earlier walk wrote: it goes.
    overlap : str
        What becomes of other objects' pixels; only "replace" takes them.
    """
    rects = [PlaneMask(one.top_left, one.mask) for one in (mask, old) if one is not None]
    if not rects:
        return None, None
    top, left = (min(one.bounds[axis] for one in rects) for axis in (0, 1))
    bottom, right = (max(one.bounds[axis] for one in rects) for axis in (2, 3))
    shape = (bottom - top + 1, right - left + 1)
    existing = np.asarray(layer.data[window(plane, (top, left), shape)])
    proposal = np.zeros(shape, np.uint8) if mask is None else mask.shifted(-top, -left).within(shape).astype(np.uint8)
    given_up = {} if old is None else {object_id: PlaneMask(old.top_left, old.mask).shifted(-top, -left).within(shape)}
    policy = REPLACE if overlap == REPLACE else ONLY_BACKGROUND
    target = plan_commit(proposal, existing, [object_id], policy, given_up).target
    written = trimmed(PlaneMask((top, left), (proposal > 0) & (target == object_id)))
    return plane_patch(plane, (top, left), existing, target), written
