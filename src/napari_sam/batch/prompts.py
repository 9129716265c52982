"""Which labels are refined for which input."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from napari_sam.errors import FileFormatError
from napari_sam.io.inputs import LABELS_ENDING, stem_of
from napari_sam.io.open_image import open_image
from napari_sam.io.zarr_source import is_zarr


def find_prompts(prompts: Path, image: Path, shape: tuple[int, ...]) -> Path:
    """Find the labels for an image, and look whether they fit it.

    Parameters
    ----------
    prompts : Path
        The labels themselves, or a folder with ``NAME_labels.*`` or ``NAME.*`` for an image ``NAME.*``.
    image : Path
    shape : tuple of int
        Of the image, without channels.

    Raises
    ------
    FileFormatError
        If there are none, several, or they do not have the image's planes and size.
    """
    path = _in_folder(prompts, image) if prompts.is_dir() and not is_zarr(prompts) else prompts
    with closing(open_image(path)) as labels:
        found = (*labels.stack_shape, *labels.plane_hw)
    if found != shape:
        raise FileFormatError(f"The labels {path} have the shape {found}, but those of {image} have {shape}.")
    return path


def _in_folder(folder: Path, image: Path) -> Path:
    stem = stem_of(image)
    for wanted in (stem + LABELS_ENDING, stem):
        found = sorted(path for path in folder.iterdir() if stem_of(path) == wanted and path != image)
        if len(found) > 1:
            raise FileFormatError(f"Which are the labels of {image}, {found[0]} or {found[1]}?")
        if found:
            return found[0]
    raise FileFormatError(f"There are no labels for {image}: {folder} has no {stem}{LABELS_ENDING}.* and no {stem}.*.")
