"""The keys the user has changed, in a file of the user's own."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from platformdirs import user_config_path

from napari_sam.errors import KeyBindingError

CONFIG_VARIABLE = "NAPARI_SAM_CONFIG"
FILE_NAME = "keys.json"


def keys_file() -> Path:
    """Return where the keys are kept; the environment variable ``NAPARI_SAM_CONFIG`` names another folder."""
    folder = os.environ.get(CONFIG_VARIABLE)
    return (Path(folder) if folder else user_config_path("napari-sam")) / FILE_NAME


def load_keys() -> dict[str, str]:
    """Return the keys that differ from the defaults, by method; empty without a file.

    Raises
    ------
    KeyBindingError
        If the file cannot be read.
    """
    path = keys_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path, error) from error
    try:
        keys = json.loads(text)["keys"]
        return {str(method): str(key) for method, key in keys.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, error) from error


def save_keys(keys: Mapping[str, str]) -> None:
    """Write the keys that differ from the defaults; the file is whole at every moment.

    Raises
    ------
    KeyBindingError
        If the file cannot be written.
    """
    path = keys_file()
    text = json.dumps({"keys": dict(keys)}, indent=2) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".part", delete=False, encoding="utf-8") as file:
            file.write(text)
        os.replace(file.name, path)
    except OSError as error:
        raise KeyBindingError(
            f"The keys hold until napari is closed, but cannot be kept in {path}: {error}."
        ) from error


def _unreadable(path: Path, error: Exception) -> KeyBindingError:
    return KeyBindingError(f"Your keys in {path} cannot be read ({error}): the defaults are used. Mend or delete it.")
