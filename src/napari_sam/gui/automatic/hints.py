"""Where objects are, as another layer knows it: labels, points or boxes to ask about instead of a grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Points, Shapes
from numpy.typing import NDArray

from napari_sam.errors import PromptError
from napari_sam.gui.prompting.state import FEATURE, NEGATIVE
from napari_sam.gui.view.planes import Plane, spatial_shape

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image, Layer

GRID = "point grid"
LABELS, POINTS, BOXES = "labels", "points", "boxes"


@dataclass(frozen=True, eq=False)
class PlaneHints:
    """What is known of one plane.

    Attributes
    ----------
    kind : {"labels", "points", "boxes"}
    values : ndarray
        Labels of the plane's shape; points (N, 2) as (row, column); boxes (N, 4) as (top, left, bottom, right).
    """

    kind: str
    values: NDArray[Any]


@dataclass(frozen=True, eq=False)
class LayerHints:
    """What a layer knows of an image, as values: the background thread asks for plane after plane.

    Attributes
    ----------
    kind : {"labels", "points", "boxes"}
    data : array-like
        Labels of the image's shape, lazy or not; points (N, ndim); corners of boxes (N, 2, ndim), the lower first.
    axes_yx : (int, int)
        The axes that span a plane.
    hw : (int, int)
    """

    kind: str
    data: Any
    axes_yx: tuple[int, int]
    hw: tuple[int, int]

    def on(self, position: tuple[int, ...]) -> PlaneHints:
        """Return what is known of a plane; points and boxes outside of it are left out."""
        plane = Plane(self.axes_yx, position, self.hw)
        if self.kind == LABELS:
            return PlaneHints(self.kind, np.asarray(self.data[plane.slicer]))
        limit = np.asarray(self.hw) - 0.5
        if self.kind == POINTS:
            here = plane.to_plane(self.data[plane.contains(self.data)])
            return PlaneHints(self.kind, here[((here > -0.5) & (here < limit)).all(axis=1)])
        here = self.data[plane.contains(self.data.mean(axis=1))][:, :, list(self.axes_yx)]
        inside = (here[:, 1] > -0.5).all(axis=1) & (here[:, 0] < limit).all(axis=1)
        return PlaneHints(self.kind, here[inside].reshape(-1, 4))


def hint_choices(layers: LayerList, image: Image | None, result: Layer | None) -> list[tuple[str, Any]]:
    """Return (text, value) of what can be asked about: the grid, and the layers that know where objects are."""
    fitting = [] if image is None else [one for one in layers if one is not result and _fits(one, image)]
    return [(GRID, GRID), *((layer.name, layer) for layer in fitting)]


def layer_hints(layer: Layer, image: Image, axes_yx: tuple[int, int]) -> LayerHints:
    """Return what a layer knows of an image.

    Parameters
    ----------
    layer : Layer
        Labels of the image's shape; points or shapes anywhere, with as many axes as the image.
    image : Image
    axes_yx : (int, int)
        The axes that span a plane.

    Raises
    ------
    PromptError
        If the layer does not fit the image, or knows of nothing.
    """
    shape = spatial_shape(image)
    hw = shape[axes_yx[0]], shape[axes_yx[1]]
    if not _fits(layer, image):
        raise PromptError(
            f"'{layer.name}' cannot say where the objects of '{image.name}' are: labels need its shape {shape}, points "
            f"and shapes its {len(shape)} axes."
        )
    if isinstance(layer, Labels):
        return LayerHints(LABELS, layer.data, axes_yx, hw)
    if isinstance(layer, Points):
        found = np.asarray(layer.data, np.float64)[_positive(layer)]
        if len(found):
            return LayerHints(POINTS, _moved(found, layer, image), axes_yx, hw)
    else:
        corners = [_moved(np.asarray(one, np.float64), layer, image) for one in layer.data]
        if corners:
            boxes = np.stack([np.stack([one.min(axis=0), one.max(axis=0)]) for one in corners])
            return LayerHints(BOXES, boxes, axes_yx, hw)
    raise PromptError(f"'{layer.name}' is empty: draw something in it, or ask about the grid.")


def _fits(layer: Layer, image: Image) -> bool:
    shape = spatial_shape(image)
    if isinstance(layer, Labels):
        return not layer.multiscale and tuple(layer.data.shape) == shape
    return isinstance(layer, (Points, Shapes)) and layer.ndim == len(shape)


def _positive(layer: Points) -> NDArray[np.bool_]:
    names = list(layer.features[FEATURE].astype(str)) if FEATURE in layer.features else [""] * len(layer.data)
    return np.array([name != NEGATIVE for name in names], np.bool_)


def _moved(positions: NDArray[np.float64], layer: Layer, image: Image) -> NDArray[np.float64]:
    """Return positions in pixels of the image; both layers may be scaled, moved and turned."""
    moved = [image.world_to_data(layer.data_to_world(one)) for one in positions]
    return np.array(moved, np.float64).reshape(-1, positions.shape[-1])
