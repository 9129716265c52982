"""The mask under the mouse: asks for it as the mouse moves, draws what comes back, and keeps out of the way.

One question is on its way at a time, and the place asked about next is always the newest: the preview follows as
quickly as the model answers and never queues up. It reads nothing, encodes nothing and gives way to every click.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psygnal import Signal

from napari_sam.gui.compute.hover import HoverAnswer, HoverJob
from napari_sam.gui.hover.layer import PreviewLayer
from napari_sam.gui.hover.pace import AUTO, ON, Pace
from napari_sam.gui.prompting.polarity import MODIFIERS
from napari_sam.gui.prompting.prompts import POSITIVE
from napari_sam.gui.qt.connections import Connections

if TYPE_CHECKING:
    from napari.components import ViewerModel

    from napari_sam.gui.compute.background import Background
    from napari_sam.gui.compute.jobs import Answer, SegmentJob
    from napari_sam.gui.session import SegmentSession

MOVED_PIXELS = 1.0


class HoverPreview:
    """The preview on one image.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer whose mouse is followed.
    session : SegmentSession
        The session on the image.
    background : Background
        Answers the questions.
    choice : str
        "auto", "on" or "off"; with "auto" the preview is on as soon as the model is known to be quick enough.
    paces : dict
        What has been measured of each model so far; added to.

    Attributes
    ----------
    switched : Signal(bool)
        The preview has been switched on or off, by the user or by the model's pace.
    """

    switched = Signal(bool)

    def __init__(
        self,
        viewer: ViewerModel,
        session: SegmentSession,
        background: Background,
        choice: str,
        paces: dict[Hashable, Pace],
    ) -> None:
        self._viewer = viewer
        self._session = session
        self._background = background
        self._choice = choice
        self._paces = paces
        self._model: Hashable = None
        self._asked: HoverJob | None = None
        self._next: tuple[float, float] | None = None
        self._shown_at: tuple[float, float] | None = None
        self._layer = PreviewLayer(viewer.layers, session.image)
        self._is_drawing = False
        self._connections = Connections()
        self._connect()

    def _connect(self) -> None:
        self._viewer.mouse_move_callbacks.append(self._on_move)
        self._viewer.mouse_drag_callbacks.append(self._on_press)
        self._connections.add(self._viewer.events.mouse_over_canvas, self._on_canvas_left)
        self._connections.add(self._viewer.layers.selection.events.active, self._on_active_changed)
        self._connections.add(self._viewer.dims.events.point, self._forget)
        self._connections.add(self._viewer.dims.events.ndisplay, self._forget)
        self._connections.add(self._session.view.content_changed, self._forget)
        self._connections.add(self._session.changed, self._on_session_changed)
        self._connections.add(self._background.answered, self._on_answered)
        self._connections.add(self._background.hovered, self._on_hovered)
        self._connections.add(self._background.given_up, self._on_given_up)

    @property
    def choice(self) -> str:
        """What the user wants: "auto", "on" or "off"."""
        return self._choice

    @choice.setter
    def choice(self, choice: str) -> None:
        before = self.is_on
        self._choice = choice
        self._on_maybe_switched(before)

    @property
    def is_on(self) -> bool:
        """Whether masks are previewed."""
        pace = self._paces.get(self._model)
        return self._choice == ON or (self._choice == AUTO and pace is not None and pace.is_fast)

    @property
    def pending(self) -> bool:
        """Whether a question is on its way, or waits for the answer to the one before."""
        return self._asked is not None or self._next is not None

    def close(self, keep_layer: bool = False) -> None:
        """Follow the mouse no longer and take the layer away, unless the viewer is going anyway."""
        for callbacks, callback in (
            (self._viewer.mouse_move_callbacks, self._on_move),
            (self._viewer.mouse_drag_callbacks, self._on_press),
        ):
            if callback in callbacks:
                callbacks.remove(callback)
        self._connections.clear()
        if not keep_layer:
            self._layer.remove()

    # -- the mouse ---------------------------------------------------------------------------------------------------

    def _on_move(self, viewer: Any, event: Any) -> None:
        if not self.is_on:
            return
        point = self._point(event.position) if self._is_tool_ready(event.modifiers) else None
        if point is None:
            self._forget()
        elif self._shown_at is None or np.abs(np.subtract(point, self._shown_at)).max() > MOVED_PIXELS:
            self._next = point
            self._ask()

    def _on_press(self, viewer: Any, event: Any) -> None:
        self._forget()

    def _on_active_changed(self, event: Any = None) -> None:
        # A layer that is made is active for a moment.
        if not self._is_drawing:
            self._forget()

    def _on_canvas_left(self, event: Any = None) -> None:
        if not self._viewer.mouse_over_canvas:
            self._forget()

    def _is_tool_ready(self, modifiers: Any = ()) -> bool:
        """Return whether a click now would be the first, positive one of an object."""
        tools = self._session.tools
        points = tools.layers.points
        return (
            self._viewer.layers.selection.active is points
            and str(points.mode) == "add"
            and tools.polarity.label == POSITIVE
            and not any(name in modifiers for name in MODIFIERS)
        )

    def _point(self, position: Any) -> tuple[float, float] | None:
        """Return where the mouse is on the shown plane, or None where it is outside or nothing can be previewed."""
        plane = self._session.plane
        if plane is None or self._viewer.dims.ndisplay != 2 or self._session.has_prompts(plane):
            return None
        row, column = plane.to_plane([self._session.image.world_to_data(position)])[0]
        height, width = plane.shape_hw
        inside = -0.5 <= row <= height - 0.5 and -0.5 <= column <= width - 0.5
        return (float(np.clip(row, 0, height - 1)), float(np.clip(column, 0, width - 1))) if inside else None

    # -- questions and answers ---------------------------------------------------------------------------------------

    def _ask(self) -> None:
        if self._asked is not None and not self._background.idle:
            return
        base = self._session.prepared_job()
        if base is None or self._next is None:
            return
        self._asked = HoverJob(base, self._next, self._session.clicked_pieces)
        self._shown_at, self._next = self._next, None
        self._background.hover(self._asked)

    def _on_hovered(self, job: HoverJob, answer: HoverAnswer) -> None:
        if answer.seconds and job.base.model == self._model:
            before = self.is_on
            self._pace.add(answer.seconds)
            self._on_maybe_switched(before)
        if job is not self._asked:
            return
        self._asked = None
        if self.is_on and self._shown_at is not None and self._still_holds(job):
            if answer.drawing is None:
                self._layer.hide()
            else:
                self._draw(job, answer.drawing, answer.top_left)
        self._ask()

    def _draw(self, job: HoverJob, drawing: NDArray[np.uint8], top_left: tuple[int, int]) -> None:
        self._is_drawing = True
        try:
            self._layer.show(job.plane, drawing, top_left, self._session.tools.layers.boxes)
        finally:
            self._is_drawing = False

    def _on_given_up(self, job: object, error: BaseException) -> None:
        # Something else came first; the next move of the mouse asks again.
        if job is self._asked:
            self._asked = self._next = self._shown_at = None

    def _still_holds(self, job: HoverJob) -> bool:
        base = self._session.prepared_job()
        return (
            base is not None
            and base.key == job.key
            and self._is_tool_ready()
            and not self._session.has_prompts(base.plane)
        )

    def _on_answered(self, job: SegmentJob, answer: Answer) -> None:
        before, self._model = self.is_on, job.model
        if answer.decode_s is not None:
            self._pace.add(answer.decode_s)
        self._on_maybe_switched(before)

    @property
    def _pace(self) -> Pace:
        return self._paces.setdefault(self._model, Pace())

    def _on_maybe_switched(self, before: bool) -> None:
        if not self.is_on:
            self._forget()
            self._layer.remove()
        if self.is_on != before:
            self.switched.emit(self.is_on)

    def _on_session_changed(self) -> None:
        if self._session.plane is None or self._session.has_prompts(self._session.plane):
            self._forget()

    def _forget(self, event: object = None) -> None:
        """Show nothing, and nothing that is still on its way."""
        self._next = self._shown_at = None
        self._layer.hide()
