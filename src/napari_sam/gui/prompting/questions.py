"""What a session asks about a plane: its prompts under the user's settings, worked out once per edit."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

from napari_sam.gui.compute.candidates import Candidates, describe
from napari_sam.gui.prompting.prompts import PlanePrompts, PromptState, prompts_on
from napari_sam.gui.view.planes import Plane


class Questions:
    """Turns prompts into questions.

    Attributes
    ----------
    clicked_only : bool
        Whether pieces of a mask without a positive point are left out, where another piece has one.
    """

    def __init__(self) -> None:
        self.clicked_only = True
        self._last: tuple[PromptState, Plane, bool, PlanePrompts] | None = None

    def on(self, state: PromptState, plane: Plane) -> PlanePrompts:
        """Return what to ask on a plane; drawn areas are filled once, not for every look at them."""
        known = self._last
        if known is not None and known[0] is state and known[1] == plane and known[2] == self.clicked_only:
            return known[3]
        asked = prompts_on(state, plane)
        objects = tuple(replace(one, clicked_only=self.clicked_only) for one in asked.objects)
        asked = PlanePrompts(objects, asked.note)
        self._last = state, plane, self.clicked_only, asked
        return asked

    def told(self, state: PromptState, plane: Plane, objects: Sequence[Candidates]) -> str:
        """Return what to tell the user about the masks of a plane: what they stand for, and what was left out."""
        mask, asked = state.masks.get(plane), self.on(state, plane)
        if mask is None:
            source = ""
        elif mask.object_id is None:
            source = f"With {mask.source}:"
        else:
            source = f"Editing object {mask.object_id}:"
        is_untouched = len(asked.objects) == 1 and asked.objects[0].is_fixed
        found = "as it is, add prompts to change it." if is_untouched else describe(objects, state.choices.get(plane))
        return " ".join(filter(None, [source, found, asked.note]))

    def fingerprint(self, state: PromptState, plane: Plane) -> Hashable:
        """Return a value that changes when the answer on this plane may."""
        return state.fingerprint(plane), self.clicked_only
