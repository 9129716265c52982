"""Colours of labels: one per object, or one that says how good, stable or large an object is."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd
from napari.utils.colormaps import DirectLabelColormap, ensure_colormap, label_colormap
from numpy.typing import NDArray

COLORMAP = "viridis"
COLOR_BY = {
    "object": "",
    "predicted IoU": "predicted_iou",
    "stability": "stability_score",
    "area": "area",
}
UNKNOWN = (0.6, 0.6, 0.6, 1.0)


def colormap_for(features: pd.DataFrame, column: str) -> Any:
    """Return the colormap that colours each object by a column of the features; the usual one for no column.

    The lowest value is dark blue, the highest yellow; areas are spread by their logarithm.
    """
    if not column or column not in features or len(features) == 0:
        return label_colormap(49, seed=0.5)
    colors = colors_of(features[column].to_numpy(np.float64), logarithmic=column == "area")
    table: defaultdict[int | None, NDArray[Any]] = defaultdict(lambda: np.array(UNKNOWN, np.float32))
    table[None] = np.array(UNKNOWN, np.float32)
    table[0] = np.zeros(4, np.float32)
    table.update(zip(features["index"].tolist(), colors, strict=True))
    return DirectLabelColormap(color_dict=table)


def colors_of(values: NDArray[np.float64], logarithmic: bool = False) -> NDArray[np.float32]:
    """Return a colour per value, from the lowest to the highest; grey where there is none."""
    scale = np.log(np.maximum(values, 1)) if logarithmic else values
    known = np.isfinite(scale)
    colors = np.tile(np.array(UNKNOWN, np.float32), (len(scale), 1))
    if known.any():
        low, high = scale[known].min(), scale[known].max()
        colors[known] = ensure_colormap(COLORMAP).map((scale[known] - low) / max(high - low, 1e-9))
    return colors
