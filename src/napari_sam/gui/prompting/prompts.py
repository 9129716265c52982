"""What the prompt layers hold, as values: snapshots that can be compared, undone, and turned into ``Prompts``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.prompting.masks import MaskPrompt, PlaneMask
from napari_sam.gui.view.planes import Plane
from napari_sam.types import Prompts

if TYPE_CHECKING:
    from napari.layers import Points, Shapes

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
    shape_labels : tuple of str
        "positive" or "negative", one per shape; only that of a scribble matters. Empty: all are positive.
    masks : mapping of plane to MaskPrompt
        The existing mask used as a prompt on a plane.
    """

    points: NDArray[np.float64]
    labels: tuple[str, ...] = ()
    boxes: tuple[NDArray[np.float64], ...] = ()
    shape_types: tuple[str, ...] = ()
    choices: Mapping[Plane, int] = field(default_factory=lambda: MappingProxyType({}))
    shape_labels: tuple[str, ...] = ()
    masks: Mapping[Plane, MaskPrompt] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        if len(self.shape_labels) != len(self.boxes):
            object.__setattr__(self, "shape_labels", (POSITIVE,) * len(self.boxes))

    def same_prompts(self, other: PromptState) -> bool:
        """Return whether both states hold the same points, shapes and masks, choices aside."""
        return (
            self.labels == other.labels
            and self.shape_types == other.shape_types
            and self.shape_labels == other.shape_labels
            and {mask.key for mask in self.masks.values()} == {mask.key for mask in other.masks.values()}
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

    def with_mask(self, plane: Plane, mask: MaskPrompt | None) -> PromptState:
        """Return a copy with the mask prompt of one plane set, or removed with None."""
        masks = {known: value for known, value in self.masks.items() if known != plane}
        if mask is not None:
            masks[plane] = mask
        return replace(self, masks=MappingProxyType(masks))

    def without(self, plane: Plane) -> PromptState:
        """Return a copy without the prompts and the choice of one plane."""
        keep = ~plane.contains(self.points)
        boxes = [index for index, box in enumerate(self.boxes) if not plane.contains(box).all()]
        left = replace(
            self,
            points=self.points[keep],
            labels=tuple(label for label, kept in zip(self.labels, keep, strict=True) if kept),
            boxes=tuple(self.boxes[index] for index in boxes),
            shape_types=tuple(self.shape_types[index] for index in boxes),
            shape_labels=tuple(self.shape_labels[index] for index in boxes),
        )
        return left.with_mask(plane, None).with_choice(plane, None)

    def fingerprint(self, plane: Plane) -> tuple[object, ...]:
        """Return a hashable value that changes when a prompt on this plane does."""
        on_plane = plane.contains(self.points)
        labels = tuple(label for label, here in zip(self.labels, on_plane, strict=True) if here)
        shapes = tuple(
            (box.tobytes(), kind, label)
            for box, kind, label in zip(self.boxes, self.shape_types, self.shape_labels, strict=True)
            if plane.contains(box).all()
        )
        mask = self.masks.get(plane)
        return self.points[on_plane].tobytes(), labels, shapes, None if mask is None else mask.key


def read_state(points: Points, boxes: Shapes, known: PromptState | None = None) -> PromptState:
    """Return a snapshot of the two prompt layers. Prompts of an unknown category count as positive.

    Parameters
    ----------
    points : Points
    boxes : Shapes
    known : PromptState, optional
        Where the choices and the mask prompts come from, which no layer holds.
    """
    return PromptState(
        points=np.array(points.data, np.float64).reshape(-1, points.ndim),
        labels=_categories(points, len(points.data)),
        boxes=tuple(np.array(box, np.float64) for box in boxes.data),
        shape_types=tuple(str(kind) for kind in boxes.shape_type),
        choices=MappingProxyType({} if known is None else dict(known.choices)),
        shape_labels=_categories(boxes, len(boxes.data)),
        masks=MappingProxyType({} if known is None else dict(known.masks)),
    )


def _categories(layer: Points | Shapes, count: int) -> tuple[str, ...]:
    names = layer.features[FEATURE].astype(str) if FEATURE in layer.features else [POSITIVE] * count
    return tuple(NEGATIVE if name == NEGATIVE else POSITIVE for name in names)


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
    """

    prompts: Prompts
    mask: PlaneMask | None = None
    object_id: int | None = None

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
        return ObjectPrompts(moved, None if self.mask is None else self.mask.shifted(rows, columns), self.object_id)


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

    Every box is one object. A point belongs to the box that contains it (the last drawn one of several), a point in
    no box to the last box; without any box all points together are one object.
    """
    points, positive, outside = _points_on(state, plane)
    boxes, lost = _boxes_on(state, plane)
    outside += lost
    note = f"{outside} prompt(s) outside the image are ignored." if outside else ""
    mask = state.masks.get(plane)
    if not boxes and mask is None:
        if positive.any():
            return PlanePrompts((ObjectPrompts(_prompts(points, positive)),), note)
        missing = "Add a positive point or a box: negative points alone do not say which object is meant."
        return PlanePrompts((), missing if len(points) else note)
    objects = []
    owner = _owners(points, boxes)
    if mask is not None:
        free = owner < 0
        objects.append(ObjectPrompts(_prompts(points[free], positive[free]), mask.plane_mask, mask.object_id))
    else:
        owner[owner < 0] = len(boxes) - 1
    for index, box in enumerate(boxes):
        mine = owner == index
        objects.append(ObjectPrompts(_prompts(points[mine], positive[mine], box)))
    return PlanePrompts(tuple(objects), note)


def _prompts(
    points: NDArray[np.float64], positive: NDArray[np.bool_], box: NDArray[np.float64] | None = None
) -> Prompts:
    return Prompts(points, positive.astype(int), box) if len(points) else Prompts(box_yxyx=box)


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
    owner = np.full(len(points), -1, np.intp)
    for index, box in enumerate(boxes):
        owner[((points >= box[:2]) & (points <= box[2:])).all(axis=1)] = index
    return owner
