"""What was found in one plane, as a file: written by whoever computed it, read when planes are put together."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.automatic.plane import ObjectRow, PlaneResult
from napari_sam.batch.failures import writing
from napari_sam.io.whole_file import whole_file
from napari_sam.types import MaskRecord


def write_result(path: Path, result: PlaneResult, with_records: bool, seconds: float = 0.0) -> None:
    """Write a result: a compressed npz without pickles.

    Parameters
    ----------
    path : Path
    result : PlaneResult
    with_records : bool
        Whether the mask of each object is kept too, which the labels do not tell where masks overlap.
    seconds : float
        Time it took.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    rows = [asdict(row) for row in result.rows]
    records = [asdict(record) for record in result.records] if with_records else []
    with writing(path), whole_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, labels=result.labels, rows=_packed(rows), records=_packed(records), seconds=np.float64(seconds)
        )


def is_result(path: Path) -> bool:
    """Whether a file is there and whole: a power cut can leave an empty one, or a damaged one."""
    try:
        with zipfile.ZipFile(path) as content:
            return content.testzip() is None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError):
        return False


def read_seconds(path: Path) -> float:
    """Read how long a plane took."""
    with np.load(path, allow_pickle=False) as content:
        return float(content["seconds"])


def read_labels(path: Path) -> NDArray[np.uint32]:
    """Read the labels of a plane, shape (H, W)."""
    with np.load(path, allow_pickle=False) as content:
        labels: NDArray[np.uint32] = content["labels"]
    return labels


def read_rows(path: Path) -> list[ObjectRow]:
    """Read the table rows of a plane."""
    return [
        ObjectRow(**{**row, "point": tuple(row["point"]), "bbox": tuple(row["bbox"])})
        for row in _unpacked(path, "rows")
    ]


def read_records(path: Path) -> list[MaskRecord]:
    """Read the records of a plane, one for each of its rows; none if they were not kept."""
    return [MaskRecord(**record | _tuples(record)) for record in _unpacked(path, "records")]


def _tuples(record: dict[str, Any]) -> dict[str, Any]:
    """Return what JSON made lists of, as tuples again."""
    points = tuple((x, y) for x, y in record["point_coords"])
    return {"bbox": tuple(record["bbox"]), "crop_box": tuple(record["crop_box"]), "point_coords": points}


def _packed(content: Sequence[Any]) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(content).encode(), np.uint8)


def _unpacked(path: Path, name: str) -> Any:
    with np.load(path, allow_pickle=False) as content:
        return json.loads(content[name].tobytes())
