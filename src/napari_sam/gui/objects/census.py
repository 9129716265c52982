"""Which objects lie on the shown plane, and how large they are: counted piece by piece while nothing else goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_sam.gui.objects.patches import window
from napari_sam.gui.qt.timers import Debounce
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.layers import Labels

DELAY_MS = 150
# So many pixels take a few milliseconds: the window never waits for them.
PIXELS_AT_ONCE = 2**20
# Ids up to here are counted by a table, higher ones by sorting.
TABLE_SIZE = 2**20


class Census:
    """Counts the pixels of every object on a plane.

    Parameters
    ----------
    where : callable
        Returns the layer and its plane, or None where there is nothing to count.

    Attributes
    ----------
    counted : Signal(object)
        Emitted with the pixels of every id once a count is complete.
    """

    counted = Signal(object)

    def __init__(self, where: Callable[[], tuple[Labels, Plane] | None]) -> None:
        self._where = where
        self._work: Iterator[None] | None = None
        self._begin = Debounce(self._on_begin, DELAY_MS)
        self._go_on = Debounce(self._on_go_on, 0)

    @property
    def pending(self) -> bool:
        """Whether a count is under way."""
        return self._begin.pending or self._go_on.pending

    def request(self, event: object = None) -> None:
        """Count again soon; fits as an event callback."""
        self._go_on.stop()
        self._begin.request()

    def stop(self) -> None:
        """Count no longer."""
        self._begin.stop()
        self._go_on.stop()
        self._work = None

    def _on_begin(self) -> None:
        at = self._where()
        if at is not None:
            self._work = self._count(*at)
            self._on_go_on()

    def _on_go_on(self) -> None:
        if self._work is None:
            return
        try:
            next(self._work)
        except StopIteration:
            self._work = None
        else:
            self._go_on.request()

    def _count(self, layer: Labels, plane: Plane) -> Iterator[None]:
        height, width = plane.shape_hw
        rows = max(PIXELS_AT_ONCE // width, 1)
        total: Counter[int] = Counter()
        data = layer.data
        for top in range(0, height, rows):
            block = np.asarray(data[window(plane, (top, 0), (min(rows, height - top), width))])
            total.update(count_labels(block))
            yield
        self.counted.emit(dict(sorted(total.items())))


def count_labels(labels: NDArray[Any]) -> dict[int, int]:
    """Return the number of pixels of every label above 0."""
    highest = int(labels.max(initial=0))
    if highest == 0:
        return {}
    if highest < TABLE_SIZE:
        counts = np.bincount(np.maximum(labels, 0).ravel())
        return {int(label): int(counts[label]) for label in np.flatnonzero(counts) if label}
    found, numbers = np.unique(labels[labels > 0], return_counts=True)
    return {int(label): int(number) for label, number in zip(found, numbers, strict=True)}
