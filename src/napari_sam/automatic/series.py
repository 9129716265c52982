"""Stacks of more than three dimensions as series of planes: which planes follow one another, and their ids."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.automatic.config import StackConfig
from napari_sam.automatic.link_report import LinkReport, Plane
from napari_sam.automatic.linking import StackLinker
from napari_sam.errors import ParameterError

_NAMED = "TZ"

Tables = list[tuple[Plane, NDArray[np.uint32]]]


def linked_dimension(stack_axes: str, link: str) -> int | None:
    """Return which of the dimensions that stack planes is linked along, or None for none.

    Parameters
    ----------
    stack_axes : str
        Letters of the dimensions that stack planes.
    link : {"none", "z", "t"}

    Raises
    ------
    ParameterError
        If the stack has no such dimension. A stack with a single dimension that has no telling name (the pages of a
        plain TIFF file) is linked along that; a single plane needs no linking.
    """
    if link == "none" or not stack_axes:
        return None
    letter = link.upper()
    if letter in stack_axes:
        return stack_axes.index(letter)
    if len(stack_axes) == 1 and stack_axes not in _NAMED:
        return 0
    other = next((one.lower() for one in _NAMED if one in stack_axes), "none")
    raise ParameterError(
        f"link is {link!r}, but the image has no dimension {letter}: its axes are {stack_axes}YX. Use link={other!r}, "
        "or say with axes what the dimensions are."
    )


def plane_order(stack_axes: str, stack_shape: tuple[int, ...], link: str) -> Iterator[Plane]:
    """Yield all planes of a stack so that those that are linked follow one another.

    Parameters
    ----------
    stack_axes : str
        Letters of the dimensions that stack planes.
    stack_shape : tuple of int
        Their lengths.
    link : {"none", "z", "t"}

    Raises
    ------
    ParameterError
        As :func:`linked_dimension`.
    """
    linked = linked_dimension(stack_axes, link)
    if linked is None:
        yield from product(*map(range, stack_shape))
        return
    others = [range(length) for i, length in enumerate(stack_shape) if i != linked]
    for rest in product(*others):
        for index in range(stack_shape[linked]):
            yield (*rest[:linked], index, *rest[linked:])


class SeriesLinker:
    """Gives the planes of a whole stack ids: linked within each series, unique over all.

    A series are the planes that differ only along the linked dimension: with "z" those of one time point, with "t"
    those of one depth; without linking every plane is one of its own.

    Parameters
    ----------
    config : StackConfig
    stack_axes : str
        Letters of the dimensions that stack planes.

    Raises
    ------
    ParameterError
        As :func:`linked_dimension`.

    Attributes
    ----------
    so_far : ndarray of uint32
        The ids of the plane added last, ``so_far[labels]``, before anything is dropped: to show them meanwhile.
    """

    def __init__(self, config: StackConfig, stack_axes: str) -> None:
        self._config = config
        self._linked = linked_dimension(stack_axes, config.link)
        self._key: Plane | None = None
        self._planes: list[Plane] = []
        self._linker = StackLinker(config)
        self.last_id = 0
        self.so_far = np.zeros(1, np.uint32)
        self.report = LinkReport()

    def add(self, plane: Plane, labels: Any) -> Tables:
        """Add the next plane, in the order of :func:`plane_order`; some may be missing.

        Parameters
        ----------
        plane : tuple of int
        labels : array of integers, shape (H, W)
            As :meth:`StackLinker.add` takes them.

        Returns
        -------
        list of (plane, ndarray of uint32)
            The planes of series that are complete now, each with its final ids, ``table[labels]``.

        Raises
        ------
        ImageError
            If the plane has another size than those before, or there are more objects than labels can number.
        """
        key = plane if self._linked is None else (*plane[: self._linked], *plane[self._linked + 1 :])
        done = [] if key == self._key else self.finish()
        self._key = key
        self._planes.append(plane)
        self.so_far = self._linker.add(labels, plane)
        return done if self._linked is not None else done + self.finish()

    def finish(self) -> Tables:
        """Complete the series at hand, and return its planes with their ids."""
        linked = self._linker.finish()
        tables = list(zip(self._planes, linked.tables, strict=True))
        self.last_id = linked.last_id
        self.report += linked.report
        self._planes = []
        self._linker = StackLinker(self._config, first_id=linked.last_id + 1)
        return tables
