"""What is known of committed objects: the prompts each was made with, so that it can be opened again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.prompting.prompts import PromptState
from napari_sam.gui.view.planes import Plane

Key = tuple[int, Plane]


@dataclass(frozen=True, eq=False)
class ObjectRecord:
    """How one object came to be on one plane.

    Attributes
    ----------
    id : int
        Its label.
    plane : Plane
        Where it was committed.
    prompts : PromptState
        Its own prompts, no others.
    choice : int or None
        Candidate the user picked.
    score : float or None
        Overlap with the true object that the model expected; None for a mask that no model made.
    model : str
        Name of the model, or of its checkpoint file.
    class_id : int or None
        Class, in semantic mode.
    class_name : str
        What the user calls the class.
    top_left : tuple of int
        (row, column) of the first pixel of ``packed`` in the plane.
    shape_hw : tuple of int
        Height and width of the rectangle around the object.
    packed : ndarray of uint8
        Its pixels as they were committed, eight to the byte.
    as_proposed : bool
        Whether the pixels were the model's, nothing painted; else the prompts alone do not bring them back.
    propagated : bool
        Whether they were found from the object on another plane, and nobody has looked at them since.
    """

    id: int
    plane: Plane
    prompts: PromptState
    choice: int | None
    score: float | None
    model: str
    class_id: int | None
    class_name: str
    top_left: tuple[int, int]
    shape_hw: tuple[int, int]
    packed: NDArray[np.uint8]
    as_proposed: bool = True
    propagated: bool = False

    @property
    def key(self) -> Key:
        """Under which it is kept: one id may lie on several planes."""
        return self.id, self.plane

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        state = self.prompts
        return int(self.packed.nbytes + state.points.nbytes) + sum(int(box.nbytes) for box in state.boxes)

    def has_pixels(self, top_left: tuple[int, int], mask: NDArray[np.bool_]) -> bool:
        """Return whether a mask, given with its smallest rectangle, is the one that was committed."""
        if self.top_left != top_left or self.shape_hw != mask.shape:
            return False
        return np.array_equal(self.packed, np.packbits(mask))


@dataclass(frozen=True, eq=False)
class RecordChange:
    """What one step changed in the records; None stands for no record."""

    before: Mapping[Key, ObjectRecord | None]
    after: Mapping[Key, ObjectRecord | None]

    @property
    def nbytes(self) -> int:
        """Memory this keeps alive; what was before is counted with the step that brought it."""
        return sum(record.nbytes for record in self.after.values() if record is not None)


class RecordBook:
    """The records of one objects layer, by id and plane."""

    def __init__(self) -> None:
        self._records: dict[Key, ObjectRecord] = {}

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self._records)

    def __iter__(self) -> Iterator[ObjectRecord]:
        """Iterate over the records, the oldest first."""
        return iter(self._records.values())

    def get(self, object_id: int, plane: Plane) -> ObjectRecord | None:
        """Return what is known of an object on a plane, or None."""
        return self._records.get((object_id, plane))

    def planes(self, object_id: int) -> list[Plane]:
        """Return the planes an object was committed on."""
        return [plane for known, plane in self._records if known == object_id]

    def change(self, new: Iterable[ObjectRecord], dropped: Iterable[Key] = ()) -> RecordChange:
        """Return the change that brings these records in and drops those; nothing is done yet."""
        after: dict[Key, ObjectRecord | None] = {key: None for key in dropped if key in self._records}
        after.update({record.key: record for record in new})
        return RecordChange({key: self._records.get(key) for key in after}, after)

    def apply(self, change: RecordChange) -> None:
        """Make a change."""
        self._write(change.after)

    def revert(self, change: RecordChange) -> None:
        """Take a change back."""
        self._write(change.before)

    def clear(self) -> None:
        """Forget everything: the layer is another one now."""
        self._records.clear()

    def _write(self, records: Mapping[Key, ObjectRecord | None]) -> None:
        for key, record in records.items():
            if record is None:
                self._records.pop(key, None)
            else:
                self._records[key] = record


def only(state: PromptState, plane: Plane) -> PromptState:
    """Return the points and shapes of one plane, without choices and masks."""
    points = plane.contains(state.points)
    shapes = [index for index, box in enumerate(state.boxes) if plane.contains(box).all()]
    return PromptState(
        points=state.points[points],
        labels=tuple(label for label, kept in zip(state.labels, points, strict=True) if kept),
        boxes=tuple(state.boxes[index] for index in shapes),
        shape_types=tuple(state.shape_types[index] for index in shapes),
        shape_labels=tuple(state.shape_labels[index] for index in shapes),
    )


def joined(state: PromptState, more: PromptState) -> PromptState:
    """Return a state with the points and shapes of another one added."""
    return replace(
        state,
        points=np.concatenate([state.points, more.points]),
        labels=state.labels + more.labels,
        boxes=state.boxes + more.boxes,
        shape_types=state.shape_types + more.shape_types,
        shape_labels=state.shape_labels + more.shape_labels,
    )
