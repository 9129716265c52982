"""Whether autosave is on when the widget opens."""

from __future__ import annotations

import os

AUTOSAVE_ENV = "NAPARI_SAM_AUTOSAVE"


def autosave_default() -> bool:
    """Return whether autosave is on at first: not where ``NAPARI_SAM_AUTOSAVE`` says 0, no, off or false."""
    return os.environ.get(AUTOSAVE_ENV, "").strip().lower() not in ("0", "no", "off", "false")
