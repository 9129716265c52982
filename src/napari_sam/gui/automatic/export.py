"""From what the widget shows to a job that others can run: a file, and the command line that does the same."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from napari_sam.gui.view.looks import limits_of
from napari_sam.gui.view.planes import full_data

if TYPE_CHECKING:
    from napari.layers import Image

JOB_FILTER = "Job files (*.toml);;All files (*)"
FULL_RANGE = (0.0, 255.0)


def limits_text(image: Image) -> str | None:
    """Return the contrast limits of a layer as the job's ``limits``; None for 8-bit images at their full range."""
    limits = limits_of(image)
    if np.dtype(full_data(image).dtype) == np.uint8 and limits == FULL_RANGE:
        return None
    return ",".join(_number(value) for value in limits)


def command_line(image: Image | None, position: tuple[int, ...] | None = None) -> str:
    """Return the command that gives the labels of the widget.

    Parameters
    ----------
    image : Image or None
    position : tuple of int or None
        The plane; None for all of them.
    """
    path = None if image is None else getattr(image.source, "path", None)
    words = ["napari-sam", "auto", str(path) if path else "INPUT", "-o", "labels.tif", "--job", "job.toml"]
    if position:
        words += ["--planes", ",".join(f"{at}:{at + 1}" for at in position)]
    return shlex.join(words)


def ask_where_to_write(parent: object) -> Path | None:
    """Let the user choose a name for a job file; None if she does not."""
    from qtpy.QtWidgets import QFileDialog

    name, _ = QFileDialog.getSaveFileName(parent, "Export this run", "job.toml", JOB_FILTER)  # type: ignore[arg-type]
    return Path(name) if name else None


def ask_what_to_read(parent: object) -> Path | None:
    """Let the user choose a job file; None if she does not."""
    from qtpy.QtWidgets import QFileDialog

    name, _ = QFileDialog.getOpenFileName(parent, "Load a job", "", JOB_FILTER)  # type: ignore[arg-type]
    return Path(name) if name else None


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
