"""Segment Anything for napari: promptable segmentation with a model that ships in the package.

Public names load on first use, so that importing the package (and napari's plugin discovery) imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_sam.automatic.config import AutomaticConfig
    from napari_sam.automatic.generator import AutomaticMaskGenerator
    from napari_sam.automatic.job import AutomaticJob
    from napari_sam.automatic.labels import records_to_labels
    from napari_sam.automatic.stack import segment_stack
    from napari_sam.errors import NapariSamError
    from napari_sam.geometry.rle import rle_to_mask
    from napari_sam.predict.load import load_model
    from napari_sam.predict.predictor import Predictor
    from napari_sam.types import MaskRecord, Prediction, Prompts

_HOMES = {
    "AutomaticConfig": "napari_sam.automatic.config",
    "AutomaticJob": "napari_sam.automatic.job",
    "AutomaticMaskGenerator": "napari_sam.automatic.generator",
    "MaskRecord": "napari_sam.types",
    "NapariSamError": "napari_sam.errors",
    "Prediction": "napari_sam.types",
    "Predictor": "napari_sam.predict.predictor",
    "Prompts": "napari_sam.types",
    "load_model": "napari_sam.predict.load",
    "records_to_labels": "napari_sam.automatic.labels",
    "rle_to_mask": "napari_sam.geometry.rle",
    "segment_stack": "napari_sam.automatic.stack",
}

__version__ = "0.1.0"
__all__ = [
    "AutomaticConfig",
    "AutomaticJob",
    "AutomaticMaskGenerator",
    "MaskRecord",
    "NapariSamError",
    "Prediction",
    "Predictor",
    "Prompts",
    "load_model",
    "records_to_labels",
    "rle_to_mask",
    "segment_stack",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
