"""Masks as prompts: part of a plane, and where it lies in it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_sam.geometry.masks import PlaneMask
from napari_sam.gui.view.planes import Plane


@dataclass(frozen=True, eq=False)
class MaskPrompt:
    """An existing mask as prompt on one plane.

    Attributes
    ----------
    plane : Plane
        Plane it lies on.
    top_left : tuple of int
        (row, column) of the mask's first pixel in the plane.
    mask : ndarray of bool, shape (h, w)
        At least one pixel is set.
    object_id : int or None
        Id of the committed object that is being edited: it is shown as it is until another prompt is added, and the
        commit writes the same id again.
    source : str
        Where it comes from, for the status line, such as ``label 3 of 'cells'``.
    by_prompts : bool
        Whether the prompts that the object was made with are back: they alone are asked, as if it had never been
        committed. The mask itself counts when none of them is left.
    """

    plane: Plane
    top_left: tuple[int, int]
    mask: NDArray[np.bool_]
    object_id: int | None = None
    source: str = ""
    by_prompts: bool = False
    digest: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        packed = np.packbits(self.mask).tobytes()
        object.__setattr__(self, "digest", hashlib.blake2b(packed, digest_size=16).digest())

    @property
    def key(self) -> tuple[object, ...]:
        """Hashable value that is the same for equal masks only."""
        return self.plane, self.top_left, self.mask.shape, self.digest, self.object_id, self.by_prompts

    @property
    def plane_mask(self) -> PlaneMask:
        """The mask without its plane."""
        return PlaneMask(self.top_left, self.mask)
