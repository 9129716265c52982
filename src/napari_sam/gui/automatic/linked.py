"""Objects of a stack while its planes come in: linked as they come, dropped at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_sam.automatic.config import StackConfig
from napari_sam.gui.automatic.pieces import Pieces, Position

if TYPE_CHECKING:
    from napari_sam.automatic.link_report import LinkReport
    from napari_sam.automatic.plane import PlaneResult
    from napari_sam.automatic.series import Tables
    from napari_sam.io.source import ImageSource


@dataclass(frozen=True, eq=False)
class Relabelling:
    """Ids that change once all planes of a series are there.

    Attributes
    ----------
    positions : tuple of tuple of int
        The planes.
    table : ndarray of uint32
        ``table[id]`` is the final id, 0 where an object is dropped.
    """

    positions: tuple[Position, ...]
    table: NDArray[np.uint32]


class Linking:
    """Gives the objects of plane after plane their ids.

    Parameters
    ----------
    source : ImageSource
    config : StackConfig
    relabel : callable
        Told the final ids of a series where they are others than those given so far.

    Raises
    ------
    ParameterError
        If there is no axis to link along.
    """

    def __init__(self, source: ImageSource, config: StackConfig, relabel: Callable[[Relabelling], object]) -> None:
        from napari_sam.automatic.series import SeriesLinker

        self._relabel = relabel
        self._hw = source.plane_hw
        self._linker = SeriesLinker(config, source.stack_axes)
        self._given: dict[Position, NDArray[np.uint32]] = {}

    @property
    def told(self) -> str:
        """What linking found, in words; empty if nothing is worth telling."""
        return told(self._linker.report)

    def add(self, position: Position, result: PlaneResult) -> tuple[NDArray[np.uint32], Pieces]:
        """Return the labels of a plane with the ids of the stack so far, and its objects."""
        ids = self._add(position, result.labels)
        pieces = Pieces.of(result.rows, position).relabelled(ids)
        return np.asarray(ids[result.labels]), pieces

    def skip(self, position: Position) -> None:
        """Count a plane without objects: one that could not be used."""
        self._add(position, np.zeros(self._hw, np.uint32))

    def finish(self) -> None:
        """End the last series, and say which ids are others in the end."""
        self._end(self._linker.finish())

    def _add(self, position: Position, labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
        done = self._linker.add(position, labels)
        self._given[position] = self._linker.so_far
        self._end(done)
        return self._linker.so_far

    def _end(self, tables: Tables) -> None:
        """Compare the ids given so far with the final ones."""
        given = [self._given.pop(position) for position, _ in tables]
        highest = max((int(ids.max(initial=0)) for ids in given), default=0)
        changes = np.arange(highest + 1, dtype=np.uint32)
        for ids, (_, final) in zip(given, tables, strict=True):
            changes[ids] = final
        if (changes != np.arange(highest + 1)).any():
            self._relabel(Relabelling(tuple(position for position, _ in tables), changes))


def told(report: LinkReport) -> str:
    """Return what linking found in a few words; empty where nothing is worth telling."""
    counts = {
        "split": len(report.splits),
        "merge": len(report.merges),
        "gap bridged": len(report.gaps),
        "object dropped": len(report.dropped),
    }
    words = {"gap bridged": "gaps bridged", "object dropped": "objects dropped"}
    return ", ".join(
        f"{count} {name if count == 1 else words.get(name, name + 's')}" for name, count in counts.items() if count
    )
