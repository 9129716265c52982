"""Training data: what a model is shown of an annotated image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_sam.io.pairs import ImagePair
from napari_sam.predict.preprocess import to_uint8_rgb

PHOTO_SOURCES = frozenset({"coco_ccby", "coco_mval_ccby"})
"""Sources of natural photos, reported beside the others."""


def load_rgb(pair: ImagePair) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Read an image as the model sees it, (H, W, 3) uint8, and its instance labels, (H, W) int32.

    Raises
    ------
    PairError, FileFormatError
        If a file is missing or damaged, or the two do not have the same size.
    """
    image, labels = pair.load()
    return to_uint8_rgb(image)[0], labels.astype(np.int32)
