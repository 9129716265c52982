"""A list of event connections that can be undone together, so that closing leaves no callback behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol


class Emitter(Protocol):
    """What napari's event emitters and psygnal's signals have in common."""

    def connect(self, callback: Any) -> Any:
        """Start calling ``callback``."""

    def disconnect(self, callback: Any) -> Any:
        """Stop calling ``callback``."""


class Connections:
    """Event connections made by one owner."""

    def __init__(self) -> None:
        self._made: list[tuple[Emitter, Callable[..., object]]] = []

    def __len__(self) -> int:
        """Return the number of live connections."""
        return len(self._made)

    def add(self, emitter: Emitter, callback: Callable[..., object]) -> None:
        """Connect ``callback`` and remember to disconnect it."""
        emitter.connect(callback)
        self._made.append((emitter, callback))

    def clear(self) -> None:
        """Disconnect everything that was connected here, newest first."""
        while self._made:
            emitter, callback = self._made.pop()
            emitter.disconnect(callback)
