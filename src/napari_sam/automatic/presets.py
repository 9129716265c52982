"""Sets of parameters for kinds of images: few large objects, many small ones, dense cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from napari_sam.automatic.job import AutomaticJob
from napari_sam.errors import ParameterError


@dataclass(frozen=True, eq=False)
class Preset:
    """One kind of image.

    Attributes
    ----------
    help : str
        One sentence: for which images.
    values : mapping of str to object
        Parameters by name; every preset has the same ones, so that nothing of one is left after another.
    """

    help: str
    values: Mapping[str, Any]


def _preset(help: str, **values: Any) -> Preset:
    return Preset(help, MappingProxyType(values))


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "few-large": _preset(
            "A few large objects, such as fruit, coins, animals or single cells that fill much of the image.",
            points_per_side=16,
            crop_n_layers=0,
            crop_n_points_downscale_factor=1,
            min_mask_region_area=100,
            overlap="score",
            min_visible=0.8,
            one_piece=True,
            min_area=100,
        ),
        "many-small": _preset(
            "Many objects of all sizes, such as nuclei, pebbles, grains or powder.",
            points_per_side=32,
            crop_n_layers=0,
            crop_n_points_downscale_factor=1,
            min_mask_region_area=10,
            overlap="score",
            min_visible=0.8,
            one_piece=True,
            min_area=25,
        ),
        "dense-cells": _preset(
            "Very many small objects side by side, each a fiftieth of the image or less: looks at zoomed-in parts too.",
            points_per_side=32,
            crop_n_layers=1,
            crop_n_points_downscale_factor=2,
            min_mask_region_area=10,
            overlap="score",
            min_visible=0.8,
            one_piece=True,
            min_area=10,
        ),
    }
)


def apply_preset(job: AutomaticJob, name: str) -> AutomaticJob:
    """Return a job with the parameters of a preset; those that the preset does not name stay.

    Raises
    ------
    ParameterError
        If there is no such preset.
    """
    preset = PRESETS.get(name)
    if preset is None:
        raise ParameterError(f"There is no preset called {name!r}; the presets are {', '.join(PRESETS)}.")
    return job.with_values(preset.values)
