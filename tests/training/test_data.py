"""Folders of pairs, and the crops drawn from them."""

import shutil

import numpy as np
import pytest
from PIL import Image

from napari_sam.errors import TrainingDataError
from napari_sam.training.crops import CropConfig, augment_intensity, random_crop
from napari_sam.training.data import find_pairs


def test_splits_are_by_image(data_folder):
    train = {p.name for p in find_pairs(data_folder, "train")}
    val = {p.name for p in find_pairs(data_folder, "val")}
    assert train == {"image0", "image1", "image2"}
    assert val == {"image3"}


def test_without_splits_a_tenth_is_validation(data_folder, tmp_path):
    folder = tmp_path / "plain"
    shutil.copytree(data_folder, folder)
    (folder / "splits.json").unlink()
    assert [p.name for p in find_pairs(folder, "val")] == ["image0"]
    assert len(find_pairs(folder, "train")) == 3


def test_a_missing_label_is_named(data_folder, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(data_folder, folder)
    (folder / "disks" / "image1_lab.png").unlink()
    with pytest.raises(TrainingDataError, match=r"image1_lab\.png is missing"):
        find_pairs(folder, "train")


def test_a_pair_of_two_sizes_and_an_unreadable_one_are_named(data_folder, tmp_path):
    folder = tmp_path / "broken"
    shutil.copytree(data_folder, folder)
    Image.fromarray(np.zeros((5, 5), np.uint16)).save(folder / "disks" / "image0_lab.png")
    (folder / "disks" / "image1_img.png").write_bytes(b"not an image")
    first, second, _ = find_pairs(folder, "train")
    with pytest.raises(TrainingDataError, match=r"image0.*differ"):
        first.load()
    with pytest.raises(TrainingDataError, match="image1 cannot be read"):
        second.load()


def test_an_empty_folder_says_what_is_expected(tmp_path):
    with pytest.raises(TrainingDataError, match=r"NAME_img\.png"):
        find_pairs(tmp_path, "train")


def test_a_crop_shows_objects_that_lie_where_the_image_is_bright(data_folder):
    image, labels = find_pairs(data_folder, "train")[0].load()
    rng = np.random.default_rng(1)
    config = CropConfig(objects=2, exact_scale=1.0, min_area=20)
    seen = 0
    for _ in range(20):
        crop = random_crop(image, labels, (0.0, 1.0), 128, 64, config, rng)
        if crop is None:
            continue
        assert crop.image.shape == (3, 64, 64)
        assert 1 <= len(crop.masks) <= 2
        assert (crop.masks.sum(axis=(1, 2)) >= 20).all()
        grey = crop.image.mean(axis=0)
        inside, outside = grey[crop.masks.any(axis=0)], grey[crop.valid & ~crop.masks.any(axis=0)]
        assert abs(np.median(inside) - np.median(outside)) > 10
        seen += 1
    assert seen > 10


def test_a_crop_reaching_over_the_border_is_marked_invalid_there(data_folder):
    image, labels = find_pairs(data_folder, "train")[0].load()
    rng = np.random.default_rng(3)
    config = CropConfig(objects=3, exact_scale=1.0)
    crop = random_crop(image, labels, (0.0, 1.0), 128, 256, config, rng)
    assert crop is not None
    assert not crop.valid.all()
    assert not crop.masks[:, ~crop.valid].any()


def test_an_image_without_objects_gives_no_crop():
    empty = np.zeros((40, 40), np.int32)
    image = np.zeros((40, 40, 3), np.uint8)
    assert random_crop(image, empty, (0.0, 1.0), 128, 64, CropConfig(), np.random.default_rng(0)) is None


def test_intensity_augmentation_keeps_the_shape_and_a_bounded_range():
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)
    before = pixels.copy()
    seen = [augment_intensity(pixels, (0.0, 1.0), rng) for _ in range(40)]
    assert (pixels == before).all()
    assert all(a.shape == (32, 32, 3) and a.dtype == np.float32 for a in seen)
    assert min(a.min() for a in seen) >= -64
    assert max(a.max() for a in seen) <= 320
    assert len({round(float(a.mean()), 3) for a in seen}) > 20
