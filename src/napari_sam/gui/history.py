"""One stack of undo and redo over everything the user does in the Segment widget, commits included."""

from __future__ import annotations

from dataclasses import dataclass

from napari_sam.gui.objects.patches import LabelPatch
from napari_sam.gui.prompting.prompts import PromptState


@dataclass(frozen=True, eq=False)
class Edit:
    """One step that can be taken back: prompts before and after, and the committed pixels if there were any."""

    label: str
    before: PromptState
    after: PromptState
    patch: LabelPatch | None = None


class History:
    """Undo and redo stacks of bounded depth.

    Parameters
    ----------
    limit : int
        Number of steps that can be undone; older ones are forgotten.
    """

    def __init__(self, limit: int = 500) -> None:
        self._limit = limit
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

    def push(self, edit: Edit) -> None:
        """Record a new step; what was undone before it can no longer be redone."""
        self._done.append(edit)
        del self._done[: -self._limit]
        self._undone.clear()

    def undo(self) -> Edit | None:
        """Return the step to take back, or None."""
        if not self._done:
            return None
        self._undone.append(self._done.pop())
        return self._undone[-1]

    def redo(self) -> Edit | None:
        """Return the step to do again, or None."""
        if not self._undone:
            return None
        self._done.append(self._undone.pop())
        return self._done[-1]
