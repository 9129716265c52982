"""Write masks as SA-1B has them: one JSON file per image, with compressed run lengths."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from napari_sam.io.whole_file import whole_file
from napari_sam.types import MaskRecord


def write_sa1b(
    path: str | PathLike[str],
    records: Iterable[MaskRecord],
    hw: tuple[int, int],
    file_name: str,
    image_id: int = 1,
) -> Path:
    """Write the masks of an image as SA-1B's ``{"image": ..., "annotations": [...]}``; masks may overlap.

    Every annotation has ``id`` (from 1, in order), ``segmentation`` (COCO's compressed run lengths), ``bbox`` (XYWH),
    ``area``, ``predicted_iou``, ``point_coords`` (x, y), ``stability_score`` (null where it is not a number) and
    ``crop_box`` (XYWH).

    Parameters
    ----------
    path : path
        Overwritten if it exists. Missing folders are made.
    records : iterable of MaskRecord
    hw : (int, int)
        Height and width of the image.
    file_name : str
        Name of the image file.
    image_id : int
        Number of the image in a data set.

    Returns
    -------
    Path

    Raises
    ------
    FileFormatError
        If the file cannot be written.
    """
    return write_annotations(path, map(annotation, records), hw, file_name, image_id)


def write_annotations(
    path: str | PathLike[str],
    annotations: Iterable[Mapping[str, Any]],
    hw: tuple[int, int],
    file_name: str,
    image_id: int = 1,
) -> Path:
    """Write annotations, each as :func:`annotation` gives it or with more fields; as :func:`write_sa1b` otherwise.

    One after another: there may be more than memory holds.
    """
    image = {"image_id": image_id, "width": int(hw[1]), "height": int(hw[0]), "file_name": file_name}
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.write(f'{{"image": {json.dumps(image)}, "annotations": [')
        for number, one in enumerate(annotations, start=1):
            file.write((", " if number > 1 else "") + json.dumps({"id": number, **one}, allow_nan=False))
        file.write("]}")
    return Path(path)


def annotation(record: MaskRecord) -> dict[str, Any]:
    """Return a record under the official names, ready for JSON."""
    return {
        "segmentation": {"size": [int(n) for n in record.rle["size"]], "counts": record.rle["counts"]},
        "bbox": [int(n) for n in record.bbox],
        "area": int(record.area),
        "predicted_iou": _number(record.predicted_iou),
        "point_coords": [[float(x), float(y)] for x, y in record.point_coords],
        "stability_score": _number(record.stability_score),
        "crop_box": [int(n) for n in record.crop_box],
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
