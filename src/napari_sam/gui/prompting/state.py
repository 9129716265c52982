"""What the prompt layers hold, as values: snapshots that can be compared and undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.prompting.masks import MaskPrompt
from napari_sam.gui.view.planes import Plane

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
            and {mask.key for mask in self.masks.values()} == {mask.key for mask in other.masks.values()}
            and np.array_equal(self.points, other.points)
            and self.same_shapes(other)
        )

    def same_shapes(self, other: PromptState) -> bool:
        """Return whether both states hold the same shapes."""
        return (
            self.shape_types == other.shape_types
            and self.shape_labels == other.shape_labels
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
