"""Where model files lie: a folder of the user's, the download cache, the package itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from platformdirs import user_cache_path

from napari_sam.errors import ModelError
from napari_sam.zoo.cards import ModelCard, get_card

CACHE_ENV = "NAPARI_SAM_CACHE"
MODELS_ENV = "NAPARI_SAM_MODELS"


def cache_dir() -> Path:
    """Folder for everything this package may download or compute again: ``NAPARI_SAM_CACHE``, or the user's cache.

    It need not exist yet.
    """
    override = os.environ.get(CACHE_ENV, "").strip()
    return Path(override).expanduser() if override else user_cache_path("napari-sam", appauthor=False)


def models_dir() -> Path:
    """Folder that downloads go to, inside :func:`cache_dir`."""
    return cache_dir() / "models"


def offline_folders() -> list[Path]:
    """Folders named by ``NAPARI_SAM_MODELS`` (several are separated as in ``PATH``), searched before the cache."""
    return [Path(part).expanduser() for part in os.environ.get(MODELS_ENV, "").split(os.pathsep) if part.strip()]


def find_model(name: str) -> Path | None:
    """Find a model's file: in the folders of ``NAPARI_SAM_MODELS``, then the cache, then the package.

    The file is not read; :func:`napari_sam.zoo.verify.verify_model` checks it.

    Parameters
    ----------
    name : str
        As for :func:`napari_sam.zoo.cards.get_card`.

    Returns
    -------
    Path or None
        None if the model is nowhere on this machine.

    Raises
    ------
    ModelError
        If there is no model of that name.
    """
    return next((path for path in _candidates(get_card(name)) if path.is_file()), None)


def require_model(name: str) -> Path:
    """Return a model's file or say how to get it.

    Raises
    ------
    ModelError
        If the name is unknown, or the file is not on this machine; the message says how to get it, with and without
        a network.
    """
    path = find_model(name)
    if path is None:
        raise ModelError(_how_to_get(get_card(name)))
    return path


def _candidates(card: ModelCard) -> Iterator[Path]:
    for folder in offline_folders():
        for filename in _offline_names(card):
            yield folder / filename
    if card.url is not None:
        yield models_dir() / card.filename
    else:
        yield Path(str(resources.files("napari_sam.zoo"))) / "weights" / card.filename


def _offline_names(card: ModelCard) -> list[str]:
    # The bare name is how micro-sam's own cache names its files, so that NAPARI_SAM_MODELS may point there.
    names = [card.filename, *(f"{card.name}{suffix}" for suffix in (".safetensors", ".pth", ".pt", ""))]
    return list(dict.fromkeys(names))


def _how_to_get(card: ModelCard) -> str:
    if card.url is None:
        return (
            f"The file of the bundled model {card.name!r} ({card.filename}) is missing from the installed package: "
            "install napari-sam-studio again."
        )
    return (
        f"The model {card.name!r} is not on this machine. Download it ({card.size_text}) with: "
        f"napari-sam models download {card.name}. {without_network(card)}"
    )


def without_network(card: ModelCard) -> str:
    """One sentence: how to bring a model's file to a machine that has no network."""
    return (
        f"Without a network: fetch {card.url} on another machine, name the file {card.filename}, and put it into a "
        f"folder that the environment variable {MODELS_ENV} names, or into {models_dir()}."
    )
