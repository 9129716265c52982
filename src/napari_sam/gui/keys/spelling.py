"""One way to write a key, whoever names it: the user, Qt, or napari."""

from __future__ import annotations

import string
import sys

from napari.utils.key_bindings import coerce_keybinding

from napari_sam.errors import KeyBindingError

# What Qt calls them, and what napari does.
QT_NAMES = {
    "Del": "Delete",
    "Return": "Enter",
    "Esc": "Escape",
    "PgUp": "PageUp",
    "PgDown": "PageDown",
    "Ins": "Insert",
}


def spelled(key: str) -> str:
    """Return a key as napari writes it, ``Ctrl+Shift+G``; an empty string stays empty, which means no key.

    Raises
    ------
    KeyBindingError
        If there is no such key, it is a modifier alone, several keys in a row, or one that Shift turns into another.
    """
    if not key.strip():
        return ""
    *modifiers, last = _parts(key.strip())
    binding = coerce_keybinding("+".join([*modifiers, QT_NAMES.get(last, last)]))
    parts = list(binding.parts)
    if len(parts) != 1 or parts[0].is_modifier_key():
        raise KeyBindingError(f"'{key}' cannot be used: press one key, with or without Control, Alt or Shift.")
    name = str(parts[0].key)
    if parts[0].shift and not (parts[0].ctrl or parts[0].alt or parts[0].meta) and not _keeps_under_shift(name):
        raise KeyBindingError(f"'{key}' cannot be used: with Shift this key types another character. Take a letter.")
    return str(binding)


def spelled_by_qt(text: str) -> str:
    """Return a key of Qt's, as ``QKeySequence.toString()`` writes it, the way napari writes it.

    Keys napari has no name for come back as they are.
    """
    *modifiers, last = _parts(text)
    if sys.platform == "darwin":  # Qt calls the Command key Ctrl, napari calls it Meta.
        swapped = {"Ctrl": "Meta", "Meta": "Ctrl"}
        modifiers = [swapped.get(name, name) for name in modifiers]
    try:
        return spelled("+".join([*modifiers, last]))
    except KeyBindingError:
        return text


def _parts(key: str) -> list[str]:
    # The plus key itself: "+" and "Ctrl++".
    return [*key[:-1].rstrip("+").split("+"), "+"] if key.endswith("+") and len(key) > 1 else key.split("+")


def _keeps_under_shift(name: str) -> bool:
    return len(name) > 1 or name in string.ascii_uppercase
