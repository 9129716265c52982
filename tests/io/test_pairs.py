"""Folders of annotated images: both layouts, splits, and what is wrong with a pair."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_sam.errors import FileFormatError, PairError
from napari_sam.io.pairs import ImagePair, find_pairs, read_labels

LABELS = np.repeat(np.arange(4, dtype=np.uint16), 6).reshape(4, 6)


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, pixels) if path.suffix == ".tif" else Image.fromarray(pixels).save(path)
    return path


def picture(path: Path, shape: tuple[int, ...] = (4, 6), dtype: type = np.uint8) -> Path:
    return save(path, np.full(shape, 7, dtype))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for source, names in {"cells": ["a", "b", "c"], "stones": ["a"]}.items():
        for name in names:
            picture(tmp_path / source / f"{name}_img.png")
            save(tmp_path / source / f"{name}_lab.png", LABELS)
    splits = {"cells": {"train": ["a", "c"], "val": ["b"]}, "stones": {"train": ["a"]}}
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    return tmp_path


def named(pairs: list[ImagePair]) -> list[str]:
    return [f"{pair.source}/{pair.name}" for pair in pairs]


def test_splits_are_by_image(folder: Path) -> None:
    assert named(find_pairs(folder, "train")) == ["cells/a", "cells/c", "stones/a"]
    assert named(find_pairs(folder, "val")) == ["cells/b"]
    assert named(find_pairs(folder)) == ["cells/a", "cells/b", "cells/c", "stones/a"]


def test_without_splits_a_tenth_is_validation(folder: Path) -> None:
    (folder / "splits.json").unlink()
    assert named(find_pairs(folder, "val")) == ["cells/a", "stones/a"]
    assert named(find_pairs(folder, "train")) == ["cells/b", "cells/c"]


def test_unknown_splits_and_damaged_ones_are_named(folder: Path) -> None:
    with pytest.raises(PairError, match="no split 'test', only train, val"):
        find_pairs(folder, "test")
    (folder / "splits.json").write_text('["cells"]')
    with pytest.raises(PairError, match=r"splits\.json cannot be read"):
        find_pairs(folder, "val")


def test_images_and_labels_in_two_folders(tmp_path: Path) -> None:
    data = tmp_path / "nuclei"
    for name in ("x.tif", "y.tif"):
        picture(data / "images" / name, (4, 6), np.uint16)
    save(data / "labels" / "x.png", LABELS)
    save(data / "labels" / "y.tif", LABELS)
    (data / "labels" / "notes.txt").write_text("not an image")
    pairs = find_pairs(data)
    assert named(pairs) == ["nuclei/x", "nuclei/y"]
    for pair in pairs:
        image, labels = pair.load()
        assert image.dtype == np.uint16
        assert np.array_equal(labels, LABELS)


def test_a_missing_label_is_named(folder: Path) -> None:
    (folder / "cells" / "b_lab.png").unlink()
    (pair,) = find_pairs(folder, "val")
    with pytest.raises(PairError, match=r"b_lab\.png is missing"):
        pair.load()


def test_a_pair_that_splits_promise_and_nobody_put_there_is_named(folder: Path) -> None:
    (folder / "cells" / "b_img.png").unlink()
    (pair,) = find_pairs(folder, "val")
    with pytest.raises(PairError, match=r"b_img\.png is missing"):
        pair.load()


def test_a_pair_of_two_sizes_and_an_unreadable_one_are_named(folder: Path) -> None:
    save(folder / "cells" / "a_lab.png", LABELS[:, :3])
    (folder / "cells" / "c_img.png").write_bytes(b"not an image")
    first, second, _ = find_pairs(folder, "train")
    with pytest.raises(PairError, match=r"cells/a.*differ"):
        first.load()
    with pytest.raises(FileFormatError, match=r"c_img\.png is not a"):
        second.load()


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(PairError, match=r"NAME_img\.png"):
        find_pairs(tmp_path)
    with pytest.raises(PairError, match="is not a folder"):
        find_pairs(tmp_path / "nowhere")


def test_labels_are_whole_numbers_however_they_are_stored(tmp_path: Path) -> None:
    assert np.array_equal(read_labels(save(tmp_path / "float.tif", LABELS.astype(np.float32))), LABELS)
    assert read_labels(save(tmp_path / "mask.png", LABELS > 0)).max() == 1
    palette = Image.fromarray(LABELS.astype(np.uint8))
    palette.putpalette([value for index in range(256) for value in (255 - index, 3, index)])
    palette.save(tmp_path / "palette.png")
    assert np.array_equal(read_labels(tmp_path / "palette.png"), LABELS)
    stack = np.stack([LABELS] * 5)
    assert np.array_equal(read_labels(save(tmp_path / "stack.tif", stack)), stack)


def test_pictures_are_no_labels(tmp_path: Path) -> None:
    with pytest.raises(PairError, match="colour picture"):
        read_labels(picture(tmp_path / "rgb.png", (8, 9, 3)))
    with pytest.raises(PairError, match="values of type float32"):
        read_labels(save(tmp_path / "float.tif", LABELS / np.float32(2)))
