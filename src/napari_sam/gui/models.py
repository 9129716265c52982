"""Which models the widget offers."""

from __future__ import annotations

from napari_sam.zoo.cards import CARDS
from napari_sam.zoo.store import find_model

DEFAULT_MODEL = "sam_lite"
DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
CHECKPOINT_FILTER = "Weights (*.pth *.pt *.safetensors);;All files (*)"


def model_choices() -> list[tuple[str, str]]:
    """Return (text, name) of every model, those on this machine first, the others marked."""
    names = sorted(CARDS, key=lambda name: (name != DEFAULT_MODEL, find_model(name) is None))
    return [(name if find_model(name) is not None else f"{name} (not downloaded)", name) for name in names]
