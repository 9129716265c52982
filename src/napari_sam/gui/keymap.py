"""The keys of the Segment widget: one table, bound while the widget is open.

Only keys that napari leaves free in every layer type are used; a key that somebody else has bound in the viewer is
left to them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.components import ViewerModel


@dataclass(frozen=True)
class KeyAction:
    """One key, the method of the widget it calls, and what to tell the user."""

    key: str
    method: str
    text: str


KEYMAP: tuple[KeyAction, ...] = (
    KeyAction("G", "commit", "Commit the proposal to the objects layer"),
    KeyAction("N", "next_candidate", "Show the next candidate mask"),
    KeyAction("W", "toggle_prompt", "Switch the next clicks between positive and negative"),
    KeyAction("U", "undo", "Undo the last click, box, choice, clear or commit"),
    KeyAction("J", "redo", "Redo what was undone"),
    KeyAction("K", "clear", "Clear the prompts of this slice"),
    KeyAction("Q", "cancel", "Cancel the computation, keep the prompts"),
    KeyAction("H", "toggle_proposal", "Hide or show the proposal"),
    KeyAction("8", "use_points", "Click points"),
    KeyAction("9", "use_boxes", "Draw boxes"),
)


def key_of(method: str) -> str:
    """Return the key of a method of the widget, or an empty string."""
    return next((action.key for action in KEYMAP if action.method == method), "")


class KeyBinder:
    """Binds the table to a viewer for one widget.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer whose canvas gets the keys.
    target : object
        Owner of the methods the table names.
    """

    def __init__(self, viewer: ViewerModel, target: object) -> None:
        self._viewer = viewer
        self._target = target
        self._bound: dict[Any, Callable[[Any], None]] = {}

    @property
    def active(self) -> bool:
        """Whether the keys are bound."""
        return bool(self._bound)

    def bind(self) -> list[str]:
        """Bind every key that is free in the viewer and return those that are not."""
        taken = []
        for action in KEYMAP:
            callback = _calling(getattr(self._target, action.method))
            before = set(self._viewer.keymap)
            if self._find(action.key) is not None:
                taken.append(action.key)
                continue
            self._viewer.bind_key(action.key, callback)
            for key in set(self._viewer.keymap) - before:
                self._bound[key] = callback
        return taken

    def unbind(self) -> None:
        """Free the keys bound here, unless somebody has taken them over since."""
        for key, callback in self._bound.items():
            if self._viewer.keymap.get(key) is callback:
                del self._viewer.keymap[key]
        self._bound.clear()

    def _find(self, key: str) -> object:
        return next((entry for entry in self._viewer.keymap if str(entry) == key), None)


def _calling(method: Callable[[], object]) -> Callable[[Any], None]:
    def on_key(viewer: Any) -> None:
        method()

    return on_key
