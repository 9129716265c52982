"""Who has a key in napari: its shortcuts, its layers, its menus, other plugins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from napari import layers as napari_layers
from napari.components import ViewerModel
from napari.settings import get_settings
from napari.utils import key_bindings
from qtpy.QtGui import QKeySequence

from napari_sam.gui.keys.spelling import spelled_by_qt

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget


def napari_keys() -> dict[str, str]:
    """Return the keys of napari's own, and of whoever binds on its classes, with who has them.

    Whatever the layer and its mode: a key that does one thing over one layer and another over the next would be
    worse than none.
    """
    taken: dict[str, str] = {}
    for action, bindings in get_settings().shortcuts.shortcuts.items():
        for binding in bindings:
            taken.setdefault(str(binding), f"napari ({_words(action)})")
    for provider in _providers():
        for binding, function in provider.class_keymap.items():
            name = getattr(function, "__name__", "")
            taken.setdefault(str(binding), f"napari's {provider.__name__}" + (f" ({_words(name)})" if name else ""))
    # Bindings of the user's own, which napari puts before all others.
    for binding in getattr(key_bindings, "USER_KEYMAP", {}):
        taken.setdefault(str(binding), "your start-up script")
    return taken


def viewer_keys(viewer: ViewerModel, window: QWidget | None, mine: Iterable[Any] = ()) -> dict[str, str]:
    """Return the keys bound in one viewer, its layers and the menus of its window, with who has them.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer.
    window : QWidget or None
        Its window.
    mine : iterable
        Entries of ``viewer.keymap`` that do not count.
    """
    own = set(mine)
    taken = {
        str(binding): "another plugin or script, in this viewer" for binding in viewer.keymap if binding not in own
    }
    for layer in viewer.layers:
        taken.update({str(binding): f"the layer '{layer.name}'" for binding in layer.keymap})
    taken.update(_menu_keys(window))
    return taken


def _menu_keys(window: QWidget | None) -> Iterator[tuple[str, str]]:
    menu_bar = getattr(window, "menuBar", None)
    menus = [action.menu() for action in menu_bar().actions()] if menu_bar is not None else []
    while menus:
        menu = menus.pop()
        for action in () if menu is None else menu.actions():
            menus.append(action.menu())
            for shortcut in action.shortcuts():
                text = shortcut.toString(QKeySequence.SequenceFormat.PortableText)
                yield spelled_by_qt(text), f"the menu entry '{action.text().replace('&', '')}'"


def _providers() -> tuple[Any, ...]:
    kinds = [getattr(napari_layers, name) for name in napari_layers.__all__]
    return (ViewerModel, *(kind for kind in kinds if hasattr(kind, "class_keymap")))


def _words(action: str) -> str:
    return action.rpartition(":")[2].replace("_", " ")
