"""What the image encoder knows about one image: computed once, used for any number of prompts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import DTypeLike, NDArray

from napari_sam.geometry.frame import ResizeFrame
from napari_sam.predict.preprocess import Preprocessing

Features = NDArray[np.float32] | NDArray[np.float16]


@dataclass(frozen=True, eq=False)
class Embedding:
    """One encoded image: immutable, independent of any device, cheap to keep (about 4 MB for SAM's own models).

    Attributes
    ----------
    features : ndarray of float32 or float16, shape (C, h, w)
        The image embedding at stride 16 of the model's square; read-only.
    high_res : tuple of ndarray
        Finer features (strides 8 and 4) of models that use them, else empty; read-only.
    frame : ResizeFrame
        The image's place in the model's square.
    model_hash : str
        Hash of the weights that computed it; other models refuse it.
    preprocessing : Preprocessing
        How the image was brought to 8-bit RGB.
    """

    features: Features
    high_res: tuple[Features, ...]
    frame: ResizeFrame
    model_hash: str
    preprocessing: Preprocessing

    def __post_init__(self) -> None:
        for array in (self.features, *self.high_res):
            array.flags.writeable = False

    @property
    def image_hw(self) -> tuple[int, int]:
        """Height and width of the encoded image."""
        return self.frame.original_hw

    @property
    def notes(self) -> tuple[str, ...]:
        """Everything worth telling the user about how the image was prepared."""
        return self.preprocessing.notes

    @property
    def nbytes(self) -> int:
        """Memory of the features in bytes."""
        return sum(array.nbytes for array in (self.features, *self.high_res))

    def astype(self, dtype: DTypeLike) -> Embedding:
        """Return a copy with the features rounded to another float type."""
        return replace(
            self, features=self.features.astype(dtype), high_res=tuple(array.astype(dtype) for array in self.high_res)
        )
