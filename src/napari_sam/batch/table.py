"""The table of all objects of a run, one row for each plane an object is on, as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from napari_sam.automatic.link_report import Plane
from napari_sam.automatic.plane import ObjectRow
from napari_sam.batch.plan import Layout

_PIXELS = (
    "id",
    "area",
    "predicted_iou",
    "stability_score",
    "point_y",
    "point_x",
    "bbox_top",
    "bbox_left",
    "bbox_bottom",
    "bbox_right",
)
_LENGTHS = ("point_y", "point_x", "bbox_top", "bbox_left", "bbox_bottom", "bbox_right")
_CALIBRATED = ("unit", "area_calibrated", *(f"{name}_calibrated" for name in _LENGTHS))


def columns(axes: Sequence[str]) -> list[str]:
    """Return the columns of a table whose planes have indices along some dimensions."""
    return ["file", *axes, *_PIXELS, *_CALIBRATED]


def table_row(file: str, layout: Layout, plane: Plane, number: int, row: ObjectRow) -> dict[str, Any]:
    """Return one row.

    Parameters
    ----------
    file : str
        The input, as the user named it.
    layout : Layout
    plane : tuple of int
        Indices of the plane in the input.
    number : int
        Id in the labels.
    row : ObjectRow
        What is known about the object on this plane.
    """
    top, left, bottom, right = row.bbox
    lengths = dict(zip(_LENGTHS, (*row.point, top, left, bottom, right), strict=True))
    entries: dict[str, Any] = {"file": file, **dict(zip(layout.axis_names(), plane, strict=True))}
    entries |= {"id": number, "area": row.area, "predicted_iou": _number(row.predicted_iou)}
    entries |= {"stability_score": _number(row.stability_score), **lengths}
    if layout.scale is not None:
        down, across = layout.scale[-2:]
        entries |= {"unit": layout.unit or "", "area_calibrated": row.area * down * across}
        steps = {"y": down, "top": down, "bottom": down, "x": across, "left": across, "right": across}
        entries |= {f"{name}_calibrated": value * steps[name.split("_")[1]] for name, value in lengths.items()}
    return entries


def write_table(path: Path, axes: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    """Write a table; what a row does not have stays empty."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns(axes), restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def read_table(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table, as texts."""
    with path.open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def _number(value: float) -> float | str:
    return float(value) if math.isfinite(value) else ""
