"""Draws the preview: a layer of its own, no larger than the mask, made at first use and taken away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels
from napari.utils.colormaps import CyclicLabelColormap
from numpy.typing import NDArray

from napari_sam.gui.layers import METADATA_KEY, copy_placement, spatial_kwargs
from napari_sam.gui.view.offsets import shifted_translate

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image, Layer

    from napari_sam.gui.view.planes import Plane

PREVIEW = "preview"
# Cyan, which no proposal has, around a faint veil.
COLORS = ((0.0, 0.0, 0.0, 0.0), (0.6, 1.0, 1.0, 0.25), (0.0, 1.0, 1.0, 1.0))


class PreviewLayer:
    """The layer of the preview of one image.

    Parameters
    ----------
    layers : LayerList
        ``viewer.layers``.
    image : Image
        The image that is segmented.
    """

    def __init__(self, layers: LayerList, image: Image) -> None:
        self._layers = layers
        self._image = image
        self._layer: Labels | None = None
        self._is_shown = False

    @property
    def is_shown(self) -> bool:
        """Whether a mask is drawn."""
        return self._is_shown

    def show(self, plane: Plane, drawing: NDArray[np.uint8], top_left: tuple[int, int], below: Layer) -> None:
        """Draw a mask on its plane.

        Parameters
        ----------
        plane : Plane
        drawing : ndarray of uint8, shape (h, w)
            1 inside, 2 along the outline.
        top_left : tuple of int
            Where it begins, in pixels of the plane.
        below : Layer
            The layer that the preview is put under when it is made.
        """
        height, width = (
            min(size, end - start) for size, end, start in zip(drawing.shape, plane.shape_hw, top_left, strict=True)
        )
        if height < 1 or width < 1:
            self.hide()
            return
        layer = self._ensure(below)
        corner = plane.to_data([top_left])[0]
        shape = np.ones(plane.ndim, int)
        shape[list(plane.axes)] = height, width
        copy_placement(self._image, layer)
        layer.data = np.ascontiguousarray(drawing[:height, :width]).reshape(tuple(shape))
        layer.translate = shifted_translate(self._image, corner)
        layer.editable = False
        self._is_shown = True

    def hide(self) -> None:
        """Draw nothing; the layer stays."""
        if self._is_shown and self._layer is not None:
            self._layer.data = np.zeros((1,) * self._layer.ndim, np.uint8)
        self._is_shown = False

    def remove(self) -> None:
        """Take the layer away."""
        if self._layer is not None and self._layer in self._layers:
            active = self._layers.selection.active
            self._layers.remove(self._layer)
            if active is not self._layer:
                self._layers.selection.active = active
        self._layer = None
        self._is_shown = False

    def _ensure(self, below: Layer) -> Labels:
        if self._layer is not None and self._layer in self._layers:
            return self._layer
        layer = Labels(
            np.zeros((1,) * len(self._image.scale), np.uint8),
            name="preview",
            opacity=0.8,
            colormap=CyclicLabelColormap(colors=np.array(COLORS), background_value=0),
            metadata={METADATA_KEY: {"role": PREVIEW, "image": str(self._image.unique_id)}},
            **spatial_kwargs(self._image),
        )
        # napari makes a new layer the active one; the user goes on with the one in hand.
        active, selected = self._layers.selection.active, set(self._layers.selection)
        self._layers.insert(self._layers.index(below) if below in self._layers else len(self._layers), layer)
        self._layers.selection = selected
        self._layers.selection.active = active
        self._layer = layer
        return layer
