"""What the widget did to a result, step by step: every step can be taken back and done again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from napari_sam.gui.automatic.origin import Mark, Origin
from napari_sam.gui.automatic.pieces import Pieces, Position

MAX_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Shot:
    """The pixels of a rectangle of a plane; (top, left) is its first pixel."""

    position: Position
    top_left: tuple[int, int]
    pixels: NDArray[Any]


@dataclass(frozen=True, eq=False)
class State:
    """What a result was before or after a step.

    Attributes
    ----------
    shots : tuple of Shot
        The pixels a step has changed.
    pieces : Pieces
        All objects.
    origin : Origin or None
    removed : frozenset
        Marks of the masks that the user has deleted.
    marks : mapping of int to mark
        Which mask each object of the origin's plane is.
    """

    shots: tuple[Shot, ...]
    pieces: Pieces
    origin: Origin | None = None
    removed: frozenset[Mark] = frozenset()
    marks: Mapping[int, Mark] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Step:
    """One step; steps of the same ``gesture`` that follow one another are one."""

    label: str
    before: State
    after: State
    gesture: Hashable = None

    @property
    def nbytes(self) -> int:
        """Memory of its pixels."""
        return sum(int(shot.pixels.nbytes) for state in (self.before, self.after) for shot in state.shots)


class Steps:
    """What can be taken back and done again, bounded in memory; the oldest steps are forgotten first.

    Parameters
    ----------
    max_bytes : int
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._done: list[Step] = []
        self._undone: list[Step] = []

    @property
    def undo_label(self) -> str:
        """What would be taken back; empty if there is nothing."""
        return self._done[-1].label if self._done else ""

    @property
    def redo_label(self) -> str:
        """What would be done again; empty if there is nothing."""
        return self._undone[-1].label if self._undone else ""

    def push(self, step: Step) -> None:
        """Record a step; it joins the one before if both belong to one gesture."""
        self._undone.clear()
        last = self._done[-1] if self._done else None
        if last is not None and step.gesture is not None and last.gesture == step.gesture:
            self._done[-1] = Step(step.label, last.before, step.after, step.gesture)
        else:
            self._done.append(step)
        while len(self._done) > 1 and sum(one.nbytes for one in self._done) > self._max_bytes:
            self._done.pop(0)

    def undo(self) -> Step | None:
        """Return the step to take back, or None."""
        return _moved(self._done, self._undone)

    def redo(self) -> Step | None:
        """Return the step to do again, or None."""
        return _moved(self._undone, self._done)

    def clear(self) -> None:
        """Forget everything."""
        self._done.clear()
        self._undone.clear()


def _moved(source: list[Step], target: list[Step]) -> Step | None:
    if not source:
        return None
    target.append(source.pop())
    return target[-1]
