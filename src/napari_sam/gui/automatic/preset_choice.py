"""Presets as a choice: picking one sets parameters; changing one of these makes it a choice of one's own."""

from __future__ import annotations

from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.presets import PRESETS, apply_preset

CUSTOM = "custom"


def preset_choices() -> list[tuple[str, str]]:
    """Return (text, name) of every preset, and of none."""
    return [(CUSTOM, CUSTOM), *((name.replace("-", " "), name) for name in PRESETS)]


def preset_tooltip() -> str:
    """Say what presets are for."""
    told = " ".join(f"{name.replace('-', ' ')}: {preset.help}" for name, preset in PRESETS.items())
    return f"Parameters for a kind of image. {told} custom: as you have set them."


def preset_of(job: AutomaticJob) -> str:
    """Return the preset whose parameters a job has, or "custom"."""
    return next((name for name in PRESETS if apply_preset(job, name) == job), CUSTOM)
