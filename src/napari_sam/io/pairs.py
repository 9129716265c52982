"""Folders of annotated images: an image and its instance labels, pair by pair.

Two layouts, recognised by themselves:

- ``SOURCE/NAME_img.png`` beside ``SOURCE/NAME_lab.png``, several sources in one folder, with an optional
  ``splits.json``: ``{source: {"train": [names], "val": [names]}}``;
- ``images/NAME.png`` and ``labels/NAME.png``; the folder's name is the source.

Any format that :func:`napari_sam.io.open_image.open_image` opens will do instead of PNG.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_sam.errors import PairError
from napari_sam.io.damage import reading
from napari_sam.io.images import read_image
from napari_sam.io.inputs import SUFFIXES, stem_of
from napari_sam.io.open_image import open_image

IMAGE_ENDING, LABEL_ENDING = "_img", "_lab"
SPLITS = ("train", "val")
_EXPECTED = "SOURCE/NAME_img.png + SOURCE/NAME_lab.png, or images/NAME.png + labels/NAME.png"


@dataclass(frozen=True)
class ImagePair:
    """One annotated image on disk.

    Attributes
    ----------
    source : str
        Data set the image belongs to.
    name : str
        Name within the source.
    image_path, label_path : Path
        The second need not exist: :meth:`check` and :meth:`load` say so.
    """

    source: str
    name: str
    image_path: Path
    label_path: Path

    def check(self) -> None:
        """Raise PairError where one of the files is missing."""
        for path in (self.image_path, self.label_path):
            if not path.exists():
                raise PairError(f"{path} is missing: every image needs its labels ({_EXPECTED}).")

    def load(self) -> tuple[NDArray[Any], NDArray[np.integer]]:
        """Read a single image and its labels.

        Returns
        -------
        image : ndarray, shape (H, W) or (H, W, C)
            In the file's own dtype.
        labels : ndarray of integers, shape (H, W)

        Raises
        ------
        PairError
            If a file is missing, or the two do not have the same height and width.
        FileFormatError
            If a file is damaged, or a stack.
        """
        self.check()
        image, labels = read_image(self.image_path), read_labels(self.label_path)
        if labels.ndim != 2 or image.shape[:2] != labels.shape:
            raise PairError(f"{self.source}/{self.name}: image {image.shape} and labels {labels.shape} differ.")
        return image, labels


def find_pairs(folder: Path, split: str | None = None) -> list[ImagePair]:
    """List the pairs of a folder, sorted by source and name; an image without labels is among them.

    Parameters
    ----------
    folder : Path
    split : {"train", "val"}, optional
        As ``splits.json`` tells; without that file every tenth image of a source is validation. Left out: all.

    Returns
    -------
    list of ImagePair

    Raises
    ------
    PairError
        If the folder holds no pair, or ``splits.json`` is damaged.
    """
    if not folder.is_dir():
        raise PairError(f"{folder} is not a folder; annotated images are expected as {_EXPECTED}.")
    plain = (folder / "images").is_dir() and (folder / "labels").is_dir()
    by_source = {folder.resolve().name: _beside(folder)} if plain else _by_source(folder)
    splits = _read_splits(folder / "splits.json")
    pairs = []
    for source, found in by_source.items():
        chosen = found if split is None else _of_split(found, source, split, splits, folder)
        pairs += [found.get(name) or _expected(folder / source, name) for name in chosen]
    if not pairs:
        raise PairError(f"no {split + ' ' if split else ''}pairs {_EXPECTED} below {folder}")
    return pairs


def read_labels(path: Path) -> NDArray[np.integer]:
    """Read a label image: whole numbers, of two or more dimensions, the last two rows and columns.

    A picture with a palette gives its indices, and whole numbers stored as floating-point ones are fine.

    Raises
    ------
    PairError
        If it is a colour picture, or holds something else than whole numbers.
    FileFormatError
        If it is missing or damaged.
    """
    labels = _read_values(path)
    if labels.dtype.kind == "f" and np.isfinite(labels).all() and (labels == np.rint(labels)).all():
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "b":
        labels = labels.astype(np.uint8)
    if labels.dtype.kind not in "ui":
        raise PairError(f"{path} holds values of type {labels.dtype}, but labels are whole numbers.")
    return labels


def _read_values(path: Path) -> NDArray[Any]:
    if path.suffix.lower() in (".png", ".bmp"):
        with reading(path), Image.open(path) as picture:
            if picture.mode == "P":
                return np.array(picture)
    with closing(open_image(path)) as source:
        stack, hw = source.stack_shape, source.plane_hw
        planes = [source.read(plane) for plane in np.ndindex(*stack)]
    if any(plane.ndim != 2 for plane in planes):
        raise PairError(f"{path} is a colour picture (or has channels), not labels: one number per pixel is needed.")
    return np.stack(planes).reshape(*stack, *hw) if planes else np.zeros((*stack, *hw), np.uint8)


def _by_source(folder: Path) -> dict[str, dict[str, ImagePair]]:
    sources = {}
    for source in sorted(path for path in folder.iterdir() if path.is_dir()):
        names = _stems(path for path in source.iterdir() if stem_of(path).endswith(IMAGE_ENDING))
        labels = _stems(path for path in source.iterdir() if stem_of(path).endswith(LABEL_ENDING))
        pairs = {}
        for stem, image in names.items():
            name = stem.removesuffix(IMAGE_ENDING)
            label = labels.get(name + LABEL_ENDING, source / f"{name}{LABEL_ENDING}{image.suffix}")
            pairs[name] = ImagePair(source.name, name, image, label)
        if pairs:
            sources[source.name] = pairs
    return sources


def _beside(folder: Path) -> dict[str, ImagePair]:
    source = folder.resolve().name
    labels = _stems((folder / "labels").iterdir())
    return {
        stem: ImagePair(source, stem, image, labels.get(stem, folder / "labels" / image.name))
        for stem, image in _stems((folder / "images").iterdir()).items()
    }


def _stems(paths: Iterable[Path]) -> dict[str, Path]:
    """Files by their names without what tells the format, sorted."""
    kept = [path for path in paths if path.suffix.lower() in SUFFIXES | {".zarr"} and not path.name.startswith(".")]
    return {stem_of(path): path for path in sorted(kept)}


def _read_splits(path: Path) -> dict[str, dict[str, list[str]]] | None:
    if not path.is_file():
        return None
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(source): {str(key): list(names) for key, names in parts.items()} for source, parts in splits.items()
        }
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise PairError(f"{path} cannot be read ({error}); expected {{source: {{split: [names]}}}}.") from error


def _of_split(
    found: dict[str, ImagePair], source: str, split: str, splits: dict[str, dict[str, list[str]]] | None, folder: Path
) -> list[str]:
    if splits is not None:
        known = {name for parts in splits.values() for name in parts}
        if split not in known:
            raise PairError(f"{folder / 'splits.json'} has no split {split!r}, only {', '.join(sorted(known))}.")
        return splits.get(source, {}).get(split, [])
    if split not in SPLITS:
        raise PairError(f"There is no splits.json in {folder}; the splits are then 'train' and 'val', not {split!r}.")
    validation = list(found)[::10]
    return validation if split == "val" else [name for name in found if name not in set(validation)]


def _expected(source: Path, name: str) -> ImagePair:
    """Name the files of a pair that ``splits.json`` promised and nobody put there."""
    return ImagePair(source.name, name, source / f"{name}{IMAGE_ENDING}.png", source / f"{name}{LABEL_ENDING}.png")
