"""What scripts, buttons and keys call: the commands of the Segment widget, one method each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from napari_sam.gui.command_container import CommandContainer
from napari_sam.gui.prompting.prompts import NEGATIVE, POSITIVE

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sam.gui.compute.background import Background
    from napari_sam.gui.controls import Controls
    from napari_sam.gui.keys.shortcuts import Shortcuts
    from napari_sam.gui.objects.propagation import ObjectPropagation
    from napari_sam.gui.recovery.autosave import Autosave
    from napari_sam.gui.session import SegmentSession
    from napari_sam.gui.view.image_choice import ImageChoice
    from napari_sam.gui.vision import Vision


class SegmentCommands(CommandContainer):
    """The commands; whoever inherits wires them to a viewer.

    Without an image every command does nothing.
    """

    _session: SegmentSession | None
    _controls: Controls
    _background: Background
    _images: ImageChoice
    _autosave: Autosave
    _keys: Shortcuts
    _vision: Vision
    _propagation: ObjectPropagation | None
    _is_open: bool

    @property
    def session(self) -> SegmentSession | None:
        """The session on the chosen image, or None without an image."""
        return self._session

    @property
    def pending(self) -> bool:
        """Whether an answer, or anything that may lead to a question, is still on its way."""
        if not self._is_open:
            return False
        waiting = self._session is not None and self._session.pending
        return (
            waiting
            or self._images.pending
            or self._background.pending
            or self._autosave.pending
            or self._vision.pending
            or (self._propagation is not None and self._propagation.running)
        )

    def set_contrast(self) -> None:
        """Set the contrast limits from percentiles of the shown slice, where the image is spoiled by a few pixels."""
        self._vision.set_contrast()

    def open_model_view(self) -> None:
        """Add exactly what the model is shown as an image layer."""
        self._vision.open_layer()

    def toggle_hover(self) -> None:
        """Switch the preview of the mask under the cursor on or off."""
        self._vision.toggle_hover()

    def next_candidate(self) -> None:
        """Show the next candidate mask; after the last comes the first."""
        if self._session is not None:
            self._session.next_candidate()

    def previous_candidate(self) -> None:
        """Show the candidate mask before; before the first comes the last."""
        if self._session is not None:
            self._session.next_candidate(-1)

    def pick_candidate(self, index: int) -> None:
        """Show one of the candidate masks, counted from 0."""
        if self._session is not None:
            self._session.pick_candidate(index)

    def commit(self) -> None:
        """Write the proposal into the objects layer and clear the prompts of the slice."""
        if self._session is not None:
            self._session.commit(self._controls.objects.settings())

    def edit_object(self, object_id: int | None = None) -> None:
        """Open a committed object again; without an id the one under the cursor, else the selected one."""
        if self._session is not None:
            self._session.objects.edit_object(object_id, self._controls.objects.mode.value)

    def delete_object(self, object_id: int | None = None) -> None:
        """Remove a committed object; without an id the one under the cursor, else the selected one."""
        if self._session is not None:
            self._session.objects.delete_object(object_id, self._controls.objects.mode.value)

    def merge_objects(self, ids: Sequence[int] | None = None) -> None:
        """Let objects join the first of ``ids``; without ids the one under the cursor joins the selected one."""
        if self._session is not None:
            self._session.objects.merge_objects(ids, self._controls.objects.mode.value)

    def continue_object(self, object_id: int | None = None) -> None:
        """Let the next commits go on with an object: the given, pointed at, or last one; a second time ends it."""
        if self._session is None:
            return
        chosen = self._controls.objects.object_id
        going_on = object_id is None and chosen.value > 0
        wanted = 0 if going_on else self._session.objects.id_to_continue(object_id)
        chosen.value = wanted
        if wanted:
            text = f"The next commits go on with object {wanted}. Once more, and they make new objects."
        else:
            text = "The next commit makes a new object." if going_on else "No object to go on with: point at one."
        self._controls.show_status(text)

    def propagate_object(self, object_id: int | None = None, direction: str | None = None) -> None:
        """Find an object on the other slices of a stack, in the background; cancel() keeps what was found.

        Slices it was committed, corrected or painted on stay as they are, and what is found starts from them.

        Parameters
        ----------
        object_id : int, optional
            An object of the shown slice; without an id the one under the cursor, else the selected one.
        direction : {"both", "forward", "backward"}, optional
            Where to go from the shown slice; what the control says when left out.
        """
        if self._propagation is not None:
            panel, objects = self._controls.stack, self._controls.objects
            wanted = panel.direction.value if direction is None else direction
            self._propagation.start(object_id, wanted, panel.axis, objects.settings(), panel.config())

    def use_objects_layer(self, layer: Labels | None = None) -> None:
        """Let a labels layer take the objects, or a copy of one that cannot be written to; None makes a new layer."""
        if self._session is not None:
            self._session.objects.use_layer(layer)

    def undo(self) -> None:
        """Take back the last click, box, choice, clear or commit."""
        if self._session is not None:
            self._stop_propagation()
            self._session.undo()

    def redo(self) -> None:
        """Do again what was undone last."""
        if self._session is not None:
            self._session.redo()

    def clear(self) -> None:
        """Remove the prompts of the shown slice."""
        if self._session is not None:
            self._session.clear()

    def cancel(self) -> None:
        """Drop pending work; the prompts stay."""
        if not self._is_open:
            return
        self._background.cancel()
        if self._session is not None:
            self._session.forget_asked()
            if not self._stop_propagation():
                self._controls.show_status("Cancelled; the prompts are still there.")
        self._controls.show_busy(self._background.busy)

    def _stop_propagation(self) -> bool:
        running = self._propagation is not None and self._propagation.running
        if running and self._propagation is not None:
            self._propagation.stop()
        return running

    def toggle_prompt(self) -> None:
        """Switch the next clicks between positive and negative."""
        self._controls.prompt.value = NEGATIVE if self._controls.prompt.value == POSITIVE else POSITIVE

    def toggle_proposal(self) -> None:
        """Hide or show the proposal."""
        if self._session is not None:
            proposal = self._session.tools.layers.proposal
            proposal.visible = not proposal.visible

    def set_key(self, method: str, key: str = "") -> None:
        """Give a command another key, or none, now and from now on; raises KeyBindingError when it is taken."""
        self._keys.change(method, key)

    def use_points(self) -> None:
        """Make the points layer active, ready for clicks."""
        if self._session is not None:
            self._session.tools.use_points()

    def use_boxes(self) -> None:
        """Make the boxes layer active, ready for rectangles."""
        if self._session is not None:
            self._session.tools.use_shapes("add_rectangle")

    def use_label(self, layer: Labels | None = None, label: int | None = None) -> None:
        """Take an object of any Labels layer as a mask prompt on the shown slice.

        Parameters
        ----------
        layer : Labels, optional
            Where the object is; without it the topmost visible layer with a label under the cursor, else the active
            one.
        label : int, optional
            Which object; without it the one under the cursor, else the layer's selected label.
        """
        if self._session is not None:
            self._session.use_label(layer, label)

    def use_polygon(self) -> None:
        """Make the boxes layer active, ready for polygons: a click per corner, a double click ends."""
        if self._session is not None:
            self._session.tools.use_shapes("add_polygon")

    def use_lasso(self) -> None:
        """Make the boxes layer active, ready for outlines drawn freehand."""
        if self._session is not None:
            self._session.tools.use_shapes("add_polygon_lasso")

    def use_ellipse(self) -> None:
        """Make the boxes layer active, ready for ellipses."""
        if self._session is not None:
            self._session.tools.use_shapes("add_ellipse")

    def use_scribble(self) -> None:
        """Make the boxes layer active, ready for lines that count as several clicks."""
        if self._session is not None:
            self._session.tools.use_shapes("add_path")
