"""What a model is shown of annotated images, and the crops drawn from them."""

import numpy as np
import tifffile

from napari_sam.io.pairs import ImagePair, find_pairs
from napari_sam.training.crops import CropConfig, augment_intensity, random_crop
from napari_sam.training.data import load_rgb


def test_any_image_is_shown_as_it_is_for_prediction(tmp_path):
    pixels = np.arange(40 * 50, dtype=np.uint16).reshape(40, 50)
    tifffile.imwrite(tmp_path / "image.tif", pixels)
    tifffile.imwrite(tmp_path / "labels.tif", (pixels > 1000).astype(np.uint8))
    image, labels = load_rgb(ImagePair("s", "n", tmp_path / "image.tif", tmp_path / "labels.tif"))
    assert image.dtype == np.uint8
    assert image.shape == (40, 50, 3)
    assert (image[0, 0].max(), image[-1, -1].min()) == (0, 255)
    assert labels.dtype == np.int32
    assert labels.max() == 1


def test_a_crop_shows_objects_that_lie_where_the_image_is_bright(data_folder):
    image, labels = load_rgb(find_pairs(data_folder, "train")[0])
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
    image, labels = load_rgb(find_pairs(data_folder, "train")[0])
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
