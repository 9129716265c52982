"""One automatic segmentation, whole: what the widget, the command line, a job file and a script hand on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from napari_sam.automatic.config import AutomaticConfig, LabelsConfig, StackConfig, TileConfig
from napari_sam.errors import ParameterError
from napari_sam.parameters import check_parameters, parameter, parameters_of


@dataclass(frozen=True)
class ModelConfig:
    """Which model computes, where, and what of an image it sees.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    model: str = parameter("sam_lite", "Name of a model; `napari-sam models list` shows them.", advanced=False)
    checkpoint: str | None = parameter(None, "A file of weights to use instead; its architecture is recognised.")
    device: str = parameter("auto", "auto, cpu, cuda, cuda:N or mps.")
    precision: str = parameter("auto", "Number format of the image encoder: auto, fp32, bf16 or fp16.")
    channels: str | None = parameter(
        None, "Channels to show to the model, such as 0 or 2,1,0 (red, green, blue); all of an RGB image by default."
    )
    limits: str | None = parameter(
        None, "Values LOW,HIGH shown as black and white; percentiles of each plane by default, 8-bit images unchanged."
    )

    def __post_init__(self) -> None:
        check_parameters(self)


@dataclass(frozen=True)
class AutomaticJob:
    """All parameters of a run, in sections; names are unique over the sections.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    automatic: AutomaticConfig = field(default_factory=AutomaticConfig)
    labels: LabelsConfig = field(default_factory=LabelsConfig)
    stack: StackConfig = field(default_factory=StackConfig)
    tiles: TileConfig = field(default_factory=TileConfig)

    def with_values(self, values: Mapping[str, Any]) -> AutomaticJob:
        """Return a copy with some parameters changed, each by its own name, whatever its section.

        Raises
        ------
        ParameterError
            If a name is unknown or a value is not allowed.
        """
        remaining = dict(values)
        sections: dict[str, Any] = {}
        for section in fields(self):
            config = getattr(self, section.name)
            names = {one.name for one in parameters_of(config)}
            own = {name: remaining.pop(name) for name in list(remaining) if name in names}
            if own:
                sections[section.name] = replace(config, **own)
        if remaining:
            raise ParameterError(f"There is no parameter called {', '.join(map(repr, sorted(remaining)))}.")
        return replace(self, **sections)

    def values(self) -> dict[str, dict[str, Any]]:
        """Return all parameters by section and name, as a job file holds them: Python's own numbers and texts."""
        return {
            section.name: {one.name: one.plain(getattr(config, one.name)) for one in parameters_of(config)}
            for section in fields(self)
            for config in [getattr(self, section.name)]
        }
