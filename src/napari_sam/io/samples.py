"""The sample image that ships in the package, so that the first try needs no file and no network."""

from __future__ import annotations

from pathlib import Path

_FILES = {"coins": "coins.png"}


def sample_path(name: str = "coins") -> Path:
    """Return the path of a bundled sample image.

    Parameters
    ----------
    name : str
        ``"coins"``: 303 x 384, uint8, grey; 24 Greek coins from Pompeii on an unevenly lit background.

    Raises
    ------
    KeyError
        If there is no sample of that name.
    """
    return Path(__file__).parent.parent / "data" / _FILES[name]
