"""Modes and classes of an objects layer: kept in the layer, shown by napari, so that they travel with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from napari_sam.gui.layers import METADATA_KEY

if TYPE_CHECKING:
    from napari.layers import Labels

INDEX, LABEL = "index", "label"


def class_names(layer: Labels) -> dict[int, str]:
    """Return what the user calls the classes of a layer, by id."""
    return dict(_entry(layer).get("classes", {}))


def name_class(layer: Labels, class_id: int, name: str) -> None:
    """Name a class, for napari's status bar (``layer.features``) and for whoever reads the layer's metadata."""
    names = class_names(layer)
    if not name or names.get(class_id) == name:
        return
    names[class_id] = name
    _write(layer, classes=names)
    features = layer.features
    table = features.copy() if INDEX in features else pd.DataFrame({INDEX: pd.Series([], dtype=int)})
    if LABEL not in table:
        table[LABEL] = pd.Series([None] * len(table), dtype=object)
    row = table.index[table[INDEX] == class_id]
    if len(row):
        table.loc[row, LABEL] = name
    else:
        table = pd.concat([table, pd.DataFrame({INDEX: [class_id], LABEL: [name]})], ignore_index=True)
    layer.features = table


def mode_of(layer: Labels) -> str | None:
    """Return the mode the layer was begun in, or None if nothing has been committed to it."""
    mode = _entry(layer).get("mode")
    return str(mode) if mode else None


def begin(layer: Labels, mode: str) -> None:
    """Note the mode of the first commit."""
    _write(layer, mode=mode)


def _entry(layer: Labels) -> Mapping[str, Any]:
    entry = layer.metadata.get(METADATA_KEY)
    return entry if isinstance(entry, Mapping) else {}


def _write(layer: Labels, **values: object) -> None:
    layer.metadata[METADATA_KEY] = {**_entry(layer), **values}
