"""Read one plane of an image file into numpy, channels last."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import FileFormatError
from napari_sam.io.open_image import open_image
from napari_sam.io.source import ImageSource


def read_image(path: str | PathLike[str], plane: int | Sequence[int] | None = None) -> NDArray[Any]:
    """Read one two-dimensional image.

    Parameters
    ----------
    path : path
        Anything :func:`napari_sam.io.open_image.open_image` opens: TIFF, PNG, JPEG, BMP, WebP, OME-Zarr, ``.npy``.
    plane : int or sequence of int, optional
        Which plane of a stack: one index per axis that is neither rows, columns nor channels, in the file's order.
        Only that plane is read where the file allows it.

    Returns
    -------
    ndarray, shape (H, W) or (H, W, C)
        The file's own dtype. Palettes become RGB; orientation tags are not applied, so that pixels are where napari
        shows them.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, of another format, or a stack of which no plane was chosen.
    """
    chosen = () if plane is None else tuple(int(i) for i in np.atleast_1d(np.asarray(plane)))
    with closing(open_image(path)) as source:
        return source.read(_plane_index(source, chosen))


def _plane_index(source: ImageSource, chosen: tuple[int, ...]) -> tuple[int, ...]:
    lengths, names = list(source.stack_shape), source.stack_axes
    if not lengths:
        if any(chosen):
            raise FileFormatError(f"{source.name} holds a single plane, but plane {chosen} was asked for.")
        return ()
    if not chosen and all(length == 1 for length in lengths):
        return (0,) * len(lengths)
    if len(chosen) != len(lengths) or any(not 0 <= i < n for i, n in zip(chosen, lengths, strict=True)):
        asked = f"plane {chosen} was asked for" if chosen else "no plane was chosen"
        raise FileFormatError(
            f"{source.name} has axes {source.axes} and shape {source.shape}, but {asked}. "
            f"Choose one index for each of {names} (lengths {lengths})."
        )
    return chosen
