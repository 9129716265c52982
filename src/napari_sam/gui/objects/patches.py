"""Committed objects: patches of label pixels that can be written, taken back and written again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.layers import Labels

KEEP = "keep"
REPLACE = "replace"


@dataclass(frozen=True, eq=False)
class LabelPatch:
    """Pixels of a label array that one commit changed.

    Attributes
    ----------
    indices : tuple of ndarray of int32
        Position of every changed pixel, one array per axis.
    old, new : ndarray of uint32, shape (N,)
        Value of every pixel before and after.
    """

    indices: tuple[NDArray[np.int32], ...]
    old: NDArray[np.uint32]
    new: NDArray[np.uint32]

    @property
    def ids(self) -> tuple[int, ...]:
        """Ids of the objects this patch brings."""
        return tuple(int(value) for value in np.unique(self.new))


def plan_commit(
    proposal: NDArray[Any], existing: NDArray[Any], plane: Plane, first_id: int, overlap: str = KEEP
) -> LabelPatch | None:
    """Return the patch that commits the objects of a proposal, or None where it would change nothing.

    Parameters
    ----------
    proposal : ndarray of int, shape (H, W)
        Proposed objects, 0 where there is none.
    existing : ndarray of int, shape (H, W)
        The committed labels of the same plane.
    plane : Plane
        Where both lie in the image.
    first_id : int
        Id of the first new object; further ones count up.
    overlap : str
        "keep" writes empty pixels only, "replace" also those of other objects.
    """
    wanted = proposal > 0
    if overlap == KEEP:
        wanted &= existing == 0
    rows, columns = np.nonzero(wanted)
    if len(rows) == 0:
        return None
    _, rank = np.unique(proposal[rows, columns], return_inverse=True)
    coordinates = plane.to_data(np.stack([rows, columns], axis=1)).astype(np.int32)
    return LabelPatch(
        indices=tuple(coordinates.T),
        old=existing[rows, columns].astype(np.uint32),
        new=(rank + first_id).astype(np.uint32),
    )


def apply_patch(layer: Labels, patch: LabelPatch) -> None:
    """Write a patch where the pixels still have their old value."""
    _rewrite(layer, patch.indices, patch.old, patch.new)


def revert_patch(layer: Labels, patch: LabelPatch) -> None:
    """Take a patch back; pixels that were painted over by hand since then stay as they are."""
    _rewrite(layer, patch.indices, patch.new, patch.old)


def _rewrite(
    layer: Labels, indices: tuple[NDArray[np.int32], ...], expected: NDArray[np.uint32], value: NDArray[np.uint32]
) -> None:
    # data_setitem and not an assignment of .data: napari's own undo history of the layer stays consistent.
    current = np.asarray(layer.data[indices])
    untouched = current == expected
    if not untouched.any():
        return
    where = tuple(axis[untouched] for axis in indices)
    with layer.block_history():
        layer.data_setitem(where, value[untouched].astype(current.dtype))
