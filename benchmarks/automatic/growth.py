"""How the cost of our generator grows with the image, the grid and the number of masks; the official one beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from benchmarks.automatic.scene import Scene
from benchmarks.automatic.sides import Run, Side, picture
from napari_sam.automatic.config import AutomaticConfig
from napari_sam.geometry.frame import ResizeFrame

SIZES = ((512, 384), (1024, 768), (2048, 1536), (4096, 3072))
GRIDS = (8, 16, 32, 64)
BLOBS = (20, 140, 600)
_OFFICIAL_PIXELS = 1024 * 1024  # its float masks of a batch of 64 points: 192 * 4 bytes for each pixel, several times
_OFFICIAL_POINTS = 64  # more take minutes, at the same time per point


@dataclass(frozen=True)
class Row:
    """One amount: what was varied, and a run of each side that was asked."""

    amount: str
    exact: Run
    fast: Run
    official: Run | None


@dataclass(frozen=True)
class Sides:
    """The generators to compare, and the side of their model's square."""

    official: Side
    ours: Side
    img_size: int


def make_scene(img_size: int, hw: tuple[int, int], blobs: int = 140) -> Scene:
    """Make the scene of an image of ``hw`` pixels in a model's square of ``img_size``."""
    height, width = ResizeFrame(hw, img_size).input_hw
    return Scene(img_size // 4, (height // 4, width // 4), blobs)


def by_size(sides: Sides, longest: int) -> list[Row]:
    """Images of several sizes, not square, 16 x 16 points; the official code (on 8 x 8) where its masks fit."""
    rows = []
    for hw in SIZES:
        if max(hw) <= longest:
            official = 8 if hw[0] * hw[1] <= _OFFICIAL_PIXELS else 0
            rows.append(_row(sides, f"{hw[0]} x {hw[1]}", hw, 16, official))
    return rows


def by_grid(sides: Sides, densest: int) -> list[Row]:
    """Grids of 8 x 8 to ``densest`` x ``densest`` points on 1024 x 1024 pixels."""
    hw = (sides.img_size, sides.img_size)
    chosen = [n for n in GRIDS if n <= densest]
    return [_row(sides, f"{n} x {n}", hw, n, n if n * n <= _OFFICIAL_POINTS else 0) for n in chosen]


def by_masks(sides: Sides) -> list[Row]:
    """Scenes of a few to many objects, 16 x 16 points on 1024 x 1024 pixels."""
    hw = (sides.img_size, sides.img_size)
    return [_row(sides, f"{blobs}", hw, 16, 0, blobs) for blobs in BLOBS]


def _row(sides: Sides, amount: str, hw: tuple[int, int], points: int, official_points: int, blobs: int = 140) -> Row:
    scene, image = make_scene(sides.img_size, hw, blobs), picture(hw)
    config = AutomaticConfig(points_per_side=points)
    official = None
    if official_points:
        official = sides.official(image, scene, replace(config, points_per_side=official_points))
    return Row(
        amount,
        sides.ours(image, scene, config),
        sides.ours(image, scene, replace(config, mode="fast")),
        official,
    )
