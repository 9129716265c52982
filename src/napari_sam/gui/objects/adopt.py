"""Which layer takes the objects: one that is there already, a copy of one that cannot be written to, or a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_sam.errors import PromptError
from napari_sam.gui.layers import METADATA_KEY, OBJECTS, SPARSE_ABOVE, copy_placement, make_objects, role_of
from napari_sam.gui.objects.find import IN_MEMORY_PIXELS
from napari_sam.gui.objects.store import holds_ids, is_writable
from napari_sam.gui.view.planes import spatial_shape

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image, Layer


def candidates(layers: LayerList, image: Image) -> list[Labels]:
    """Return the labels layers that could take the objects of an image: all of its shape, but no proposals."""
    shape = spatial_shape(image)
    return [
        layer
        for layer in layers
        if isinstance(layer, Labels)
        and not layer.multiscale
        and tuple(layer.data.shape) == shape
        and role_of(layer) in (None, OBJECTS)
    ]


def take_over(layers: LayerList, image: Image, layer: Labels | None) -> tuple[Labels, str]:
    """Return a layer that takes the objects of an image from now on, and what to tell the user.

    Parameters
    ----------
    layers : LayerList
        ``viewer.layers``; a copy or a new layer is added.
    image : Image
        The image.
    layer : Labels or None
        Layer to go on with. If its array cannot be written to, has no room for ids or holds negative values, a copy
        is made; the layer itself is left as it is. None makes an empty layer.

    Raises
    ------
    PromptError
        If the layer does not fit the image, or is too large to be copied.
    """
    if layer is None:
        made = make_objects(image)
        layers.append(made)
        return made, f"New objects go into the new layer '{made.name}'."
    if layer not in candidates(layers, image):
        raise PromptError(
            f"'{layer.name}' cannot take the objects of '{image.name}': it has to be a labels layer of one scale with "
            f"shape {spatial_shape(image)}, and has {tuple(getattr(layer.data, 'shape', ()))}."
        )
    reason = _why_copy(layer.data)
    if not reason:
        copy_placement(image, layer)
        return layer, f"Objects go into '{layer.name}' from now on."
    copy = make_objects(image)
    if copy.data.size * copy.data.dtype.itemsize > SPARSE_ABOVE:
        raise PromptError(f"'{layer.name}' {reason} and is too large to copy: save it as zarr and open that.")
    dropped = _fill(copy, layer.data)
    copy.name = f"{layer.name} (objects)"
    layers.append(copy)
    lost = f" {dropped} pixels with values below 0 are background in the copy." if dropped else ""
    return (
        copy,
        f"'{layer.name}' {reason}: objects go into the copy '{copy.name}'.{lost} '{layer.name}' stays as it is.",
    )


def claim(layer: Layer, image: Image) -> None:
    """Mark a layer as the one that takes the objects of an image."""
    entry = layer.metadata.get(METADATA_KEY, {})
    layer.metadata[METADATA_KEY] = {**entry, "role": OBJECTS, "image": str(image.unique_id)}


def release(layer: Layer) -> None:
    """Make a layer the user's own again; what is known of its classes stays with it."""
    entry = dict(layer.metadata.get(METADATA_KEY, {}))
    entry.pop("role", None)
    entry.pop("image", None)
    layer.metadata[METADATA_KEY] = entry


def _why_copy(data: Any) -> str:
    if not holds_ids(data.dtype):
        return f"holds {data.dtype} values, which have no room for object numbers"
    if not is_writable(data):
        return "cannot be written to"
    signed = np.dtype(data.dtype).kind == "i"
    if signed and isinstance(data, np.ndarray) and data.size <= IN_MEMORY_PIXELS and data.min(initial=0) < 0:
        return "has values below 0"
    return ""


def _fill(copy: Labels, data: Any) -> int:
    """Copy plane by plane, widening where necessary; return how many negative values became background."""
    target, dropped = copy.data, 0
    for position in np.ndindex(*target.shape[:-2]):
        plane = np.asarray(data[position])
        if plane.dtype.kind == "i":
            negative = plane < 0
            dropped += int(np.count_nonzero(negative))
            plane = np.where(negative, 0, plane)
        if plane.size and int(plane.max()) > np.iinfo(target.dtype).max:
            target = target.astype(np.uint32)
        target[position] = plane
    if target is not copy.data:
        copy.data = target
    return dropped
