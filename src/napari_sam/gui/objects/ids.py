"""Which ids are in use: the next free one is known without looking through the layer at every commit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_sam.errors import PromptError
from napari_sam.gui.objects.patches import LabelPatch
from napari_sam.gui.objects.scan import Scan

if TYPE_CHECKING:
    from napari.layers import Labels

HIGHEST_POSSIBLE = np.iinfo(np.uint32).max


class IdBook:
    """Knows the highest id of one objects layer, which is looked through once; a large lazy one in the background."""

    def __init__(self) -> None:
        self._highest: int | None = None
        self._scan: Scan | None = None
        # Ids that somebody painted are never given away again, not even after an undo of ours.
        self._painted = 0

    @property
    def pending(self) -> bool:
        """Whether the layer is still being looked through."""
        return self._scan is not None and self._scan.pending

    def begin(self, layer: Labels) -> None:
        """Start to look through a layer, if that has not been done."""
        if self._highest is None and self._scan is None:
            self._scan = Scan(layer.data)

    def stop(self) -> None:
        """Look no further."""
        if self._scan is not None:
            self._scan.stop()

    def next_free(self, layer: Labels) -> int:
        """Return one more than the highest id in use.

        Raises
        ------
        PromptError
            If there is no id left, or a large lazy layer has not been looked through yet.
        """
        self.begin(layer)
        if self._highest is None and self._scan is not None:
            if self._scan.pending:
                raise PromptError(f"Still looking through '{layer.name}' for the numbers in use: again in a moment.")
            self._highest, self._scan = max(self._scan.result(), self._painted), None
        highest = self._highest or 0
        if highest >= HIGHEST_POSSIBLE:
            raise PromptError(f"Id {highest} is the highest there can be: renumber the objects layer first.")
        return highest + 1

    def written(self, patch: LabelPatch) -> None:
        """Note the ids a patch brings."""
        if self._highest is not None:
            self._highest = max(self._highest, *patch.ids, 0)
        else:
            self._painted = max(self._painted, *patch.ids, 0)

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
        self.stop()
        self._highest, self._scan = None, None
        self._painted = 0


def _highest_new(atom: Any) -> int:
    # Brush, fill and polygon leave named records; data_setitem leaves (indices, old, new).
    new = atom.new_value if hasattr(atom, "new_value") else atom[2]
    return int(np.max(new, initial=0))
