"""What makes two runs the same: then one may go on with what the other has done."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from napari_sam import __version__
from napari_sam.batch.plan import Item
from napari_sam.batch.request import BatchRequest

_SEEN_IN_MODEL = {"model", "checkpoint", "device", "precision"}  # what they led to is compared instead
_SAME_RESULTS = ("napari_sam", "torch")  # other versions may compute other numbers


def versions() -> dict[str, str]:
    """Return the versions of what computes."""
    return {
        "napari_sam": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
    }


def identity(request: BatchRequest, items: Sequence[Item], model: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run is, ready for JSON."""
    prompts = None if request.prompts is None else {"labels": request.prompts.name, **asdict(request.refine)}
    return {
        "parameters": request.job.values(),
        "model": dict(model),
        "versions": versions(),
        "outputs": {
            "format": request.label_format,
            "json_masks": request.json_masks,
            "planes": request.planes,
            "prompts": prompts,
        },
        "inputs": {item.key: {"name": item.name, "fingerprint": item.fingerprint} for item in items},
    }


def differences(now: Mapping[str, Any], before: Mapping[str, Any], may_change: Iterable[str] = ()) -> list[str]:
    """Tell what differs between two runs, in words.

    Parameters
    ----------
    now, before : mapping
        From :func:`identity`.
    may_change : iterable of str
        Keys of inputs that may have changed.

    Returns
    -------
    list of str
        Empty if one may go on with the other.
    """
    return [*_values(now, before), *_inputs(now["inputs"], before["inputs"], set(may_change))]


def _values(now: Mapping[str, Any], before: Mapping[str, Any]) -> Iterator[str]:
    for section, values in now["parameters"].items():
        earlier = before["parameters"].get(section, {})
        yield from _changed(values, earlier, sorted((values.keys() | earlier.keys()) - _SEEN_IN_MODEL))
    if now["model"].get("hash") != before["model"].get("hash"):
        yield f"the weights of the model are others ({now['model'].get('name')}, were {before['model'].get('name')})"
    yield from _changed(now["model"], before["model"], ("device", "precision"))
    yield from _changed(now["outputs"], before["outputs"], now["outputs"])
    yield from _changed(now["versions"], before["versions"], _SAME_RESULTS)


def _changed(now: Mapping[str, Any], before: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if now.get(name) != before.get(name):
            yield f"{name} is {now.get(name)!r}, was {before.get(name)!r}"


def _inputs(now: Mapping[str, Any], before: Mapping[str, Any], may_change: set[str]) -> Iterator[str]:
    for key in sorted(now.keys() | before.keys()):
        if key not in before:
            yield f"{key} is a new input"
        elif key not in now:
            yield f"{key} is no longer among the inputs"
        elif now[key]["name"] != before[key]["name"]:
            yield f"the results of {key} would be called {now[key]['name']}, were {before[key]['name']}"
        elif key not in may_change and now[key]["fingerprint"] != before[key]["fingerprint"]:
            yield f"{key} has changed"
