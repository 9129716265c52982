"""The label image that some tool made of an annotated image, found by its name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_sam.errors import PairError
from napari_sam.io.inputs import SUFFIXES, stem_of
from napari_sam.io.pairs import ImagePair

ENDINGS = ("", "_labels", "_label", "_lab", "_masks", "_mask", "_cp_masks", "_pred")
"""What tools append to the name of an image: this one (``_labels``), Cellpose (``_cp_masks``) and others."""


def find_prediction(folder: Path, pair: ImagePair) -> Path:
    """Return the label image of a pair in a folder of predictions.

    It lies in ``FOLDER/SOURCE/`` where there is such a folder, else in ``FOLDER``, and has the name of the image or of
    the pair, with one of :data:`ENDINGS` or none.

    Parameters
    ----------
    folder : Path
    pair : ImagePair

    Returns
    -------
    Path

    Raises
    ------
    PairError
        If there is none, or more than one.
    """
    inner = folder / pair.source
    place = inner if inner.is_dir() else folder
    wanted = {base + ending for base in (pair.name, stem_of(pair.image_path)) for ending in ENDINGS}
    known = SUFFIXES | {".zarr"}
    found = sorted(path for path in place.iterdir() if path.suffix.lower() in known and stem_of(path) in wanted)
    if not found:
        raise PairError(
            f"There is no label image of {pair.source}/{pair.name} in {place}, such as {pair.name}_labels.tif."
        )
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise PairError(f"Several files in {place} could be the labels of {pair.source}/{pair.name}: {names}.")
    return found[0]


def check_predictions_folder(folder: Path, pairs: Sequence[ImagePair]) -> None:
    """Refuse a folder in which images of several sources would have the same file.

    Raises
    ------
    PairError
        If the folder is missing, or flat while sources share names.
    """
    if not folder.is_dir():
        raise PairError(f"The folder of predictions {folder} does not exist.")
    homes: dict[str, str] = {}
    for pair in pairs:
        if (folder / pair.source).is_dir():
            continue
        other = homes.setdefault(pair.name, pair.source)
        if other != pair.source:
            raise PairError(
                f"{other} and {pair.source} both have an image {pair.name}; put the predictions into folders of these "
                f"names in {folder}."
            )
