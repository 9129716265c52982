"""The keys of the Segment widget: one table of defaults, what the user made of it, bound while the widget is in sight.

The defaults are keys that napari leaves free in every layer type and mode; a key that somebody else has bound is left
to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psygnal import Signal

from napari_sam.errors import KeyBindingError
from napari_sam.gui.keys.spelling import spelled

if TYPE_CHECKING:
    from napari.components import ViewerModel


@dataclass(frozen=True)
class KeyAction:
    """One key, empty for none, the method of the widget it calls, and what to tell the user."""

    key: str
    method: str
    text: str


KEYMAP: tuple[KeyAction, ...] = (
    KeyAction("G", "commit", "Commit the proposal to the objects layer"),
    KeyAction("N", "next_candidate", "Show the next candidate mask"),
    KeyAction("Shift+N", "previous_candidate", "Show the candidate mask before"),
    KeyAction("W", "toggle_prompt", "Switch the next clicks between positive and negative"),
    KeyAction("U", "undo", "Undo the last click, box, choice, clear or commit"),
    KeyAction("J", "redo", "Redo what was undone"),
    KeyAction("K", "clear", "Clear the prompts of this slice"),
    KeyAction("Q", "cancel", "Cancel the computation, keep the prompts"),
    KeyAction("H", "toggle_proposal", "Hide or show the proposal"),
    KeyAction("Shift+H", "toggle_hover", "Switch the preview under the cursor on or off"),
    KeyAction("8", "use_points", "Click points"),
    KeyAction("9", "use_boxes", "Draw boxes"),
    KeyAction("0", "use_lasso", "Outline an object freehand"),
    KeyAction("Shift+G", "use_polygon", "Outline an object corner by corner"),
    KeyAction("Shift+O", "use_ellipse", "Draw ellipses"),
    KeyAction("Shift+S", "use_scribble", "Draw lines that count as clicks"),
    KeyAction("Shift+U", "use_label", "Take the object of any labels layer under the cursor as a prompt"),
    KeyAction("Shift+E", "edit_object", "Open the object under the cursor again"),
    KeyAction("Shift+D", "delete_object", "Delete the object under the cursor"),
    KeyAction("Shift+M", "merge_objects", "Let the object under the cursor join the selected one"),
    KeyAction("Shift+C", "continue_object", "Commit to the object under the cursor from now on"),
    KeyAction("Shift+T", "propagate_object", "Find the object under the cursor on the other slices of the stack"),
)


def key_of(method: str) -> str:
    """Return the default key of a method of the widget, or an empty string."""
    return next((action.key for action in KEYMAP if action.method == method), "")


class KeyTable:
    """The keys as the user wants them.

    Parameters
    ----------
    wanted : mapping of str to str
        Keys by method, where they differ from the defaults.

    Attributes
    ----------
    changed : Signal
        Emitted after a key has changed.
    """

    changed = Signal()

    def __init__(self, wanted: Mapping[str, str] | None = None) -> None:
        self.problems: tuple[str, ...] = ()
        self._keys = self._merged(wanted or {})

    def __getitem__(self, method: str) -> str:
        """Return the key of a method, or an empty string."""
        return self._keys.get(method, "")

    def changes(self) -> dict[str, str]:
        """Return the keys that differ from the defaults, by method."""
        return {action.method: self[action.method] for action in KEYMAP if self[action.method] != action.key}

    def change(self, method: str, key: str, taken: Mapping[str, str]) -> None:
        """Give a method another key, or none.

        Parameters
        ----------
        method : str
            One of the methods in the table.
        key : str
            Key, or an empty string for none.
        taken : mapping of str to str
            Keys others have, and who.

        Raises
        ------
        KeyBindingError
            If there is no such key or method, or somebody has that key.
        """
        if method not in self._keys:
            raise KeyBindingError(f"There is no action '{method}'; there are: {', '.join(self._keys)}.")
        key = spelled(key)
        if key and key in taken:
            raise KeyBindingError(f"{key} is taken by {taken[key]}. Choose another key.")
        holder = next((action for action in KEYMAP if key and self[action.method] == key), None)
        if holder is not None and holder.method != method:
            raise KeyBindingError(f"{key} is taken by '{holder.text}'. Change that one first, or choose another key.")
        if self[method] != key:
            self._keys[method] = key
            self.changed.emit()

    def replace(self, wanted: Mapping[str, str]) -> None:
        """Take these keys where they differ from the defaults, and the defaults for the rest."""
        keys = self._merged(wanted)
        if keys != self._keys:
            self._keys = keys
            self.changed.emit()

    def _merged(self, wanted: Mapping[str, str]) -> dict[str, str]:
        chosen: dict[str, str] = {}
        problems: list[str] = []
        for action in KEYMAP:
            if action.method in wanted:
                try:
                    key = spelled(wanted[action.method])
                except KeyBindingError as error:
                    problems.append(str(error))
                    continue
                chosen[action.method] = "" if key in chosen.values() else key
        self.problems = tuple(problems)
        # What the user chose goes before a default, which may be newer.
        for action in KEYMAP:
            if action.method not in chosen:
                chosen[action.method] = "" if action.key in chosen.values() else action.key
        return {action.method: chosen[action.method] for action in KEYMAP}


class KeyBinder:
    """Binds the table to a viewer for one widget.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer whose canvas gets the keys.
    target : object
        Owner of the methods the table names.
    table : KeyTable, optional
        The keys; the defaults without it.
    """

    def __init__(self, viewer: ViewerModel, target: object, table: KeyTable | None = None) -> None:
        self._viewer = viewer
        self._target = target
        self._table = KeyTable() if table is None else table
        self._bound: dict[Any, Callable[[Any], None]] = {}
        self._active = False

    @property
    def active(self) -> bool:
        """Whether the keys are bound."""
        return self._active

    @property
    def bound(self) -> tuple[Any, ...]:
        """The entries of the viewer's keymap that were made here."""
        return tuple(key for key, callback in self._bound.items() if self._viewer.keymap.get(key) is callback)

    def bind(self, taken: Mapping[str, str] | None = None) -> list[str]:
        """Bind every key that is free and return those that are not.

        Parameters
        ----------
        taken : mapping of str to str, optional
            Keys others have, and who; those in the viewer's own keymap count always.
        """
        self._active = True
        others = {str(entry) for entry in self._viewer.keymap} | set(taken or {})
        refused = []
        for action in KEYMAP:
            key = self._table[action.method]
            if not key:
                continue
            if key in others:
                refused.append(key)
                continue
            callback = _calling(getattr(self._target, action.method))
            before = set(self._viewer.keymap)
            self._viewer.bind_key(key, callback)
            for entry in set(self._viewer.keymap) - before:
                self._bound[entry] = callback
        return refused

    def unbind(self) -> None:
        """Free the keys bound here, unless somebody has taken them over since."""
        self._active = False
        for key, callback in self._bound.items():
            if self._viewer.keymap.get(key) is callback:
                del self._viewer.keymap[key]
        self._bound.clear()


def _calling(method: Callable[[], object]) -> Callable[[Any], None]:
    def on_key(viewer: Any) -> None:
        method()

    return on_key
