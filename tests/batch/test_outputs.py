"""What a run writes: labels, table, masks, report."""

from __future__ import annotations

import csv
import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.errors import ParameterError
from napari_sam.geometry.rle import rle_to_mask
from napari_sam.io.open_image import open_image
from tests.batch.bright import MODEL, Bright
from tests.batch.conftest import Batch, squares


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_labels_have_the_shape_axes_and_pixel_size_of_their_input(batch: Batch, stack: NDArray[np.uint8]) -> None:
    report = batch()
    assert report["status"] == "done"
    out = batch.request.output
    assert sorted(path.name for path in out.iterdir()) == [
        "flat_labels.tif",
        "objects.csv",
        "run.json",
        "stack_labels.tif",
    ]
    flat = tifffile.imread(out / "flat_labels.tif")
    assert flat.dtype == np.uint16
    assert flat.shape == (20, 24)
    assert sorted(np.unique(flat)) == [0, 1, 2, 3]
    with closing(open_image(out / "stack_labels.tif")) as source:
        assert (source.axes, source.scale, source.unit) == ("ZYX", (1.5, 0.25, 0.5), "um")
    labels = tifffile.imread(out / "stack_labels.tif")
    assert np.array_equal(labels > 0, stack > 128)
    assert len(np.unique(labels)) == 1 + 6  # not linked: every plane has its own


def test_objects_are_linked_through_the_stack(batch: Batch, stack: NDArray[np.uint8]) -> None:
    report = batch(link="z")
    labels = tifffile.imread(batch.request.output / "stack_labels.tif")
    assert labels[0, 4, 4] == labels[1, 4, 4] == labels[2, 4, 4] > 0
    assert labels[0, 11, 11] == labels[1, 11, 11] > 0
    assert labels[2, 15, 19] not in (labels[0, 4, 4], labels[0, 11, 11])
    item = report["items"][1]
    assert item["objects"] == 3 == labels.max()
    assert item["links"] == {"splits": [], "merges": [], "gaps": [], "dropped": []}


def test_what_linking_drops_is_nowhere(batch: Batch) -> None:
    report = batch(link="z", min_length=3, json_masks=True)
    out = batch.request.output
    assert np.unique(tifffile.imread(out / "stack_labels.tif")).tolist() == [0, 1]
    assert len([row for row in rows_of(out / "objects.csv") if row["file"].endswith("stack.tif")]) == 3
    assert len(json.loads((out / "stack.json").read_text())["annotations"]) == 3
    reasons = [(one["length"], one["reason"]) for one in report["items"][1]["links"]["dropped"]]
    assert reasons == [(2, "min_length"), (1, "min_length")]


def test_the_table_says_where_every_object_is(batch: Batch) -> None:
    batch(link="z")
    out = batch.request.output
    rows = rows_of(out / "objects.csv")
    flat, stack = tifffile.imread(out / "flat_labels.tif"), tifffile.imread(out / "stack_labels.tif")
    assert len(rows) == 3 + 6
    for row in rows:
        is_stack = row["file"].endswith("stack.tif")
        assert row["z"].isdigit() == is_stack
        plane = stack[int(row["z"])] if is_stack else flat
        mask = plane == int(row["id"])
        assert mask.sum() == int(row["area"])
        down, across = ndimage.find_objects(mask.astype(int))[0]
        bounds = [down.start, across.start, down.stop, across.stop]
        names = ["bbox_top", "bbox_left", "bbox_bottom", "bbox_right"]
        assert [int(row[name]) for name in names] == bounds
        assert mask[int(float(row["point_y"])), int(float(row["point_x"]))]
        if is_stack:
            assert row["unit"] == "um"
            assert float(row["area_calibrated"]) == int(row["area"]) * 0.25 * 0.5
            assert float(row["point_y_calibrated"]) == float(row["point_y"]) * 0.25
            assert [float(row[f"{name}_calibrated"]) for name in names] == [
                value * step for value, step in zip(bounds, (0.25, 0.5, 0.25, 0.5), strict=True)
            ]
        else:
            assert row["area_calibrated"] == row["unit"] == ""


def test_masks_are_written_in_sa1b_form(batch: Batch) -> None:
    batch(json_masks=True)
    out = batch.request.output
    content = json.loads((out / "stack.json").read_text())
    assert content["image"] == {"image_id": 1, "width": 24, "height": 20, "file_name": "stack.tif"}
    labels = tifffile.imread(out / "stack_labels.tif")
    assert [one["id"] for one in content["annotations"]] == [1, 2, 3, 4, 5, 6]
    for one in content["annotations"]:
        (plane,) = one["plane"]
        assert np.array_equal(rle_to_mask(one["segmentation"]), labels[plane] == one["label"])
    assert "plane" not in json.loads((out / "flat.json").read_text())["annotations"][0]


def test_the_report_says_how_it_came_about(batch: Batch) -> None:
    returned = batch(points_per_side=7, json_masks=True)
    report = json.loads((batch.request.output / "run.json").read_text())
    assert report == returned
    assert (report["format"], report["version"], report["status"]) == ("napari-sam/auto-run", 1, "done")
    assert report["model"] == MODEL
    assert report["parameters"]["automatic"]["points_per_side"] == 7
    assert report["versions"].keys() == {"napari_sam", "python", "torch", "numpy"}
    assert report["outputs"] == {"format": "tif", "json_masks": True, "planes": None, "prompts": None}
    assert report["started"] <= report["finished"]
    assert report["summary"] == {"items": 2, "done": 2, "failed": 0, "planes": 4, "objects": 9, "seconds": 1.0}
    stack = report["items"][1]
    assert (stack["status"], stack["error"], stack["objects"], stack["planes"]) == ("done", None, 6, 3)
    assert (stack["seconds"], stack["axes"], stack["shape"]) == (0.75, "ZYX", [3, 20, 24])
    assert (stack["labels"], stack["masks"]) == ("stack_labels.tif", "stack.json")


def test_one_input_may_become_one_file(batch: Batch, folder: Path, tmp_path: Path) -> None:
    batch(inputs=(folder / "flat.tif",), output=tmp_path / "one" / "cells.tif", json_masks=True)
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [
        "cells.json",
        "cells.tif",
        "cells_objects.csv",
        "cells_run.json",
    ]
    with pytest.raises(ParameterError, match="name of one file, but there are 2 inputs"):
        batch(output=tmp_path / "two.tif")


def test_ome_zarr(batch: Batch, folder: Path, tmp_path: Path) -> None:
    batch()
    batch(format="ome-zarr", output=tmp_path / "zarr")
    expected = tifffile.imread(batch.request.output / "stack_labels.tif")
    for path in (tmp_path / "zarr" / "stack_labels.ome.zarr", tmp_path / "stack.zarr"):
        if not path.exists():
            batch(inputs=(folder / "stack.tif",), output=path)
        with closing(open_image(path)) as source:
            assert (source.axes, source.scale, source.unit) == ("ZYX", (1.5, 0.25, 0.5), "um")
            assert np.array_equal(np.stack([source.read((i,)) for i in range(3)]), expected)
    batch(format="ome-zarr", output=tmp_path / "zarr", overwrite=True, min_area=3)  # a folder in place of a folder
    with pytest.raises(ParameterError, match="does not end as a file of the format"):
        batch(inputs=(folder / "stack.tif",), output=tmp_path / "x.tif", format="ome-zarr")


@pytest.mark.parametrize(("planes", "chosen"), [("1:3", [1, 2]), ("1:", [1, 2]), (":-2", [0]), ("2", [2])])
def test_a_part_of_a_stack(batch: Batch, planes: str, chosen: list[int]) -> None:
    report = batch(planes=planes)
    out = batch.request.output
    labels = tifffile.imread(out / "stack_labels.tif")
    assert labels.reshape(-1, 20, 24).shape[0] == len(chosen)
    assert report["items"][1]["label_shape"] == [len(chosen), 20, 24]
    tables = {int(row["z"]) for row in rows_of(out / "objects.csv") if row["z"]}
    assert tables == set(chosen)  # indices in the input
    assert report["items"][0]["status"] == "done"  # a single plane stays as it is


def test_ranges_that_make_no_sense(batch: Batch) -> None:
    for text in ("a:b", "", "1:2:3", "1:2,", "1-2"):
        with pytest.raises(ParameterError, match="planes is"):
            batch(planes=text)
    report = batch(planes="5:9")
    assert [item["status"] for item in report["items"]] == ["done", "failed"]
    assert "has 3 planes along Z" in report["items"][1]["error"]


def test_four_dimensions_and_linking_along_time(batch: Batch, stack: NDArray[np.uint8], tmp_path: Path) -> None:
    path = tmp_path / "tz.tif"
    moving = np.stack([[squares((2, 2 + t)), squares((12, 12 - t))] for t in range(3)])
    tifffile.imwrite(path, moving, imagej=True, metadata={"axes": "TZYX"})
    for backwards in (False, True):
        report = batch(Bright(backwards=backwards), inputs=(path,), link="t", overwrite=True)
        labels = tifffile.imread(batch.request.output / "tz_labels.tif")
        assert labels.shape == (3, 2, 20, 24)
        assert [np.unique(labels[:, z]).tolist() for z in (0, 1)] == [[0, 1], [0, 2]]
        rows = rows_of(batch.request.output / "objects.csv")
        assert [row["t"] + row["z"] + row["id"] for row in rows] == ["001", "012", "101", "112", "201", "212"]
        assert report["items"][0]["label_axes"] == "TZYX"
    batch(inputs=(path,), planes="1:3,0:1", overwrite=True)
    assert tifffile.imread(batch.request.output / "tz_labels.tif").squeeze().shape == (2, 20, 24)
    tifffile.imwrite(tmp_path / "t.tif", moving[:, 0], imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(ParameterError, match="link is 'z'"):
        batch(inputs=(tmp_path / "t.tif",), link="z", output=tmp_path / "other")


def test_inputs_of_the_same_name_keep_apart(batch: Batch, tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a/x.tif", "b/x.tif", "b/x.png", "y.tif", "run.tif")]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, squares((number, number), shape=(20 + number, 24)))
    batch(inputs=tuple(paths), json_masks=True)
    found = {path.name: tifffile.imread(path).shape[0] for path in batch.request.output.glob("*_labels.tif")}
    assert found == {
        "a_x_labels.tif": 20,
        "b_x_tif_labels.tif": 21,
        "b_x_png_labels.tif": 22,
        "y_labels.tif": 23,
        "run_labels.tif": 24,
    }
    assert json.loads((batch.request.output / "run.json").read_text())["status"] == "done"
    assert (batch.request.output / "run_masks.json").exists()
