"""The layers of one image: its prompts, the live proposal and the committed objects.

Layers are held by reference and found by ``layer.metadata["napari_sam"]``, never by name, so that users may rename
them, save and reload them, and open the widget again on what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from napari.layers import Labels, Layer, Points, Shapes
from napari.utils.colormaps import CyclicLabelColormap

from napari_sam.gui.objects.store import holds_ids, is_writable
from napari_sam.gui.prompting.shapes import SCRIBBLES
from napari_sam.gui.prompting.state import FEATURE, NEGATIVE, POSITIVE, PromptState, read_state
from napari_sam.gui.view.planes import spatial_shape

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Image

METADATA_KEY = "napari_sam"
POINTS, BOXES, PROPOSAL, OBJECTS = "points", "boxes", "proposal", "objects"
SPATIAL = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
# Okabe and Ito's colour-blind-safe set; points differ in shape as well.
POSITIVE_COLOR, NEGATIVE_COLOR, BOX_COLOR = "#56B4E9", "#D55E00", "#56B4E9"
SYMBOLS: Mapping[str, str] = {POSITIVE: "disc", NEGATIVE: "x"}
PROPOSAL_COLORS = ("transparent", "#F0E442", "#56B4E9", "#CC79A7", "#E69F00", "#009E73", "#D55E00", "#0072B2")
# Beyond this many bytes label arrays live in compressed chunks that exist only where something was written.
SPARSE_ABOVE = 2**31


def role_of(layer: Layer) -> str | None:
    """Return the role of a layer in this plugin, or None for a layer that is not ours."""
    entry = layer.metadata.get(METADATA_KEY)
    return entry.get("role") if isinstance(entry, Mapping) else None


def spatial_kwargs(image: Image) -> dict[str, Any]:
    """Return what places a derived layer exactly over ``image``."""
    return {name: getattr(image, name) for name in SPATIAL}


def copy_placement(image: Image, layer: Layer) -> None:
    """Move an existing derived layer to where ``image`` is now."""
    for name in SPATIAL:
        setattr(layer, name, getattr(image, name))


@dataclass
class RoleLayers:
    """The four layers that belong to one image."""

    points: Points
    boxes: Shapes
    proposal: Labels
    objects: Labels

    def all(self) -> tuple[Layer, ...]:
        """Return the four layers, lowest first."""
        return self.objects, self.proposal, self.boxes, self.points


def ensure_layers(layers: LayerList, image: Image, known: RoleLayers | None = None) -> tuple[RoleLayers, list[str]]:
    """Return the layers of ``image``, adopting those that exist and adding those that do not.

    Parameters
    ----------
    layers : LayerList
        ``viewer.layers``.
    image : Image
        Image the layers belong to.
    known : RoleLayers, optional
        Layers held so far: those still in the list stay.

    Returns
    -------
    tuple of RoleLayers and list of str
        The layers, and the roles that had to be created.
    """
    makers: dict[str, Callable[[Image], Layer]] = {
        OBJECTS: make_objects,
        PROPOSAL: _make_proposal,
        BOXES: _make_boxes,
        POINTS: _make_points,
    }
    found: dict[str, Any] = {}
    created: list[str] = []
    for role, make in makers.items():
        held = getattr(known, role) if known is not None else None
        layer = held if held is not None and held in layers else None
        if role == OBJECTS and layer is not None and not _fits(layer, role, spatial_shape(image)):
            layer = None
        layer = adoptable(layers, image, role) if layer is None else layer
        if layer is None:
            layer = make(image)
            layers.append(layer)
            created.append(role)
        elif role != OBJECTS and layer is not held:
            layer.visible = True
        entry = layer.metadata.get(METADATA_KEY, {})
        layer.metadata[METADATA_KEY] = {**entry, "role": role, "image": str(image.unique_id)}
        found[role] = layer
    return RoleLayers(**found), created


def leave_layers(layers: LayerList, image: Image, held: RoleLayers) -> None:
    """Clear up when the tool goes on to another image: the committed objects stay, always.

    Prompts and proposal are removed with their image, when they no longer fit it, and where they are empty; else they
    are hidden until the tool comes back to their image.
    """
    fits = image in layers and tuple(held.proposal.data.shape) == spatial_shape(image)
    empty = len(held.points.data) == 0 and len(held.boxes.data) == 0
    for layer in (held.points, held.boxes, held.proposal):
        if layer not in layers:
            continue
        if empty or not fits:
            layers.remove(layer)
        else:
            layer.visible = False


def write_prompts(held: RoleLayers, state: PromptState) -> None:
    """Make the prompt layers hold exactly ``state``; a layer that does is not touched, as each setter draws anew."""
    known = read_state(held.points, held.boxes)
    if known.labels != state.labels or not np.array_equal(known.points, state.points):
        _write_points(held.points, state)
    if not known.same_shapes(state):
        _write_boxes(held.boxes, state)


def _write_points(points: Points, state: PromptState) -> None:
    points.selected_data = set()
    points.data = state.points
    labels = np.array(state.labels, object)
    points.features = pd.DataFrame({FEATURE: pd.Categorical(labels, categories=[POSITIVE, NEGATIVE])})
    if state.labels:
        restyle_points(points)


def _write_boxes(boxes: Shapes, state: PromptState) -> None:
    boxes.selected_data = set()
    boxes.data = []
    if state.boxes:
        boxes.add([np.array(box) for box in state.boxes], shape_type=list(state.shape_types))
        boxes.selected_data = set()
    # Also without shapes: napari keeps the rows of those that are gone, and the next shape would get one of them.
    labels = np.array(state.shape_labels, object)
    boxes.features = pd.DataFrame({FEATURE: pd.Categorical(labels, categories=[POSITIVE, NEGATIVE])})
    restyle_shapes(boxes)


def restyle_points(points: Points) -> None:
    """Give every point the symbol and colour of its category."""
    names = list(points.features[FEATURE].astype(str))
    points.symbol = [SYMBOLS.get(name, SYMBOLS[POSITIVE]) for name in names] or [points.current_symbol]
    points.refresh_colors(update_color_mapping=False)


def restyle_shapes(boxes: Shapes) -> None:
    """Give every shape the colour of its kind: negative scribbles that of negative points, and half the width."""
    if boxes.nshapes == 0:
        return
    names = list(boxes.features[FEATURE].astype(str)) if FEATURE in boxes.features else []
    if len(names) != boxes.nshapes:
        names = [POSITIVE] * boxes.nshapes
    away = [kind in SCRIBBLES and name == NEGATIVE for kind, name in zip(boxes.shape_type, names, strict=True)]
    boxes.edge_color = [NEGATIVE_COLOR if one else BOX_COLOR for one in away]
    boxes.edge_width = [boxes.current_edge_width / (2 if one else 1) for one in away]


def adoptable(layers: LayerList, image: Image, role: str) -> Layer | None:
    """Return the layer of a role that belongs to an image, or one that lost its image and fits; the topmost."""
    shape, present = spatial_shape(image), {str(layer.unique_id) for layer in layers}
    orphan = None
    for layer in reversed(layers):
        if role_of(layer) != role or not _fits(layer, role, shape):
            continue
        owner = layer.metadata[METADATA_KEY].get("image")
        if owner == str(image.unique_id):
            return layer
        if owner not in present:
            orphan = orphan or layer
    return orphan


def _fits(layer: Layer, role: str, shape: tuple[int, ...]) -> bool:
    if role == POINTS:
        return isinstance(layer, Points) and layer.ndim == len(shape) and FEATURE in layer.features
    if role == BOXES:
        return isinstance(layer, Shapes) and (layer.ndim == len(shape) or layer.nshapes == 0)
    fits = isinstance(layer, Labels) and not layer.multiscale and tuple(layer.data.shape) == shape
    return fits and (role == PROPOSAL or (holds_ids(layer.data.dtype) and is_writable(layer.data)))


def _make_points(image: Image) -> Layer:
    categories = pd.Categorical([], categories=[POSITIVE, NEGATIVE])
    layer = Points(
        np.empty((0, len(spatial_shape(image)))),
        ndim=len(spatial_shape(image)),
        name="points",
        features=pd.DataFrame({FEATURE: categories}),
        feature_defaults=_category(POSITIVE),
        face_color=FEATURE,
        face_color_cycle={POSITIVE: POSITIVE_COLOR, NEGATIVE: NEGATIVE_COLOR},
        border_color="white",
        border_width=0.1,
        symbol=SYMBOLS[POSITIVE],
        size=max(max(spatial_shape(image)[-2:]) / 25, 1),
        # The size on the screen is the same for every image; the border is never below half the lower limit.
        canvas_size_limits=(4, 12),
        **spatial_kwargs(image),
    )
    set_next_label(layer, POSITIVE)
    return layer


def set_next_label(points: Points, label: str) -> None:
    """Make the next point positive or negative, in category, colour and symbol."""
    points.selected_data = set()
    if _next_category(points) != label:
        points.feature_defaults = _category(label)
    if str(points.current_symbol) != SYMBOLS[label]:
        points.current_symbol = SYMBOLS[label]


def set_next_scribble(boxes: Shapes, label: str) -> None:
    """Make the next scribble positive or negative, in category and colour."""
    boxes.selected_data = set()
    if _next_category(boxes) != label:
        boxes.feature_defaults = _category(label)
    color = POSITIVE_COLOR if label == POSITIVE else NEGATIVE_COLOR
    if not str(boxes.current_edge_color).lower().startswith(color.lower()):  # napari adds the opacity
        boxes.current_edge_color = color


def _next_category(layer: Points | Shapes) -> str:
    return str(layer.feature_defaults[FEATURE].iloc[0]) if FEATURE in layer.feature_defaults else ""


def _category(label: str) -> pd.DataFrame:
    return pd.DataFrame({FEATURE: pd.Categorical([label], categories=[POSITIVE, NEGATIVE])})


def _make_boxes(image: Image) -> Layer:
    width = max(spatial_shape(image)[-2:]) / 300
    return Shapes(
        None,
        ndim=len(spatial_shape(image)),
        name="boxes",
        features=pd.DataFrame({FEATURE: pd.Categorical([], categories=[POSITIVE, NEGATIVE])}),
        feature_defaults=_category(POSITIVE),
        edge_color=BOX_COLOR,
        face_color="transparent",
        edge_width=max(width, 0.5),
        **spatial_kwargs(image),
    )


def _make_proposal(image: Image) -> Layer:
    colormap = CyclicLabelColormap(colors=list(PROPOSAL_COLORS), background_value=0)
    return Labels(empty_labels(image), name="proposal", opacity=0.55, colormap=colormap, **spatial_kwargs(image))


def make_objects(image: Image) -> Labels:
    """Return an empty layer for the objects of an image, as large as the image; memory is taken where it is written."""
    return Labels(empty_labels(image), name="objects", opacity=0.6, **spatial_kwargs(image))


def empty_labels(image: Image, dtype: Any = np.uint16) -> Any:
    """Return an array of labels for ``image`` without any: in memory, or in chunks that cost what is written."""
    shape = spatial_shape(image)
    if np.prod(shape, dtype=np.int64) * np.dtype(dtype).itemsize <= SPARSE_ABOVE:
        return np.zeros(shape, dtype)
    import zarr

    chunks = (1,) * (len(shape) - 2) + tuple(min(length, 1024) for length in shape[-2:])
    return zarr.create_array(zarr.storage.MemoryStore(), shape=shape, chunks=chunks, dtype=dtype, fill_value=0)
