"""Commits proposals into the objects layer, takes them back, and hands out ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.errors import PromptError
from napari_sam.gui.layers import RoleLayers
from napari_sam.gui.objects.patches import KEEP, LabelPatch, apply_patch, plan_commit, revert_patch
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.layers import Labels


class Committer:
    """Writes objects; knows the highest id in use without scanning a large array at every commit."""

    def __init__(self) -> None:
        self._highest: int | None = None

    def commit(self, layers: RoleLayers, plane: Plane, overlap: str = KEEP) -> LabelPatch:
        """Write what the proposal layer shows on a plane as new objects.

        Raises
        ------
        PromptError
            If there is nothing to write; the message says why.
        """
        proposal = np.asarray(layers.proposal.data[plane.slicer])
        if not proposal.any():
            raise PromptError("There is nothing to commit: click an object first.")
        existing = np.asarray(layers.objects.data[plane.slicer])
        patch = plan_commit(proposal, existing, plane, self.next_free(layers.objects), overlap)
        if patch is None:
            raise PromptError("Every pixel already belongs to an object: set 'overlap' to 'replace' to overwrite.")
        self.apply(layers.objects, patch)
        return patch

    def apply(self, objects: Labels, patch: LabelPatch) -> None:
        """Write a patch, for the first time or again."""
        _make_room(objects, patch.ids[-1])
        apply_patch(objects, patch)
        self.on_painted(patch.ids[-1])

    def revert(self, objects: Labels, patch: LabelPatch) -> None:
        """Take a patch back; its ids are free again where no pixel of them is left."""
        revert_patch(objects, patch)
        self._highest = None

    def next_free(self, objects: Labels) -> int:
        """Return one more than the highest id in use."""
        if self._highest is None:
            self._highest = _highest_value(objects.data)
        return self._highest + 1

    def on_painted(self, highest: int | None) -> None:
        """Note the highest id that somebody wrote; None if the whole layer may have changed."""
        if highest is None:
            self._highest = None
        elif self._highest is not None:
            self._highest = max(self._highest, highest)


def _make_room(layer: Labels, highest: int) -> None:
    """Widen the integer type of an objects layer if ``highest`` does not fit; the content stays the same."""
    if highest > np.iinfo(layer.data.dtype).max:
        layer.data = np.asarray(layer.data).astype(np.uint32)


def _highest_value(data: Any) -> int:
    if isinstance(data, np.ndarray) or len(data.shape) <= 2:
        return int(np.asarray(data).max(initial=0))
    # Plane by plane, so that an adopted lazy array is never in memory as a whole.
    return max((_highest_value(data[position]) for position in range(data.shape[0])), default=0)
