"""From what the user names (files, folders, patterns) to the list of images."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable
from os import PathLike
from pathlib import Path

from napari_sam.errors import FileFormatError
from napari_sam.io.zarr_source import images_of, is_zarr

SUFFIXES = frozenset(
    ".tif .tiff .btf .tf8 .lsm .stk .svs .ndpi .qptiff .png .jpg .jpeg .bmp .webp .npy".split()  # noqa: SIM905
)
"""Suffixes of the files that are taken from a folder; a file that is named itself may have any."""

LABELS_ENDING = "_labels"
_PATTERN_CHARACTERS = "*?["


def find_inputs(
    inputs: Iterable[str | PathLike[str]], on_message: Callable[[str], None] = lambda text: None
) -> list[Path]:
    """List the images among files, folders and patterns.

    A folder stands for the images that lie directly in it, sorted by name, hidden ones left out. A zarr folder is one
    image, but for OME-Zarr's plates, which stand for all fields of all wells. Patterns (``*.tif``, ``**/*.png``) are
    expanded here as well, since not every shell does. Found in a folder or by a pattern, ``NAME_labels.*`` is left out
    where the image ``NAME.*`` lies beside it: it is the result of an earlier run. Whatever is named itself is taken.

    Parameters
    ----------
    inputs : iterable of path
    on_message : callable
        Called with a sentence for what was left out.

    Returns
    -------
    list of Path
        Each once, in the order of ``inputs``.

    Raises
    ------
    FileFormatError
        If an input does not exist, or holds no image.
    """
    found: dict[Path, Path] = {}
    for one in inputs:
        for path in _expand(os.fspath(one), on_message):
            for image in images_of(path) if path.is_dir() else [path]:
                found.setdefault(image.resolve(), image)
    if not found:
        raise FileFormatError("No image was named.")
    return list(found.values())


def _expand(text: str, on_message: Callable[[str], None]) -> list[Path]:
    path = Path(text).expanduser()
    if path.is_dir() and not is_zarr(path):
        return _images_in(path, on_message)
    if path.exists():
        return [path]
    if any(character in text for character in _PATTERN_CHARACTERS):
        matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
        images = _without_labels([match for match in matches if _is_image(match)], on_message)
        if not images:
            reason = f"matches {len(matches)} files, but no image" if matches else "matches nothing"
            raise FileFormatError(f"The pattern {text} {reason}.")
        return images
    raise FileFormatError(f"The input {text} does not exist.")


def _images_in(folder: Path, on_message: Callable[[str], None]) -> list[Path]:
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise FileFormatError(f"The folder {folder} cannot be read: {error.strerror or error}.") from error
    images = _without_labels([entry for entry in entries if _is_image(entry)], on_message)
    if images:
        return images
    inner = any(entry.is_dir() for entry in entries)
    hint = f" Folders in it are not searched; name them, or use a pattern: {folder / '**' / '*.tif'}" if inner else ""
    raise FileFormatError(f"The folder {folder} holds no image (TIFF, PNG, JPEG, BMP, WebP, .npy or OME-Zarr).{hint}")


def _is_image(path: Path) -> bool:
    return is_zarr(path) if path.is_dir() else path.suffix.lower() in SUFFIXES


def _without_labels(images: list[Path], on_message: Callable[[str], None]) -> list[Path]:
    """Leave out NAME_labels where any image called NAME lies beside it, among those found or not."""
    suspects = [image for image in images if stem_of(image).endswith(LABELS_ENDING)]
    stems = {
        folder: {stem_of(one) for one in folder.iterdir() if _is_image(one)}
        for folder in {suspect.parent for suspect in suspects}
    }
    results = {one for one in suspects if stem_of(one).removesuffix(LABELS_ENDING) in stems[one.parent]}
    if results:
        on_message(f"{len(results)} label images of an earlier run were left out (NAME{LABELS_ENDING} beside NAME).")
    return [image for image in images if image not in results]


def stem_of(path: Path) -> str:
    """Return the name of an image without what tells its format: ``cells`` for ``cells.ome.tif`` and ``cells.zarr``."""
    stem = path.stem if path.suffix.lower() in SUFFIXES | {".zarr"} else path.name
    return stem[:-4] if stem.lower().endswith(".ome") else stem
