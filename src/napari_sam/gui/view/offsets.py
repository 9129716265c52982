"""Where a layer must be put to show a part of an image, whatever the image's scale, rotation and shear."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.utils.transforms import Affine
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from napari.layers import Image


def shifted_translate(image: Image, corner: ArrayLike) -> NDArray[np.float64]:
    """Return the ``translate`` of a layer whose first pixel lies on a pixel of ``image``.

    Parameters
    ----------
    image : Image
    corner : array-like, shape (ndim,)
        Data coordinates in the image of the layer's first pixel.
    """
    own: Any = Affine(scale=image.scale, rotate=image.rotate, shear=image.shear, translate=image.translate)
    return np.asarray(own(np.asarray(corner, np.float64)), np.float64)
