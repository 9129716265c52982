"""Segment Anything for napari: promptable segmentation with a model that ships in the package.

Public names load on first use, so that importing the package (and napari's plugin discovery) imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam.errors import NapariSamError
    from napari_sam.predict.load import load_model
    from napari_sam.predict.predictor import Predictor
    from napari_sam.types import Prediction, Prompts

_HOMES = {
    "NapariSamError": "napari_sam.errors",
    "Prediction": "napari_sam.types",
    "Predictor": "napari_sam.predict.predictor",
    "Prompts": "napari_sam.types",
    "load_model": "napari_sam.predict.load",
}

__version__ = "0.1.0"
__all__ = ["NapariSamError", "Prediction", "Predictor", "Prompts", "load_model"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
