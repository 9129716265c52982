"""From what the layers hold to what the model is asked: the prompts of one plane, object by object."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_sam.geometry.masks import PlaneMask
from napari_sam.gui.prompting.masks import MaskPrompt
from napari_sam.gui.prompting.shapes import AREAS, SCRIBBLES, area_of, box_of, scribble_points
from napari_sam.gui.prompting.state import FEATURE, NEGATIVE, POSITIVE, PromptState, read_state
from napari_sam.gui.view.planes import Plane
from napari_sam.types import Prompts

__all__ = [
    "FEATURE",
    "NEGATIVE",
    "POSITIVE",
    "MaskPrompt",
    "ObjectPrompts",
    "PlaneMask",
    "PlanePrompts",
    "PromptState",
    "prompts_on",
    "read_state",
]

ONLY_NEGATIVE = "Add a positive point or a box: negative points alone do not say which object is meant."
# Scribbles get one point for this share of the plane's longer side.
SCRIBBLE_SPACING = 1 / 40


@dataclass(frozen=True, eq=False)
class ObjectPrompts:
    """What is asked about one object, in pixels of the plane or of a window of it.

    Attributes
    ----------
    prompts : Prompts
        Points and box; empty where there is only a mask.
    mask : PlaneMask or None
        Drawn or existing mask that is handed to the model as logits.
    object_id : int or None
        Committed object that is being edited.
    clicked_only : bool
        Whether only those connected pieces of a mask count that hold a positive point, if any does.
    """

    prompts: Prompts
    mask: PlaneMask | None = None
    object_id: int | None = None
    clicked_only: bool = False

    @property
    def is_fixed(self) -> bool:
        """Whether the mask itself is the answer: an object opened for editing that nothing was added to yet."""
        return self.object_id is not None and self.mask is not None and self.prompts.is_empty

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The rectangle around points, box and mask: (top, left, bottom, right)."""
        corners = [] if self.prompts.points_yx is None else [self.prompts.points_yx]
        corners += [] if self.prompts.box_yxyx is None else [self.prompts.box_yxyx.reshape(2, 2)]
        corners += [] if self.mask is None else [np.array(self.mask.bounds, np.float64).reshape(2, 2)]
        rows = np.concatenate(corners)
        (top, left), (bottom, right) = rows.min(axis=0), rows.max(axis=0)
        return float(top), float(left), float(bottom), float(right)

    def shifted(self, rows: int, columns: int) -> ObjectPrompts:
        """Return the same prompts this much farther down and right: (-top, -left) goes to a window's own pixels."""
        points, box, shift = self.prompts.points_yx, self.prompts.box_yxyx, np.array([rows, columns], np.float64)
        moved = Prompts(
            None if points is None else points + shift,
            self.prompts.labels,
            None if box is None else box + np.tile(shift, 2),
        )
        return replace(self, prompts=moved, mask=None if self.mask is None else self.mask.shifted(rows, columns))


@dataclass(frozen=True, eq=False)
class PlanePrompts:
    """The prompts of one plane, one entry per object, and what had to be left out.

    Attributes
    ----------
    objects : tuple of ObjectPrompts
        One per object; empty when nothing can be asked of the model.
    note : str
        Why prompts were left out or what is still missing; empty when all is well.
    """

    objects: tuple[ObjectPrompts, ...]
    note: str = ""


def prompts_on(state: PromptState, plane: Plane) -> PlanePrompts:
    """Return what to ask the model on one plane.

    Every rectangle is an object with a box, every ellipse and polygon an object with a mask and its box; an existing
    mask is the first object. A rectangle around most of that mask is its box, and no further object. A point belongs
    to the area that holds it (the last drawn one of several), a scribble to the area that holds most of it; what lies
    in no area belongs to the existing mask, or without one to the area drawn last. Without any area, all points and
    scribbles together are one object. An object opened for editing together with the prompts it was made with is the
    first one that these stand for.
    """
    existing = state.masks.get(plane)
    if existing is not None and existing.by_prompts:
        again = prompts_on(state.with_mask(plane, None), plane)
        if again.objects:
            first = replace(again.objects[0], object_id=existing.object_id)
            return PlanePrompts((first, *again.objects[1:]), again.note)
    strokes, outside = _strokes(state, plane)
    areas, lost = _areas(state, plane)
    outside += lost
    note = f"{outside} prompt(s) outside the image are ignored." if outside else ""
    if not areas:
        if any(stroke.positive for stroke in strokes):
            return PlanePrompts((ObjectPrompts(_prompts(strokes)),), note)
        return PlanePrompts((), ONLY_NEGATIVE if strokes else note)
    fallback = 0 if plane in state.masks else len(areas) - 1
    owners = [_owner(stroke, areas, fallback) for stroke in strokes]
    objects = []
    for index, area in enumerate(areas):
        mine = [stroke for stroke, owner in zip(strokes, owners, strict=True) if owner == index]
        objects.append(ObjectPrompts(_prompts(mine, area.box), area.mask, area.object_id))
    return PlanePrompts(tuple(objects), note)


@dataclass(frozen=True, eq=False)
class _Stroke:
    """A click, or a scribble as points along it."""

    points_yx: NDArray[np.float64]
    positive: bool


@dataclass(frozen=True, eq=False)
class _Area:
    """A shape that stands for an object of its own: its box, its mask, or both."""

    box: NDArray[np.float64] | None
    mask: PlaneMask | None = None
    object_id: int | None = None

    def holds(self, points_yx: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which points lie in the mask, or without one in the box."""
        if self.mask is not None:
            return self.mask.holds(points_yx)
        if self.box is None:
            return np.zeros(len(points_yx), bool)
        return np.asarray(((points_yx >= self.box[:2]) & (points_yx <= self.box[2:])).all(axis=1))

    def is_around(self, mask: PlaneMask) -> bool:
        """Return whether this is a plain box with at least half of a mask in it."""
        if self.box is None or self.mask is not None:
            return False
        (top, left), (height, width) = np.ceil(self.box[:2] - mask.top_left).astype(int), mask.mask.shape
        bottom, right = np.floor(self.box[2:] - mask.top_left).astype(int) + 1
        held = mask.mask[max(top, 0) : min(max(bottom, 0), height), max(left, 0) : min(max(right, 0), width)]
        return bool(2 * np.count_nonzero(held) >= np.count_nonzero(mask.mask))


def _owner(stroke: _Stroke, areas: list[_Area], fallback: int) -> int:
    held = [int(area.holds(stroke.points_yx).sum()) for area in areas]
    most = max(held)
    return fallback if most == 0 else max(index for index, count in enumerate(held) if count == most)


def _prompts(strokes: list[_Stroke], box: NDArray[np.float64] | None = None) -> Prompts:
    if not strokes:
        return Prompts(box_yxyx=box)
    labels = [int(stroke.positive) for stroke in strokes for _ in stroke.points_yx]
    return Prompts(np.concatenate([stroke.points_yx for stroke in strokes]), labels, box)


def _strokes(state: PromptState, plane: Plane) -> tuple[list[_Stroke], int]:
    """Return clicks, then scribbles, on a plane, and how many lie outside of the image."""
    found, outside = [], 0
    for point, label in zip(state.points, state.labels, strict=True):
        if plane.contains(point)[0]:
            found.append(_Stroke(_inside(plane.to_plane(point), plane), label == POSITIVE))
    spacing = max(plane.shape_hw) * SCRIBBLE_SPACING
    for vertices, kind, label in _shapes_on(state, plane):
        if kind in SCRIBBLES:
            found.append(_Stroke(_inside(scribble_points(vertices, spacing), plane), label == POSITIVE))
    kept = [stroke for stroke in found if len(stroke.points_yx)]
    outside = len(found) - len(kept)
    return kept, outside


def _inside(points_yx: NDArray[np.float64], plane: Plane) -> NDArray[np.float64]:
    limit = np.asarray(plane.shape_hw, np.float64) - 0.5
    inside = ((points_yx >= -0.5) & (points_yx <= limit)).all(axis=1)
    # A click on the outer half of a border pixel is a click on that pixel.
    return np.clip(points_yx[inside], 0, np.asarray(plane.shape_hw) - 1)


def _areas(state: PromptState, plane: Plane) -> tuple[list[_Area], int]:
    """Return the existing mask, then the drawn areas, and how many lie outside of the image."""
    areas, outside = [], 0
    known = state.masks.get(plane)
    if known is not None:
        # An object opened for editing may grow; another mask is as rough as a drawn one, whose box helps the model.
        box = None if known.object_id is not None else np.array(known.plane_mask.bounds, np.float64)
        areas.append(_Area(box, known.plane_mask, known.object_id))
    for vertices, kind, _ in _shapes_on(state, plane):
        area = None if kind in SCRIBBLES else _area(vertices, kind, plane)
        if area is None:
            outside += kind not in SCRIBBLES
        elif known is not None and area.is_around(known.plane_mask):
            areas[0] = replace(areas[0], box=area.box)
        else:
            areas.append(area)
    return areas, outside


def _area(vertices_yx: NDArray[np.float64], kind: str, plane: Plane) -> _Area | None:
    if kind in AREAS:
        mask = area_of(kind, vertices_yx, plane.shape_hw)
        return None if mask is None else _Area(np.array(mask.bounds, np.float64), mask)
    box = box_of(vertices_yx, plane.shape_hw)
    return None if box is None else _Area(box)


def _shapes_on(state: PromptState, plane: Plane) -> list[tuple[NDArray[np.float64], str, str]]:
    shapes = zip(state.boxes, state.shape_types, state.shape_labels, strict=True)
    return [(plane.to_plane(data), kind, label) for data, kind, label in shapes if plane.contains(data).all()]
