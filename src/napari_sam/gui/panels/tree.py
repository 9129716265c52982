"""Controls nested in containers: walk over them all, find one by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from magicgui.widgets import Container, Widget


def walk(widgets: Iterable[Widget]) -> Iterator[Widget]:
    """Yield every widget and, depth first, those inside containers, in the order they are shown."""
    for widget in widgets:
        yield widget
        if isinstance(widget, Container):
            yield from walk(widget)


def find(widgets: Iterable[Widget], name: str) -> Widget | None:
    """Return the first widget of this name, however deep, or None."""
    return next((widget for widget in walk(widgets) if widget.name == name), None)
