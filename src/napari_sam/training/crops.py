"""Random crops of annotated images, augmented: what one training step sees of one image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class CropConfig:
    """How crops are drawn.

    ``objects`` is the most objects prompted per crop;
    ``exact_scale`` the share of crops at the scale the image has at prediction (longest side = model input), the rest
    spread over ``scale_range`` times that scale.
    """

    objects: int = 6
    exact_scale: float = 0.5
    scale_range: tuple[float, float] = (0.35, 1.7)
    min_area: int = 48


@dataclass(frozen=True)
class Crop:
    """One augmented crop: ``image`` (3, S, S) float32 0-255, ``valid`` (S, S) bool, ``masks`` (K, S, S) bool."""

    image: NDArray[np.float32]
    valid: NDArray[np.bool_]
    masks: NDArray[np.bool_]


def random_crop(
    image: NDArray[np.uint8],
    labels: NDArray[np.int32],
    stretch: tuple[float, float],
    img_size: int,
    size: int,
    config: CropConfig,
    rng: np.random.Generator,
) -> Crop | None:
    """Cut a random crop around a random object.

    Parameters
    ----------
    image : ndarray, shape (H, W, 3)
    labels : ndarray, shape (H, W)
        Instance ids, 0 = background.
    stretch : tuple of float
        (low, gain) of the model's contrast stretch, from the whole image.
    img_size : int
        Longest side of an image in the model's frame.
    size : int
        Side of the crop, in pixels of the model's frame.
    config : CropConfig
    rng : numpy.random.Generator

    Returns
    -------
    Crop or None
        None where the crop shows no object large enough.
    """
    ids = np.flatnonzero(np.bincount(labels.ravel())[1:]) + 1
    if len(ids) == 0:
        return None
    rows, columns = np.nonzero(labels == rng.choice(ids))
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    scale = _random_scale(img_size / max(labels.shape), float(extent), size, config, rng)
    window = size / scale
    centre = np.array([rows.mean(), columns.mean()]) + rng.uniform(-0.4, 0.4, 2) * window
    box = _window(centre, window, labels.shape, rng)
    pixels, valid, ids_crop = _resample(image, labels, box, size)
    pixels, valid, ids_crop = _flip(pixels, valid, ids_crop, rng)
    masks = _pick_masks(ids_crop, config, rng)
    if masks is None:
        return None
    return Crop(augment_intensity(pixels, stretch, rng).transpose(2, 0, 1), valid, masks)


def _random_scale(exact: float, extent: float, size: int, config: CropConfig, rng: np.random.Generator) -> float:
    low, high = np.log(config.scale_range)
    scale = exact * (1.0 if rng.random() < config.exact_scale else float(np.exp(rng.uniform(low, high))))
    # Most crops should show their object whole: a large one is shrunk to fit, now and then not.
    if scale * extent > 0.8 * size and rng.random() < 0.85:
        scale = rng.uniform(0.35, 0.8) * size / extent
    return float(scale)


def _window(centre: NDArray[np.float64], side: float, shape: tuple[int, ...], rng: np.random.Generator) -> Box:
    """Crop window (left, top, right, bottom); mostly inside the image, sometimes reaching over its border."""
    top_left = centre - side / 2
    if rng.random() < 0.7:
        room = np.array(shape[:2], np.float64) - side
        top_left = np.where(room > 0, np.clip(top_left, 0, np.maximum(room, 0)), room * rng.uniform(0, 1, 2))
    top, left = top_left
    return float(left), float(top), float(left + side), float(top + side)


def _resample(
    image: NDArray[np.uint8], labels: NDArray[np.int32], box: Box, size: int
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int32]]:
    """Resize the part of the window that lies in the image; the rest stays invalid, background and black."""
    height, width = labels.shape
    left, top, right, bottom = box
    zoom = size / (right - left)
    inner = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    x0, y0 = round((inner[0] - left) * zoom), round((inner[1] - top) * zoom)
    x1, y1 = max(round((inner[2] - left) * zoom), x0 + 1), max(round((inner[3] - top) * zoom), y0 + 1)
    x1, y1 = min(x1, size), min(y1, size)
    pixels, valid = np.zeros((size, size, 3), np.uint8), np.zeros((size, size), bool)
    ids = np.zeros((size, size), np.int32)
    inside = np.s_[y0:y1, x0:x1]
    out = (x1 - x0, y1 - y0)
    pixels[inside] = np.asarray(Image.fromarray(image).resize(out, Image.Resampling.BILINEAR, box=inner))
    ids[inside] = np.asarray(Image.fromarray(labels, mode="I").resize(out, Image.Resampling.NEAREST, box=inner))
    valid[inside] = True
    return pixels, valid, ids


def _flip(
    pixels: NDArray[np.uint8], valid: NDArray[np.bool_], ids: NDArray[np.int32], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int32]]:
    turns, mirror = int(rng.integers(4)), rng.random() < 0.5
    step = -1 if mirror else 1
    return np.rot90(pixels, turns)[:, ::step], np.rot90(valid, turns)[:, ::step], np.rot90(ids, turns)[:, ::step]


def _pick_masks(ids: NDArray[np.int32], config: CropConfig, rng: np.random.Generator) -> NDArray[np.bool_] | None:
    values, counts = np.unique(ids, return_counts=True)
    usable = values[(values > 0) & (counts >= config.min_area)]
    if len(usable) == 0:
        return None
    chosen = rng.permutation(usable)[: config.objects]
    masks: NDArray[np.bool_] = ids[None] == chosen[:, None, None]
    return masks


def augment_intensity(
    pixels: NDArray[np.uint8], stretch: tuple[float, float], rng: np.random.Generator
) -> NDArray[np.float32]:
    """Stretch, then change colours, contrast, sharpness and noise of (H, W, 3) uint8; returns float32, about 0-255."""
    if rng.random() < 0.15:
        radius = float(rng.uniform(0.5, 2.0))
        pixels = np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))
    image: NDArray[Any] = np.clip((pixels.astype(np.float32) - stretch[0]) * np.float32(stretch[1]), -64, 320)
    if rng.random() < 0.2:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    elif rng.random() < 0.2:
        image = image[:, :, rng.permutation(3)]
    if rng.random() < 0.15:
        image = 255 - image
    if rng.random() < 0.5:
        image = 255 * (image.clip(0, 255) / 255) ** np.float32(np.exp(rng.uniform(-0.5, 0.5)))
    if rng.random() < 0.5:
        gain = np.exp(rng.uniform(-0.3, 0.3, 1 if rng.random() < 0.6 else 3)).astype(np.float32)
        image = (image - 127) * gain + 127 + np.float32(rng.uniform(-25, 25))
    if rng.random() < 0.3:
        image = image + rng.normal(0, rng.uniform(1, 12), image.shape[:2]).astype(np.float32)[..., None]
    limited: NDArray[np.float32] = np.clip(image, -64, 320).astype(np.float32)
    return limited
