"""Draws a label image and the prompts that made it over the image, for the headless demo."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_sam.types import Prompts

# Okabe and Ito's palette: told apart with any kind of colour vision. Black is left out.
PALETTE = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (204, 121, 167),
)
# As in the widget: a blue disc and an orange cross.
POSITIVE = (86, 180, 233)
NEGATIVE = (213, 94, 0)
ZOOM = 3
SUPERSAMPLING = 2


def draw_objects(path: Path, image: NDArray[np.uint8], labels: NDArray[np.integer], objects: Sequence[Prompts]) -> None:
    """Write a PNG of the image with tinted, outlined objects and the clicks and boxes that made them.

    Parameters
    ----------
    path : Path
        PNG file to write.
    image : ndarray of uint8, shape (H, W)
    labels : ndarray of int, shape (H, W)
        Object ``i`` of `objects` has label ``i + 1``.
    objects : sequence of Prompts
    """
    height, width = labels.shape
    size = (width * ZOOM, height * ZOOM)
    backdrop = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    pixels = np.asarray(backdrop, np.float32)
    for label in range(1, len(objects) + 1):
        pixels = _blend(pixels, _enlarge(labels == label, size), PALETTE[(label - 1) % len(PALETTE)])
    picture = _draw_prompts(Image.fromarray(pixels.round().astype(np.uint8)), objects)
    temporary = path.with_name(f".{path.name}.part")
    picture.save(temporary, format="PNG", optimize=True)
    os.replace(temporary, path)


def _enlarge(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Enlarge a mask with a smooth outline instead of stairs."""
    soft = Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(soft) >= 128


def _blend(
    pixels: NDArray[np.float32], mask: NDArray[np.bool_], colour: tuple[int, int, int], tint: float = 0.3
) -> NDArray[np.float32]:
    inside = mask
    for _ in range(2):  # an outline two pixels wide, inside the object
        inside = _shrink(inside)
    weight = np.where(inside, tint, np.where(mask, 1.0, 0.0)).astype(np.float32)[..., None]
    return pixels * (1 - weight) + np.asarray(colour, np.float32) * weight


def _shrink(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask, 1)
    return padded[1:-1, 1:-1] & padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]


def _draw_prompts(picture: Image.Image, objects: Sequence[Prompts]) -> Image.Image:
    """Draw at twice the size and shrink, for smooth circles."""
    factor = ZOOM * SUPERSAMPLING
    large = picture.resize((picture.width * SUPERSAMPLING, picture.height * SUPERSAMPLING), Image.Resampling.NEAREST)
    canvas = ImageDraw.Draw(large)
    for prompts in objects:
        if prompts.box_yxyx is not None:
            top, left, bottom, right = ((float(v) + 0.5) * factor for v in prompts.box_yxyx)
            canvas.rectangle((left, top, right, bottom), outline="white", width=2 * SUPERSAMPLING)
        if prompts.points_yx is not None and prompts.labels is not None:
            for (y, x), label in zip(prompts.points_yx, prompts.labels, strict=True):
                _draw_click(canvas, (float(y) + 0.5) * factor, (float(x) + 0.5) * factor, positive=label == 1)
    return large.resize(picture.size, Image.Resampling.BOX)


def _draw_click(canvas: ImageDraw.ImageDraw, y: float, x: float, *, positive: bool) -> None:
    """Draw a disc for a positive click, a cross for a negative one: shape and colour differ."""
    radius = 7 * SUPERSAMPLING
    if positive:
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), POSITIVE, "white", 2 * SUPERSAMPLING)
        return
    for width, colour in ((7 * SUPERSAMPLING, "white"), (3 * SUPERSAMPLING, NEGATIVE)):
        canvas.line((x - radius, y - radius, x + radius, y + radius), colour, width)
        canvas.line((x - radius, y + radius, x + radius, y - radius), colour, width)
