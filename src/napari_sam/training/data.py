"""Training data: folders of image/label pairs, split by image, and random crops of them.

Layout: ``SOURCE/NAME_img.png`` (8-bit grey or RGB) beside ``SOURCE/NAME_lab.png`` (instance labels, 0 = background),
and an optional ``splits.json`` ``{source: {"train": [names], "val": [names]}}``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from napari_sam.errors import TrainingDataError

PHOTO_SOURCES = frozenset({"coco_ccby", "coco_mval_ccby"})
"""Sources of natural photos, reported beside the others."""


@dataclass(frozen=True)
class ImagePair:
    """One annotated image on disk."""

    source: str
    name: str
    image_path: Path
    label_path: Path

    def load(self) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
        """Read the image (H, W, 3) uint8 and its instance labels (H, W) int32.

        Raises
        ------
        TrainingDataError
            If a file cannot be read or the two do not have the same size.
        """
        try:
            image = np.asarray(Image.open(self.image_path).convert("RGB"))
            labels = np.asarray(Image.open(self.label_path)).astype(np.int32)
        except (OSError, UnidentifiedImageError, ValueError) as error:
            raise TrainingDataError(f"{self.source}/{self.name} cannot be read: {error}") from error
        if labels.ndim != 2 or image.shape[:2] != labels.shape:
            raise TrainingDataError(f"{self.source}/{self.name}: image {image.shape} and labels {labels.shape} differ")
        return image, labels


def find_pairs(folder: Path, split: str) -> list[ImagePair]:
    """List the pairs of one split (``"train"`` or ``"val"``), sorted by source and name.

    Without ``splits.json``, every tenth image of a source is validation.

    Raises
    ------
    TrainingDataError
        If the folder holds no pair, or ``splits.json`` names a pair that is not there.
    """
    splits_file = folder / "splits.json"
    splits = json.loads(splits_file.read_text()) if splits_file.is_file() else None
    pairs = []
    for source in sorted(p for p in folder.iterdir() if p.is_dir()):
        names = sorted(p.name.removesuffix("_img.png") for p in source.glob("*_img.png"))
        chosen = splits.get(source.name, {}).get(split, []) if splits is not None else _default_split(names, split)
        pairs += [_pair(source, name) for name in chosen]
    if not pairs:
        raise TrainingDataError(f"no {split} pairs SOURCE/NAME_img.png + SOURCE/NAME_lab.png below {folder}")
    return pairs


def _default_split(names: list[str], split: str) -> list[str]:
    validation = names[::10]
    return validation if split == "val" else [n for n in names if n not in set(validation)]


def _pair(source: Path, name: str) -> ImagePair:
    pair = ImagePair(source.name, name, source / f"{name}_img.png", source / f"{name}_lab.png")
    for path in (pair.image_path, pair.label_path):
        if not path.is_file():
            raise TrainingDataError(f"{path} is missing: every NAME_img.png needs a NAME_lab.png beside it")
    return pair
