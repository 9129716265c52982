"""Keeps the panel with the image as the model sees it in step with a session, and does what its buttons ask."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image
from numpy.typing import NDArray
from psygnal import Signal

from napari_sam.gui.compute.pictures import ModelPicture, exact_rgb
from napari_sam.gui.layers import METADATA_KEY, spatial_kwargs
from napari_sam.gui.qt.aside import Aside
from napari_sam.gui.qt.connections import Connections
from napari_sam.gui.view.offsets import shifted_translate

if TYPE_CHECKING:
    from napari.components import LayerList

    from napari_sam.gui.compute.background import Background
    from napari_sam.gui.compute.jobs import SegmentJob
    from napari_sam.gui.panels.model_view import ModelView
    from napari_sam.gui.session import SegmentSession

SEEN = "seen"


class Sight:
    """What the model sees of one image.

    Parameters
    ----------
    layers : LayerList
        ``viewer.layers``.
    session : SegmentSession
        The session on the image.
    background : Background
        Whose pictures are shown.
    panel : ModelView
        Where they are shown.
    """

    notice = Signal(str)

    def __init__(self, layers: LayerList, session: SegmentSession, background: Background, panel: ModelView) -> None:
        self._layers = layers
        self._session = session
        self._pictures = background.pictures
        self._panel = panel
        self._picture: ModelPicture | None = None
        self._aside = Aside()
        self._connections = Connections()
        session.view.channels = panel.channels.value
        panel.clear()
        self._connections.add(panel.channels.changed, self._on_channels)
        self._connections.add(background.answered, self._on_answered)
        for signal in (session.view.plane_changed, session.view.content_changed):
            self._connections.add(signal, self.update)

    @property
    def pending(self) -> bool:
        """Whether a layer is still to come."""
        return self._aside.pending

    def close(self) -> None:
        """Follow nothing any more and show nothing."""
        self._connections.clear()
        self._aside.close()
        self._panel.clear()

    def update(self) -> None:
        """Show the picture of the shown plane; that of another one stays until there is one."""
        job = self._session.base_job()
        picture = None if job is None else self._pictures.get(job)
        if picture is not None and picture is not self._picture:
            self._picture = picture
            self._panel.show(picture)

    def set_contrast(self) -> None:
        """Set the contrast limits of what is shown so that a few extreme pixels do not decide them."""
        for layer_id, _, report in self._picture.reports if self._picture is not None else ():
            layer = self._find(layer_id)
            if layer is not None and report.remedy is not None:
                layer.contrast_limits = report.remedy

    def open_layer(self) -> None:
        """Add exactly what the model is shown as an image layer; it is read and resized in the background."""
        job, picture = self._session.base_job(), self._picture
        if job is None or picture is None:
            self.notice.emit("Nothing has been shown to the model here yet.")
            return
        self._aside.run(partial(exact_rgb, job, picture), partial(self._add, job, picture), self._on_failed)

    def _find(self, layer_id: object) -> Image | None:
        if layer_id is None:
            return self._session.image
        images = (layer for layer in self._layers if isinstance(layer, Image))
        return next((layer for layer in images if layer.unique_id == layer_id), None)

    def _add(self, job: SegmentJob, picture: ModelPicture, rgb: NDArray[np.uint8]) -> None:
        image, plane, window = self._session.image, job.plane, picture.window
        if image not in self._layers:
            return
        axes = list(plane.axes)
        factors = np.ones(plane.ndim)
        factors[axes] = window.height / rgb.shape[0], window.width / rgb.shape[1]
        # The outer borders of the first pixels coincide, not their middles.
        corner = plane.to_data([(window.top, window.left)])[0] + (factors - 1) / 2
        shape = np.ones(plane.ndim, int)
        shape[axes] = rgb.shape[:2]
        place: dict[str, Any] = spatial_kwargs(image)
        place.update(scale=np.asarray(image.scale) * factors, translate=shifted_translate(image, corner))
        layer = Image(
            rgb.reshape((*shape, 3)),
            rgb=True,
            name=f"{image.name} as the model sees it",
            metadata={METADATA_KEY: {"role": SEEN, "image": str(image.unique_id)}},
            **place,
        )
        # The user goes on with the tool in hand.
        active = self._layers.selection.active
        self._layers.insert(self._layers.index(image) + 1, layer)
        self._layers.selection.active = active

    def _on_channels(self, choice: str) -> None:
        self._session.view.channels = choice

    def _on_answered(self, job: object, answer: object) -> None:
        self.update()

    def _on_failed(self, error: BaseException) -> None:
        self.notice.emit(f"What the model sees could not be read again: {error}")
