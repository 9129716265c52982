"""What the user sees of what the model sees: the panel with the picture, its warnings, and the preview of masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psygnal import Signal

from napari_sam.gui.hover.preview import HoverPreview
from napari_sam.gui.view.sight import Sight

if TYPE_CHECKING:
    from collections.abc import Hashable

    from napari.components import ViewerModel

    from napari_sam.gui.compute.background import Background
    from napari_sam.gui.hover.pace import Pace
    from napari_sam.gui.panels.hover_switch import HoverSwitch
    from napari_sam.gui.panels.model_view import ModelView
    from napari_sam.gui.session import SegmentSession


class Vision:
    """Begins and ends with the sessions of one widget; what was measured of the models stays.

    Parameters
    ----------
    viewer : ViewerModel
        The viewer of the widget.
    panel : ModelView
        Shows what the model sees.
    switch : HoverSwitch
        Switches the preview.
    """

    notice = Signal(str)

    def __init__(self, viewer: ViewerModel, panel: ModelView, switch: HoverSwitch) -> None:
        self._viewer = viewer
        self._panel = panel
        self._switch = switch
        self._paces: dict[Hashable, Pace] = {}
        self._sight: Sight | None = None
        self._hover: HoverPreview | None = None
        switch.chosen.connect(self._on_chosen)

    @property
    def pending(self) -> bool:
        """Whether a layer that was asked for is still to come."""
        return self._sight is not None and self._sight.pending

    def begin(self, session: SegmentSession, background: Background) -> None:
        """Follow a session, before it asks its first question."""
        self.end()
        self._sight = Sight(self._viewer.layers, session, background, self._panel)
        self._sight.notice.connect(self._tell)
        self._hover = HoverPreview(self._viewer, session, background, self._switch.choice, self._paces)
        self._hover.switched.connect(self._switch.show)
        self._switch.show(self._hover.is_on)

    def end(self, viewer_is_closing: bool = False) -> None:
        """Follow nothing any more; the layer of the preview goes, unless the viewer goes anyway."""
        if self._sight is not None:
            self._sight.close()
            self._sight = None
        if self._hover is not None:
            self._hover.close(keep_layer=viewer_is_closing)
            self._hover = None

    def forsake(self) -> None:
        """End without touching the viewer, which is closing."""
        self.end(viewer_is_closing=True)

    def set_contrast(self) -> None:
        """Set the contrast limits from percentiles of the shown plane, where that helps."""
        if self._sight is not None:
            self._sight.set_contrast()

    def open_layer(self) -> None:
        """Add what the model is shown as an image layer."""
        if self._sight is not None:
            self._sight.open_layer()

    def toggle_hover(self) -> None:
        """Switch the preview on or off."""
        self._switch.box.value = not self._switch.box.value

    def _tell(self, text: str) -> None:
        self.notice.emit(text)

    def _on_chosen(self, choice: str) -> None:
        if self._hover is not None:
            self._hover.choice = choice
