"""The existing masks among the prompts, drawn as outlines in a layer of their own, made when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Shapes
from numpy.typing import NDArray

from napari_sam.gui.layers import METADATA_KEY, copy_placement, spatial_kwargs
from napari_sam.gui.prompting.masks import MaskPrompt
from napari_sam.gui.view.planes import spatial_shape

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Image

ROLE = "mask"
COLOR = "#CC79A7"
# Vertices closer than this to the outline are left out.
TOLERANCE = 0.5


class MaskOutline:
    """Shows the mask prompts of one image.

    Parameters
    ----------
    viewer : ViewerModel
        Viewer the layer is added to.
    image : Image
        Image layer the masks lie on.
    """

    def __init__(self, viewer: ViewerModel, image: Image) -> None:
        self._viewer = viewer
        self._image = image
        self._layer: Shapes | None = None
        self._shown: frozenset[object] = frozenset()

    def show(self, masks: Iterable[MaskPrompt]) -> None:
        """Draw exactly these masks."""
        wanted = list(masks)
        keys = frozenset(mask.key for mask in wanted)
        is_there = self._layer is not None and self._layer in self._viewer.layers
        if keys == self._shown and (is_there or not keys):
            return
        self._shown = keys
        layer = self._layer if is_there else (self._make() if keys else None)
        self._layer = layer
        if layer is not None:
            paths = [path for mask in wanted for path in _outlines(mask)]
            layer.data = []
            if paths:
                layer.add(paths, shape_type="path")
            layer.selected_data = set()

    def follow(self) -> None:
        """Move the layer to where the image is now."""
        if self._layer is not None:
            copy_placement(self._image, self._layer)

    def close(self) -> None:
        """Remove the layer."""
        if self._layer is not None and self._layer in self._viewer.layers:
            self._viewer.layers.remove(self._layer)
        self._layer = None
        self._shown = frozenset()

    def _make(self) -> Shapes:
        shape = spatial_shape(self._image)
        layer = Shapes(
            None,
            ndim=len(shape),
            name="mask prompt",
            edge_color=COLOR,
            face_color="transparent",
            edge_width=max(max(shape[-2:]) / 400, 0.5),
            metadata={METADATA_KEY: {"role": ROLE, "image": str(self._image.unique_id)}},
            **spatial_kwargs(self._image),
        )
        active = self._viewer.layers.selection.active
        self._viewer.layers.append(layer)
        self._viewer.layers.selection.active = active
        return layer


def _outlines(mask: MaskPrompt) -> list[NDArray[np.float64]]:
    from skimage.measure import approximate_polygon, find_contours

    paths = []
    for contour in find_contours(np.pad(mask.mask, 1).astype(np.float32), 0.5):
        path = approximate_polygon(contour, TOLERANCE)
        if len(path) > 2:
            paths.append(mask.plane.to_data(path - 1 + mask.top_left))
    return paths
