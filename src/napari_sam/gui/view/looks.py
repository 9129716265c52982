"""How napari shows image layers, as plain values; and which layers it shows together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from napari_sam.gui.view.planes import spatial_shape
from napari_sam.predict.composite import LUT_SIZE, LayerLook

if TYPE_CHECKING:
    from napari.layers import Layer

PLACEMENT = ("scale", "translate", "rotate", "shear")
OURS = "napari_sam"


def look_of(layer: Image) -> LayerLook:
    """Return how a layer is shown: limits, gamma, colormap, opacity and blending."""
    lut = None
    if not layer.rgb:
        values = np.append(np.linspace(0.0, 1.0, LUT_SIZE), np.nan)
        lut = np.asarray(layer.colormap.map(values), np.float32)
    return LayerLook(limits_of(layer), lut, float(layer.gamma), float(layer.opacity), str(layer.blending), layer.name)


def grey_look_of(layer: Image) -> LayerLook:
    """Return how a layer would be shown alone and, unless it is in colour, in grey."""
    grey = None
    if not layer.rgb:
        grey = np.ones((LUT_SIZE + 1, 4), np.float32)
        grey[:, :3] = np.append(np.linspace(0.0, 1.0, LUT_SIZE), 0.0)[:, None]
    return LayerLook(limits_of(layer), grey, float(layer.gamma), name=layer.name)


def limits_of(layer: Image) -> tuple[float, float]:
    """Return the contrast limits of a layer as plain numbers."""
    low, high = layer.contrast_limits
    return float(low), float(high)


def visible_channels(layers: Iterable[Layer], image: Image) -> list[Image]:
    """Return the visible image layers that lie exactly where ``image`` does, lowest first; it alone if none is."""
    found = [layer for layer in layers if isinstance(layer, Image) and layer.visible and lies_like(image, layer)]
    return found or [image]


def lies_like(image: Image, layer: Image) -> bool:
    """Return whether a layer has the pixels of ``image``: same shape, same place, and not made by us."""
    if layer is image:
        return True
    return (
        OURS not in layer.metadata
        and spatial_shape(layer) == spatial_shape(image)
        and tuple(layer.units) == tuple(image.units)
        and all(np.allclose(getattr(layer, name), getattr(image, name)) for name in PLACEMENT)
        and np.allclose(layer.affine.affine_matrix, image.affine.affine_matrix)
    )
