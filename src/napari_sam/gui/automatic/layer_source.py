"""An image layer as a source of planes: the displayed two axes are the plane, all others stack planes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_sam.gui.view.planes import full_data, spatial_shape
from napari_sam.io.array_source import array_source

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_sam.io.source import ImageSource

_WORDS = {"time": "T", "depth": "Z", "plane": "Z", "slice": "Z", "position": "P", "well": "W", "field": "F"}
_USUAL = "TZ"
_SPARE = "PQRVWUABDEFGHIJKLMNO"
_NOT_STACKING = "YXCS"


def layer_source(image: Image, axes_yx: tuple[int, int], link: str = "none") -> ImageSource:
    """Return the source of an image layer's planes; it holds the array in full resolution, no layer.

    Parameters
    ----------
    image : Image
        2D or more, in colour or not, lazy or multiscale.
    axes_yx : (int, int)
        The axes that span a plane, ascending.
    link : str
        A stack of one axis that has no name is a time series where links go through t.

    Raises
    ------
    FileFormatError
        If the array is empty, or does not hold real numbers.
    """
    shape = spatial_shape(image)
    others = [axis for axis in range(len(shape)) if axis not in axes_yx]
    letters = dict(zip(others, axis_letters([str(image.axis_labels[axis]) for axis in others], link), strict=True))
    letters.update(zip(axes_yx, "YX", strict=True))
    axes = "".join(letters[axis] for axis in range(len(shape))) + ("S" if image.rgb else "")
    scale = [float(size) for size in image.scale] + ([1.0] if image.rgb else [])
    unit = str(image.units[axes_yx[-1]])
    return array_source(full_data(image), axes, image.name, scale, None if unit == "pixel" else unit)


def axis_letters(labels: Sequence[str], link: str = "none") -> str:
    """Return a letter for each stacked axis: from its label where that says something, else T and Z as is usual."""
    found = [_WORDS.get(label.lower(), label.upper()) for label in labels]
    if all(len(letter) == 1 and letter.isalpha() for letter in found) and len(set(found)) == len(found):
        free = iter([letter for letter in _SPARE if letter not in found])
        return "".join(next(free) if letter in _NOT_STACKING else letter for letter in found)
    if len(labels) == 1:
        return "T" if link == "t" else "Z"
    return (_SPARE[: max(len(labels) - 2, 0)] + _USUAL)[: len(labels)]
