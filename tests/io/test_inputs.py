"""Files, folders and patterns to images."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import zarr

from napari_sam.errors import FileFormatError
from napari_sam.io.inputs import find_inputs, stem_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "b.tif",
        "a.PNG",
        "c.ome.tiff",
        ".hidden.tif",
        "notes.txt",
        "run.json",
        "a_labels.tif",
        "x_labels.tif",
    ):
        (tmp_path / name).touch()
    zarr.create_group(tmp_path / "d.zarr")
    zarr.create_group(tmp_path / "plain")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "e.tif").touch()
    (tmp_path / "inner" / "[1].tif").touch()
    return tmp_path


def names(found: list[Path]) -> list[str]:
    return [path.name for path in found]


def test_a_folder_stands_for_its_images(folder: Path) -> None:
    told: list[str] = []
    found = find_inputs([folder], told.append)
    assert names(found) == ["a.PNG", "b.tif", "c.ome.tiff", "d.zarr", "plain", "x_labels.tif"]
    assert told == ["1 label images of an earlier run were left out (NAME_labels beside NAME)."]


def test_patterns_are_expanded(folder: Path) -> None:
    assert names(find_inputs([f"{folder}/*.tif"])) == ["b.tif", "x_labels.tif"]
    assert names(find_inputs([f"{folder}/**/*.tif"])) == ["b.tif", "[1].tif", "e.tif", "x_labels.tif"]
    assert names(find_inputs([f"{folder}/?.[tp]*"])) == ["b.tif"]
    assert names(find_inputs([f"{folder}/*.zarr"])) == ["d.zarr"]


def test_a_name_with_brackets_is_a_name_first(folder: Path) -> None:
    assert names(find_inputs([folder / "inner" / "[1].tif"])) == ["[1].tif"]


def test_what_is_named_is_taken_once_and_in_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    found = find_inputs(["x_labels.tif", "./b.tif", folder, str(folder / "b.tif"), "a_labels.tif", "notes.txt"])
    assert names(found) == [
        "x_labels.tif",
        "b.tif",
        "a.PNG",
        "c.ome.tiff",
        "d.zarr",
        "plain",
        "a_labels.tif",
        "notes.txt",
    ]
    assert found[0] == Path("x_labels.tif")


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_plate_stands_for_its_fields(tmp_path: Path, zarr_format: int) -> None:
    def group(path: Path, attributes: dict[str, Any]) -> None:
        zarr.create_group(
            path, zarr_format=zarr_format, attributes=attributes if zarr_format == 2 else {"ome": attributes}
        )

    group(tmp_path / "p.zarr", {"plate": {"wells": [{"path": "A/1"}, {"path": "B/12"}]}})
    for well in ("A/1", "B/12"):
        group(tmp_path / "p.zarr" / well, {"well": {"images": [{"path": "0"}, {"path": "1"}]}})
    expected = [tmp_path / "p.zarr" / one for one in ("A/1/0", "A/1/1", "B/12/0", "B/12/1")]
    assert find_inputs([tmp_path]) == find_inputs([tmp_path / "p.zarr"]) == expected
    shutil.rmtree(tmp_path / "p.zarr" / "B")
    assert find_inputs([tmp_path]) == [tmp_path / "p.zarr"], "what is damaged is told when it is opened"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere.tif", "does not exist"),
        ("*.gif", "matches nothing"),
        ("*.txt", "but no image"),
        ("~nobody/a.tif", "does not exist"),
    ],
)
def test_what_is_not_there(folder: Path, text: str, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        find_inputs([text if text.startswith("~") else os.path.join(folder, text)])


def test_a_folder_of_folders_says_how_to_reach_them(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    with pytest.raises(FileFormatError, match=r"holds no image.*Folders in it are not searched.*\*\*"):
        find_inputs([tmp_path])
    with pytest.raises(FileFormatError, match="No image was named"):
        find_inputs([])


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a.tif", "a"),
        ("a.ome.tif", "a"),
        ("a.OME.TIFF", "a"),
        ("a.ome.zarr", "a"),
        ("a.zarr", "a"),
        ("a.b", "a.b"),
        ("v1.2.png", "v1.2"),
    ],
)
def test_stems(name: str, stem: str) -> None:
    assert stem_of(Path("folder") / name) == stem
