"""One stack of undo and redo over everything the user does in the Segment widget, commits included."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from psygnal import Signal

from napari_sam.gui.objects.patches import LabelPatch, joined_patches
from napari_sam.gui.objects.records import RecordChange
from napari_sam.gui.prompting.prompts import PromptState

PUSH, UNDO, REDO = "push", "undo", "redo"
MAX_BYTES = 256 * 2**20


@dataclass(frozen=True, eq=False)
class Edit:
    """One step that can be taken back.

    Attributes
    ----------
    label : str
        What was done, such as "commit object 3", for "Undo: commit object 3".
    before, after : PromptState
        The prompts before and after.
    patch : LabelPatch or None
        Pixels of the objects layer that were written.
    records : RecordChange or None
        What became known of objects, or no longer holds.
    layer_id : str
        Which objects layer: its ``unique_id``.
    run : str
        What goes on for a while does a step at a time; those of one run become one step, see :meth:`History.join`.
    """

    label: str
    before: PromptState
    after: PromptState
    patch: LabelPatch | None = None
    records: RecordChange | None = None
    layer_id: str = ""
    run: str = ""

    @property
    def nbytes(self) -> int:
        """Memory this step keeps alive; the state before is the one after the step before."""
        after = self.after
        size = int(after.points.nbytes) + sum(int(box.nbytes) for box in after.boxes)
        size += sum(int(mask.mask.nbytes) for mask in after.masks.values())
        size += 0 if self.patch is None else self.patch.nbytes
        return size + (0 if self.records is None else self.records.nbytes)


def joined_edits(edits: Sequence[Edit]) -> Edit:
    """Return one step that does what several do one after the other; no pixel or record is changed by two of them."""
    first, last = edits[0], edits[-1]
    changes = [edit.records for edit in edits if edit.records is not None]
    before = {key: record for change in changes for key, record in change.before.items()}
    after = {key: record for change in changes for key, record in change.after.items()}
    patch = joined_patches([edit.patch for edit in edits if edit.patch is not None])
    return replace(last, before=first.before, patch=patch, records=RecordChange(before, after) if changes else None)


class History:
    """Undo and redo stacks, bounded in steps and in memory; the oldest steps are forgotten first, never the last one.

    Parameters
    ----------
    limit : int
        Number of steps that can be undone.
    max_bytes : int
        Memory that all steps together may take.

    Attributes
    ----------
    recorded : Signal(str, Edit)
        Emitted after a step was done ("push"), taken back ("undo") or done again ("redo").
    """

    recorded = Signal(str, object)

    def __init__(self, limit: int = 500, max_bytes: int = MAX_BYTES) -> None:
        self._limit = limit
        self._max_bytes = max_bytes
        self._nbytes = 0
        self._done: list[Edit] = []
        self._undone: list[Edit] = []

    @property
    def can_undo(self) -> bool:
        """Whether a step can be taken back."""
        return bool(self._done)

    @property
    def can_redo(self) -> bool:
        """Whether an undone step can be done again."""
        return bool(self._undone)

    @property
    def undo_label(self) -> str:
        """What the next undo takes back, or an empty string."""
        return self._done[-1].label if self._done else ""

    @property
    def redo_label(self) -> str:
        """What the next redo does again, or an empty string."""
        return self._undone[-1].label if self._undone else ""

    @property
    def nbytes(self) -> int:
        """Memory of all steps."""
        return self._nbytes

    def push(self, edit: Edit) -> None:
        """Record a new step; what was undone before it can no longer be redone."""
        self._nbytes += edit.nbytes - sum(undone.nbytes for undone in self._undone)
        self._undone.clear()
        self._done.append(edit)
        while len(self._done) > 1 and (self._steps() > self._limit or self._nbytes > self._max_bytes):
            self._nbytes -= self._done.pop(0).nbytes
        self.recorded.emit(PUSH, edit)

    def join(self, run: str) -> None:
        """Make one step of the steps of a run that follow each other; what the user did meanwhile stays between."""
        steps: list[Edit] = []
        for mine, group in groupby(self._done, lambda edit: edit.run == run):
            parts = list(group)
            steps += [joined_edits(parts)] if mine and len(parts) > 1 else parts
        self._nbytes += sum(edit.nbytes for edit in steps) - sum(edit.nbytes for edit in self._done)
        self._done = steps

    def _steps(self) -> int:
        """Return the number of steps, each run counted once."""
        return len(self._done) - sum(bool(one.run) and one.run == other.run for one, other in pairwise(self._done))

    def undo(self, apply: Callable[[Edit], object] | None = None) -> Edit | None:
        """Return the step that was taken back, or None; ``apply`` takes it back, before it is announced."""
        return self._move(self._done, self._undone, apply, UNDO)

    def redo(self, apply: Callable[[Edit], object] | None = None) -> Edit | None:
        """Return the step that was done again, or None; ``apply`` does it again, before it is announced."""
        return self._move(self._undone, self._done, apply, REDO)

    def _move(
        self, source: list[Edit], target: list[Edit], apply: Callable[[Edit], object] | None, what: str
    ) -> Edit | None:
        if not source:
            return None
        edit = source.pop()
        target.append(edit)
        if apply is not None:
            apply(edit)
        self.recorded.emit(what, edit)
        return edit
