"""Which lines of the table to show: conditions typed as ``predicted_iou < 0.9, area > 100``."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from napari_sam.errors import ParameterError

_OPERATORS: dict[str, Callable[[Any, float], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
_TERM = re.compile(r"\s*([A-Za-z_ ]+?)\s*(<=|>=|==|!=|<|>|=)\s*(-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*")
_SHORT = {
    "id": "index",
    "object": "index",
    "iou": "predicted_iou",
    "score": "predicted_iou",
    "stability": "stability_score",
}


def matching(frame: pd.DataFrame, text: str) -> NDArray[np.bool_]:
    """Return which lines fulfil all conditions of a text; all of them where it is empty.

    Parameters
    ----------
    frame : DataFrame
    text : str
        Conditions such as ``area > 100``, with commas or "and" between them. A column may be named by its first
        letters; ``iou``, ``stability`` and ``id`` are understood.

    Raises
    ------
    ParameterError
        If a condition cannot be read; the message says which.
    """
    found = np.ones(len(frame), bool)
    for part in re.split(r",|;|\band\b|&+", text):
        if not part.strip():
            continue
        match = _TERM.fullmatch(part)
        if match is None:
            raise ParameterError(f"{part.strip()!r} is no condition: write for example 'iou < 0.9' or 'area > 100'.")
        name, sign, number = match.groups()
        values = pd.to_numeric(frame[_column(frame, name)], errors="coerce").to_numpy(np.float64)
        with np.errstate(invalid="ignore"):
            found &= _OPERATORS[sign](values, float(number))
    return found


def _column(frame: pd.DataFrame, name: str) -> str:
    wanted = name.strip().lower().replace(" ", "_")
    wanted = _SHORT.get(wanted, wanted)
    names = [str(one) for one in frame.columns]
    close = [one for one in names if one == wanted] or [one for one in names if one.startswith(wanted)]
    if not close:
        known = ", ".join("id" if one == "index" else one for one in names)
        raise ParameterError(f"There is no column {name.strip()!r}; there are {known}.")
    return close[0]
