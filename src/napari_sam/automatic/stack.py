"""Segment everything in a stack: plane by plane, linked or not, into labels of the stack's shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.automatic.config import AutomaticConfig
from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.models import predictor_for
from napari_sam.automatic.plane import segment_plane
from napari_sam.automatic.series import SeriesLinker, Tables, plane_order
from napari_sam.automatic.tiling import tell_part
from napari_sam.errors import ParameterError
from napari_sam.io.array_source import array_source
from napari_sam.io.open_image import open_image
from napari_sam.io.source import ImageSource
from napari_sam.model.common import Progress
from napari_sam.predict.predictor import CancelCheck, Predictor

_BAND_PIXELS = 1 << 24


def segment_stack(
    stack: Any,
    job: AutomaticJob | AutomaticConfig | Mapping[str, Any] | None = None,
    *,
    predictor: Predictor | None = None,
    axes: str | None = None,
    out: Any = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Any:
    """Segment everything in every plane of a stack.

    Parameters
    ----------
    stack : array-like, path or ImageSource
        (H, W), (Z, H, W), (T, Z, H, W), with channels last or wherever ``axes`` says. Numpy, dask, zarr, memory
        maps: only one plane (of a large one, one tile) is read at a time.
    job : AutomaticJob, AutomaticConfig or mapping, optional
        Parameters; a mapping names those that are not the defaults, such as ``{"link": "z", "points_per_side": 16}``.
    predictor : Predictor, optional
        The model to use; left out, the job's is loaded.
    axes : str, optional
        Of an array, one letter per dimension, such as "TZYX" or "ZYXS": Y and X, C or S for channels, others stack
        planes. Left out: the last ones of "TZYX", where a short last dimension holds channels; with ``link="t"`` the
        first dimension of a stack of three is T. A file or an ImageSource has its own.
    out : array, optional
        Where to write the labels, plane by plane: numpy, zarr, a memory map; integers, shape of the stack without
        channels. For results larger than memory. When the call ends early, what is done is in there, with its ids.
    progress : callable, optional
        Called with (done, total), in hundredths of planes.
    cancelled : callable, optional
        Asked between batches; True stops.

    Returns
    -------
    ndarray of uint16, or of uint32 where there are more than 65,535 objects; or ``out``
        Labels: 0 is background, ids are unique over the whole stack, or the same along the linked axis.

    Raises
    ------
    ParameterError
        If a parameter is not allowed or does not fit the stack, or ``out`` cannot hold the result.
    ImageError, FileFormatError
        If the stack cannot be used, or read.
    Cancelled
        If ``cancelled`` returned True.
    """
    job = AutomaticJob.of(job)
    with _opened(stack, axes, job.stack.link) as source:
        planes = list(plane_order(source.stack_axes, source.stack_shape, job.stack.link))
        result = _Result((*source.stack_shape, *source.plane_hw), out)
        linker = SeriesLinker(job.stack, source.stack_axes)
        predictor = predictor or predictor_for(job.model)
        try:
            for number, plane in enumerate(planes):
                report = None if progress is None else partial(tell_part, progress, number, len(planes))
                found = segment_plane(predictor, source, plane, job, progress=report, cancelled=cancelled)
                result.write(plane, found.labels)
                result.relabel(linker.add(plane, found.labels))
        finally:  # cancelled or failed: what was written has its ids all the same
            result.relabel(linker.finish())
    return result.array


@contextmanager
def _opened(stack: Any, axes: str | None, link: str) -> Iterator[ImageSource]:
    """Make a source of whatever holds the stack, and close it again if it is a file of ours."""
    is_array = not (isinstance(stack, str | PathLike) or hasattr(stack, "stack_axes"))
    if axes is not None and not is_array:
        raise ParameterError(f"axes={axes!r} was given, but {stack!r} says itself what its dimensions are.")
    if isinstance(stack, str | PathLike):
        source = open_image(stack)
        try:
            yield source
        finally:
            source.close()
    elif not is_array:
        yield stack
    else:
        source = array_source(stack, axes)
        if axes is None and link == "t" and source.stack_axes == "Z":
            source = array_source(stack, source.axes.replace("Z", "T"))
        yield source


class _Result:
    """The labels of a stack, in memory (as small as they can be) or in an array of the caller's."""

    def __init__(self, shape: tuple[int, ...], out: Any) -> None:
        if out is not None and (tuple(out.shape) != shape or np.dtype(out.dtype).kind not in "ui"):
            raise ParameterError(
                f"out must be an array of whole numbers and shape {shape}, but is one of {out.dtype} and "
                f"{tuple(out.shape)}."
            )
        self._given = out is not None
        self.array: Any = out if self._given else np.zeros(shape, np.uint16)

    def write(self, plane: tuple[int, ...], labels: NDArray[np.uint32]) -> None:
        """Write a plane with its own ids."""
        self._make_room(int(labels.max(initial=0)))
        for rows in self._bands():
            self.array[(*plane, rows)] = labels[rows].astype(self.array.dtype)

    def relabel(self, tables: Tables) -> None:
        """Put the ids of the stack in place of those of planes."""
        for plane, table in tables:
            self._make_room(int(table.max(initial=0)))
            if np.array_equal(table, np.arange(len(table))):
                continue
            small = table.astype(self.array.dtype)
            for rows in self._bands():
                self.array[(*plane, rows)] = small[np.asarray(self.array[(*plane, rows)])]

    def _make_room(self, highest: int) -> None:
        if highest <= np.iinfo(self.array.dtype).max:
            return
        if self._given:
            raise ParameterError(f"There are more objects than out can number: it is {self.array.dtype}, use uint32.")
        self.array = self.array.astype(np.uint32)

    def _bands(self) -> Iterator[slice]:
        height, width = self.array.shape[-2:]
        chunks = getattr(self.array, "chunks", None)
        rows = max(1, _BAND_PIXELS // width)
        if chunks:  # whole chunks: none is written twice
            rows = -(-rows // chunks[-2]) * chunks[-2]
        for top in range(0, height, rows):
            yield slice(top, min(top + rows, height))
