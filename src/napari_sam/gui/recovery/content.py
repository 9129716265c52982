"""What the session shows, as entries of its journal. Everything here runs in the journal's thread."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.geometry.label_runs import BlockGrid, LabelRuns, flat_positions
from napari_sam.gui.objects.records import Key, ObjectRecord
from napari_sam.gui.prompting.prompts import PromptState
from napari_sam.gui.recovery.codec import Json, key_to_json, record_to_json, state_to_json
from napari_sam.gui.recovery.journal import Make
from napari_sam.gui.recovery.state import BLOCK, NOTES, PIXELS, PROMPTS, RECORDS, REFERENCE, JournalState


def prompts(wanted: PromptState, label: str, how: str) -> Make:
    """Bring the prompts up to date."""

    def make(state: JournalState) -> Iterator[Json]:
        fields = state.changed_prompts(state_to_json(wanted))
        if fields:
            yield {"kind": PROMPTS, "time": time.time(), "label": label, "how": how, "set": fields}

    return make


def records(change: Mapping[Key, ObjectRecord | None]) -> Make:
    """Write down what is known of some objects; None stands for nothing any more."""

    def make(state: JournalState) -> Iterator[Json]:
        known = [record_to_json(record) for record in change.values() if record is not None]
        dropped = [key_to_json(key) for key, record in change.items() if record is None]
        if known or dropped:
            yield {"kind": RECORDS, "time": time.time(), "set": known, "drop": dropped}

    return make


def notes(wanted: Json) -> Make:
    """Write down what the objects layer says of itself, such as the names of classes."""

    def make(state: JournalState) -> Iterator[Json]:
        if wanted != state.notes:
            yield {"kind": NOTES, "time": time.time(), "set": wanted}

    return make


def painted(atoms: Sequence[Any]) -> Make:
    """Write down pixels as napari's Labels layer announced them: atoms of its own history, in order."""

    def make(state: JournalState) -> Iterator[Json]:
        grid = state.labels.grid
        parts = [_pixels_of(atom, grid) for atom in atoms]
        if parts:
            positions, values = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
            yield _pixels(LabelRuns.of_pixels(grid, positions, values))

    return make


def compared(data: Any, key: int) -> Make:
    """Write down what one block of the layer holds and the journal does not."""

    def make(state: JournalState) -> Iterator[Json]:
        block = np.asarray(data[state.labels.grid.slicer(key)])
        if key in state.labels:
            runs = state.labels.difference(key, block)
            if len(runs):
                yield _pixels(runs)
        elif block.any():
            runs = LabelRuns.of_block(block, state.labels.grid.start(key))
            yield {"kind": BLOCK, "time": time.time(), "block": key, **runs.to_json()}

    return make


def touched(data: Any, at_most: int) -> Make:
    """Compare the blocks that were written to, the newest first."""

    def make(state: JournalState) -> Iterator[Json]:
        for key in state.labels.written()[: -at_most - 1 : -1]:
            yield from compared(data, key)(state)

    return make


def shown(data: Any, index: tuple[int, ...]) -> Make:
    """Compare the blocks of one plane of the last two axes."""

    def make(state: JournalState) -> Iterator[Json]:
        grid = state.labels.grid
        plane = int(np.ravel_multi_index(index, grid.shape[:-2])) if index else 0
        for band in range(grid.per_plane):
            yield from compared(data, plane * grid.per_plane + band)(state)

    return make


def everything(data: Any) -> Iterator[Make]:
    """Compare every block."""
    shape = tuple(int(length) for length in data.shape)
    return (compared(data, key) for key in range(BlockGrid(shape).count))


def reference(layer: str) -> Make:
    """Say that the journal holds only what was changed in an objects layer too large to be copied."""

    def make(state: JournalState) -> Iterable[Json]:
        return () if state.reference == layer else ({"kind": REFERENCE, "time": time.time(), "layer": layer},)

    return make


def _pixels(runs: LabelRuns) -> Json:
    return {"kind": PIXELS, "time": time.time(), **runs.to_json()}


def _pixels_of(atom: Any, grid: BlockGrid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return position and new value of every pixel of one atom: a masked box, or arrays of indices."""
    if hasattr(atom, "slice_key"):
        ranges = [range(length)[part] for part, length in zip(atom.slice_key, grid.shape, strict=True)]
        offsets = np.array([each.start for each in ranges], np.int64)
        inside = np.ones([len(each) for each in ranges], bool) if atom.mask is None else np.asarray(atom.mask, bool)
        indices: Any = tuple(axis + start for axis, start in zip(np.nonzero(inside), offsets, strict=True))
        value = atom.new_value
    else:
        indices, _, value = atom
    positions = flat_positions(grid.shape, np.broadcast_arrays(*indices))
    return positions, np.broadcast_to(np.asarray(value).astype(np.int64).ravel(), positions.shape)
