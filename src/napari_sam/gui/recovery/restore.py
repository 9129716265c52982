"""Puts recovered work into a session: one step of undo, and nothing that is there is overwritten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_sam.gui.history import Edit
from napari_sam.gui.layers import empty_labels, spatial_kwargs
from napari_sam.gui.objects.classes import begin, name_class
from napari_sam.gui.objects.patches import LabelPatch
from napari_sam.gui.objects.records import ObjectRecord, joined
from napari_sam.gui.objects.store import make_room
from napari_sam.gui.prompting.prompts import PromptState
from napari_sam.gui.recovery.codec import record_from_json
from napari_sam.gui.recovery.offers import Offer

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Layer

    from napari_sam.gui.session import SegmentSession

# More pixels than this are written without a step of undo, which would keep every one of them in memory.
MAX_UNDO_PIXELS = 8_000_000
_MAX_BLOCKS_COMPARED = 16
RECOVERED = "recovered objects"


@dataclass(frozen=True, eq=False)
class Recovery:
    """What is written into a session, worked out in a background thread.

    Attributes
    ----------
    offer : Offer
        Where it comes from.
    prompts : PromptState
        Recovered prompts and choices.
    records : tuple of ObjectRecord
        What each object was made with.
    patch : LabelPatch or None
        The pixels of the objects; None if there are none, or too many for a step of undo.
    """

    offer: Offer
    prompts: PromptState
    records: tuple[ObjectRecord, ...]
    patch: LabelPatch | None


def plan_recovery(offer: Offer) -> Recovery:
    """Work out what has to be written; needs no layer."""
    state = offer.state
    patch = None
    if 0 < state.labels.pixel_count <= MAX_UNDO_PIXELS:
        index, values = state.labels.pixels()
        nothing = np.broadcast_to(np.uint32(0), values.shape)
        patch = LabelPatch(index, nothing, values.astype(np.uint32), tuple(sorted(state.labels.ids())))
    records = tuple(record_from_json(value) for value in state.records.values())
    return Recovery(offer, state.prompts, records, patch)


def recover(session: SegmentSession, layers: LayerList, recovery: Recovery) -> tuple[str, Labels | None]:
    """Write recovered objects and prompts.

    Parameters
    ----------
    session : SegmentSession
        Session on the image.
    layers : LayerList
        ``viewer.layers``, for a layer of their own where the objects layer holds something.
    recovery : Recovery
        From :func:`plan_recovery`.

    Returns
    -------
    tuple of str and (Labels or None)
        What to tell the user, and the layer that was added.
    """
    offer, objects = recovery.offer, session.tools.layers.objects
    is_free = offer.objects == 0 or _is_empty(objects)
    own = None if is_free else _own_layer(session, layers, offer)
    patch = recovery.patch if is_free else None
    change = session.editor.records.change(recovery.records) if is_free and recovery.records else None
    if is_free and offer.objects and patch is None:
        _write_blocks(objects, offer)
    if is_free:
        _write_notes(objects, offer.state.notes)
    after = merged(session.state, recovery.prompts)
    layer_id = str(objects.unique_id)
    session.perform(Edit(f"recover {offer.amount}", session.state, after, patch, change, layer_id))
    text = f"Recovered {offer.amount} of '{offer.image.name}' from {offer.when}."
    if own is not None:
        text += f" The objects are in a layer of their own, '{own.name}', as '{objects.name}' was not empty."
    return f"{text} {offer.losses}".rstrip(), own


def is_same(layer: Layer, offer: Offer) -> bool:
    """Return whether a layer was opened from a file and holds exactly the objects of an offer."""
    labels = offer.state.labels
    if not isinstance(layer, Labels) or layer.source.path is None or layer.multiscale:
        return False
    if tuple(layer.data.shape) != labels.grid.shape or len(labels.written()) > _MAX_BLOCKS_COMPARED:
        return False
    content = labels.blocks()
    return all(np.array_equal(np.asarray(layer.data[slicer]), block) for slicer, block in content)


def merged(state: PromptState, more: PromptState) -> PromptState:
    """Return the prompts of both; where both chose or have a mask on one plane, those of ``state`` stay."""
    both = joined(state, more)
    return replace(
        both,
        choices=MappingProxyType({**more.choices, **state.choices}),
        masks=MappingProxyType({**more.masks, **state.masks}),
    )


def _is_empty(objects: Labels) -> bool:
    """Return whether a layer is known to hold nothing; a lazy one that somebody wrote to is not looked through."""
    data = objects.data
    if isinstance(data, np.ndarray):
        return not any(data[position].any() for position in np.ndindex(*data.shape[:-2]))
    return getattr(data, "nchunks_initialized", None) == 0


def _own_layer(session: SegmentSession, layers: LayerList, offer: Offer) -> Labels:
    data = empty_labels(session.image, offer.state.labels.dtype)
    for slicer, block in offer.state.labels.blocks():
        data[slicer] = block
    layer = Labels(data, name=RECOVERED, opacity=0.6, **spatial_kwargs(session.image))
    active = layers.selection.active
    layers.append(layer)
    layers.selection.active = active
    return layer


def _write_blocks(objects: Labels, offer: Offer) -> None:
    make_room(objects, max(offer.state.labels.ids(), default=0))
    for slicer, block in offer.state.labels.blocks():
        objects.data[slicer] = block.astype(objects.data.dtype)
    objects.events.data()
    objects.refresh()


def _write_notes(objects: Labels, notes: Mapping[str, Any]) -> None:
    if notes.get("mode"):
        begin(objects, str(notes["mode"]))
    for number, name in dict(notes.get("classes") or {}).items():
        name_class(objects, int(number), str(name))
