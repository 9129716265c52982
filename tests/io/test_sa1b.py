"""SA-1B files: read back by pycocotools."""

import json
from pathlib import Path

import numpy as np
from numpy.testing import assert_array_equal
from pycocotools import mask as coco

from napari_sam.geometry.rle import compress, mask_to_counts
from napari_sam.io.sa1b import write_sa1b
from napari_sam.types import MaskRecord


def record(mask: np.ndarray, stability: float) -> MaskRecord:
    rle = compress(mask_to_counts(mask), mask.shape)
    return MaskRecord(rle, (1, 2, 3, 4), int(mask.sum()), np.float32(0.9), ((4.5, 7.0),), stability, (0, 0, 40, 30))


def test_masks_and_fields_come_back(tmp_path: Path) -> None:
    masks = np.random.default_rng(0).random((3, 30, 40)) > 0.7
    records = [record(mask, score) for mask, score in zip(masks, (0.95, 1.0, float("nan")), strict=True)]
    path = write_sa1b(tmp_path / "new" / "a.json", records, (30, 40), "a.tif", image_id=7)
    content = json.loads(path.read_text(), parse_constant=lambda text: pytest_fail(text))
    assert content["image"] == {"image_id": 7, "width": 40, "height": 30, "file_name": "a.tif"}
    assert [one["id"] for one in content["annotations"]] == [1, 2, 3]
    for one, mask in zip(content["annotations"], masks, strict=True):
        assert_array_equal(coco.decode(one["segmentation"]), mask)
        assert coco.area(one["segmentation"]) == one["area"] == mask.sum()
    first = content["annotations"][0]
    assert (first["bbox"], first["crop_box"]) == ([1, 2, 3, 4], [0, 0, 40, 30])
    assert (first["point_coords"], first["predicted_iou"]) == ([[4.5, 7.0]], float(np.float32(0.9)))
    assert [one["stability_score"] for one in content["annotations"]] == [0.95, 1.0, None]


def pytest_fail(text: str) -> None:
    raise AssertionError(f"{text} is not JSON")
