"""Which ids are in use: the next free one is known without looking through the layer at every commit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.errors import PromptError
from napari_sam.gui.objects.patches import LabelPatch

if TYPE_CHECKING:
    from napari.layers import Labels

HIGHEST_POSSIBLE = np.iinfo(np.uint32).max


class IdBook:
    """Knows the highest id of one objects layer; the layer is looked through once, when the first id is asked for."""

    def __init__(self) -> None:
        self._highest: int | None = None
        # Ids that somebody painted are never given away again, not even after an undo of ours.
        self._painted = 0

    def next_free(self, layer: Labels) -> int:
        """Return one more than the highest id in use.

        Raises
        ------
        PromptError
            If there is no id left.
        """
        if self._highest is None:
            self._highest = max(highest_value(layer.data), self._painted)
        if self._highest >= HIGHEST_POSSIBLE:
            raise PromptError(f"Id {self._highest} is the highest there can be: renumber the objects layer first.")
        return self._highest + 1

    def written(self, patch: LabelPatch) -> None:
        """Note the ids a patch brings."""
        if self._highest is not None:
            self._highest = max(self._highest, *patch.ids, 0)

    def taken_back(self, patch: LabelPatch) -> None:
        """Free the ids that a patch had brought, unless somebody has painted with them since."""
        if patch.fresh and self._highest == max(patch.fresh):
            self._highest = max(min(patch.fresh) - 1, self._painted)

    def painted(self, atoms: Iterable[Any]) -> None:
        """Note the ids in napari's record of a brush stroke, a fill, or pixels set by a script."""
        highest = max((_highest_new(atom) for atom in atoms), default=0)
        self._painted = max(self._painted, highest)
        if self._highest is not None:
            self._highest = max(self._highest, highest)

    def forget(self) -> None:
        """Look through the layer again: it has been replaced."""
        self._highest = None
        self._painted = 0


def highest_value(data: Any) -> int:
    """Return the largest value of an array, plane by plane, so that a lazy one is never in memory as a whole."""
    if getattr(data, "nchunks_initialized", None) == 0:
        # A zarr array that nobody has written to.
        return 0
    if isinstance(data, np.ndarray) or len(data.shape) <= 2:
        return int(np.asarray(data).max(initial=0))
    return max((highest_value(np.asarray(data[position])) for position in range(data.shape[0])), default=0)


def _highest_new(atom: Any) -> int:
    # Brush, fill and polygon leave named records; data_setitem leaves (indices, old, new).
    new = atom.new_value if hasattr(atom, "new_value") else atom[2]
    return int(np.max(new, initial=0))
