"""What the prompt layers hold, as values: snapshots that can be compared, undone, and turned into ``Prompts``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.view.planes import Plane
from napari_sam.types import Prompts

if TYPE_CHECKING:
    from napari.layers import Points, Shapes

POSITIVE = "positive"
NEGATIVE = "negative"
FEATURE = "prompt"


@dataclass(frozen=True, eq=False)
class PromptState:
    """Every prompt of one image and the candidates chosen for them: the unit of undo.

    Attributes
    ----------
    points : ndarray of float64, shape (N, ndim)
        Points in data coordinates of the image.
    labels : tuple of str
        "positive" or "negative", one per point.
    boxes : tuple of ndarray, each of shape (V, ndim)
        Corners of each shape in data coordinates.
    shape_types : tuple of str
        napari's shape type of each box.
    choices : mapping of plane to int
        Candidate the user picked on a plane; a plane without an entry shows the one with the best score.
    """

    points: NDArray[np.float64]
    labels: tuple[str, ...] = ()
    boxes: tuple[NDArray[np.float64], ...] = ()
    shape_types: tuple[str, ...] = ()
    choices: Mapping[Plane, int] = field(default_factory=lambda: MappingProxyType({}))

    def same_prompts(self, other: PromptState) -> bool:
        """Return whether both states hold the same points and boxes, choices aside."""
        return (
            self.labels == other.labels
            and self.shape_types == other.shape_types
            and np.array_equal(self.points, other.points)
            and len(self.boxes) == len(other.boxes)
            and all(np.array_equal(mine, theirs) for mine, theirs in zip(self.boxes, other.boxes, strict=True))
        )

    def with_choice(self, plane: Plane, choice: int | None) -> PromptState:
        """Return a copy with the candidate of one plane set, or forgotten with None."""
        choices = {known: value for known, value in self.choices.items() if known != plane}
        if choice is not None:
            choices[plane] = choice
        return replace(self, choices=MappingProxyType(choices))

    def without(self, plane: Plane) -> PromptState:
        """Return a copy without the prompts and the choice of one plane."""
        keep = ~plane.contains(self.points)
        boxes = [index for index, box in enumerate(self.boxes) if not plane.contains(box).all()]
        return replace(
            self,
            points=self.points[keep],
            labels=tuple(label for label, kept in zip(self.labels, keep, strict=True) if kept),
            boxes=tuple(self.boxes[index] for index in boxes),
            shape_types=tuple(self.shape_types[index] for index in boxes),
        ).with_choice(plane, None)

    def fingerprint(self, plane: Plane) -> tuple[object, ...]:
        """Return a hashable value that changes when a prompt on this plane does."""
        on_plane = plane.contains(self.points)
        labels = tuple(label for label, here in zip(self.labels, on_plane, strict=True) if here)
        boxes = tuple(box.tobytes() for box in self.boxes if plane.contains(box).all())
        return self.points[on_plane].tobytes(), labels, boxes


def read_state(points: Points, boxes: Shapes, choices: Mapping[Plane, int]) -> PromptState:
    """Return a snapshot of the two prompt layers. Points of an unknown category count as positive."""
    names = points.features[FEATURE].astype(str) if FEATURE in points.features else [POSITIVE] * len(points.data)
    return PromptState(
        points=np.array(points.data, np.float64).reshape(-1, points.ndim),
        labels=tuple(NEGATIVE if name == NEGATIVE else POSITIVE for name in names),
        boxes=tuple(np.array(box, np.float64) for box in boxes.data),
        shape_types=tuple(str(kind) for kind in boxes.shape_type),
        choices=MappingProxyType(dict(choices)),
    )


@dataclass(frozen=True, eq=False)
class PlanePrompts:
    """The prompts of one plane, one entry per object, and what had to be left out.

    Attributes
    ----------
    objects : tuple of Prompts
        One per object; empty when nothing can be asked of the model.
    note : str
        Why prompts were left out or what is still missing; empty when all is well.
    """

    objects: tuple[Prompts, ...]
    note: str = ""


def prompts_on(state: PromptState, plane: Plane) -> PlanePrompts:
    """Return what to ask the model on one plane.

    Every box is one object. A point belongs to the box that contains it (the last drawn one of several), a point in
    no box to the last box; without any box all points together are one object.
    """
    points, positive, outside = _points_on(state, plane)
    boxes, lost = _boxes_on(state, plane)
    outside += lost
    note = f"{outside} prompt(s) outside the image are ignored." if outside else ""
    if not boxes:
        if positive.any():
            return PlanePrompts((Prompts(points, positive.astype(int)),), note)
        missing = "Add a positive point or a box: negative points alone do not say which object is meant."
        return PlanePrompts((), missing if len(points) else note)
    owner = _owners(points, boxes)
    objects = []
    for index, box in enumerate(boxes):
        mine = owner == index
        some = bool(mine.any())
        objects.append(Prompts(points[mine] if some else None, positive[mine].astype(int) if some else None, box))
    return PlanePrompts(tuple(objects), note)


def _points_on(state: PromptState, plane: Plane) -> tuple[NDArray[np.float64], NDArray[np.bool_], int]:
    here = plane.contains(state.points)
    points = plane.to_plane(state.points[here])
    positive = np.array([label == POSITIVE for label, kept in zip(state.labels, here, strict=True) if kept], bool)
    limit = np.asarray(plane.shape_hw, np.float64) - 0.5
    inside = ((points >= -0.5) & (points <= limit)).all(axis=1)
    # A click on the outer half of a border pixel is a click on that pixel.
    clipped = np.clip(points[inside], 0, np.asarray(plane.shape_hw) - 1)
    return clipped, positive[inside], int((~inside).sum())


def _boxes_on(state: PromptState, plane: Plane) -> tuple[list[NDArray[np.float64]], int]:
    boxes, outside = [], 0
    last = np.asarray(plane.shape_hw, np.float64) - 1
    for corners in state.boxes:
        if not plane.contains(corners).all():
            continue
        rows = plane.to_plane(corners)
        low, high = np.clip(rows.min(axis=0), 0, last), np.clip(rows.max(axis=0), 0, last)
        if (high > low).all():
            boxes.append(np.concatenate([low, high]))
        else:
            outside += 1
    return boxes, outside


def _owners(points: NDArray[np.float64], boxes: list[NDArray[np.float64]]) -> NDArray[np.intp]:
    owner = np.full(len(points), len(boxes) - 1, np.intp)
    for index, box in enumerate(boxes):
        owner[((points >= box[:2]) & (points <= box[2:])).all(axis=1)] = index
    return owner
