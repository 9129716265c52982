"""One automatic segmentation, whole: what the widget, the command line, a job file and a script hand on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from napari_sam.automatic.config import AutomaticConfig, LabelsConfig, ModelDefault, StackConfig, TileConfig
from napari_sam.errors import ParameterError
from napari_sam.parameters import check_parameters, parameter, parameters_of
from napari_sam.zoo.cards import CARDS


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
        None,
        "Values LOW,HIGH shown as black and white, or one such pair after another for each channel; percentiles of "
        "each plane by default, 8-bit images unchanged.",
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        self.shown_channels()
        self.shown_limits()

    def shown_channels(self) -> tuple[int, ...] | None:
        """Return ``channels`` as ``Predictor.encode`` takes them.

        Raises
        ------
        ParameterError
            If they are not one to three whole numbers.
        """
        if self.channels is None:
            return None
        chosen = _numbers(self.channels, int)
        if chosen is None or not 1 <= len(chosen) <= 3:
            raise ParameterError(
                f"channels is {self.channels!r}, but must be one to three whole numbers, such as 0 or 2,1,0."
            )
        return tuple(chosen)

    def shown_limits(self) -> tuple[tuple[float, float], ...] | None:
        """Return ``limits`` as ``Predictor.encode`` takes them: one pair, or one per shown channel.

        Raises
        ------
        ParameterError
            If they are not pairs of finite numbers, the lower one first.
        """
        if self.limits is None:
            return None
        values = _numbers(self.limits, float)
        pairs = tuple(zip(values[::2], values[1::2], strict=False)) if values else ()
        if not values or len(values) % 2 or any(not -math.inf < low < high < math.inf for low, high in pairs):
            raise ParameterError(
                f"limits is {self.limits!r}, but must be LOW,HIGH, such as 0,4095: two finite numbers, the lower one "
                "first (or one such pair for each shown channel)."
            )
        return pairs


_Number = TypeVar("_Number", int, float)


def _numbers(text: str, kind: type[_Number]) -> list[_Number] | None:
    """Read numbers between commas; None where something else stands there."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        return None


def suited_thresholds(model: str) -> dict[str, Any]:
    """Return the thresholds that suit a model, by parameter; the official ones for a name that nobody knows."""
    card = CARDS.get(model)
    names = ("pred_iou_thresh", "stability_score_thresh")
    return {name: float(getattr(AutomaticConfig() if card is None else card, name)) for name in names}


def suited(config: AutomaticConfig, model: str) -> AutomaticConfig:
    """Put the thresholds that suit a model where a config has defaults that nobody chose."""
    own = suited_thresholds(model)
    left = {name: value for name, value in own.items() if isinstance(getattr(config, name), ModelDefault)}
    return replace(config, **left)


def _objects_side_by_side() -> LabelsConfig:
    return LabelsConfig(overlap="score", min_visible=0.8, one_piece=True)


@dataclass(frozen=True)
class AutomaticJob:
    """All parameters of a run, in sections; names are unique over the sections.

    Attributes
    ----------
    model : ModelConfig
    automatic : AutomaticConfig
        Thresholds that were left at their defaults become those that suit the model (:func:`suited_thresholds`).
    labels : LabelsConfig
        Left out: objects are one piece, the better score wins, and masks of which less than 80 % is left go. Jobs look
        for objects that lie side by side; small over large, the default of :class:`LabelsConfig`, is for nested masks.
    stack : StackConfig
    tiles : TileConfig

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    automatic: AutomaticConfig = field(default_factory=AutomaticConfig)
    labels: LabelsConfig = field(default_factory=_objects_side_by_side)
    stack: StackConfig = field(default_factory=StackConfig)
    tiles: TileConfig = field(default_factory=TileConfig)

    def __post_init__(self) -> None:
        object.__setattr__(self, "automatic", suited(self.automatic, self.model.model))

    def with_values(self, values: Mapping[str, Any]) -> AutomaticJob:
        """Return a copy with some parameters changed, each by its own name, whatever its section.

        With another model, thresholds that suited the old one become those that suit the new one, unless ``values``
        has them.

        Raises
        ------
        ParameterError
            If a name is unknown or a value is not allowed.
        """
        remaining = {**self._thresholds_of(values.get("model", self.model.model)), **values}
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

    def _thresholds_of(self, model: str) -> dict[str, Any]:
        old, new = suited_thresholds(self.model.model), suited_thresholds(model)
        return {name: new[name] for name in new if new[name] != old[name] == getattr(self.automatic, name)}

    @classmethod
    def of(cls, parameters: AutomaticJob | AutomaticConfig | Mapping[str, Any] | None) -> AutomaticJob:
        """Return a job for any of the ways in which scripts give parameters.

        Parameters
        ----------
        parameters : AutomaticJob, AutomaticConfig, mapping or None
            A mapping holds parameters by name, or sections by name as :meth:`values` gives them, or both. What is
            left out has its default.

        Raises
        ------
        ParameterError
            If it is something else, a name is unknown or a value is not allowed.
        """
        if parameters is None:
            return cls()
        if isinstance(parameters, AutomaticJob):
            return parameters
        if isinstance(parameters, AutomaticConfig):
            return cls(automatic=parameters)
        if not isinstance(parameters, Mapping):
            raise ParameterError(
                f"A job is an AutomaticJob, an AutomaticConfig or a mapping of parameters, not {parameters!r}."
            )
        values: dict[str, Any] = {}
        for name, value in parameters.items():
            values.update(value if isinstance(value, Mapping) else {name: value})
        return cls().with_values(values)

    def values(self) -> dict[str, dict[str, Any]]:
        """Return all parameters by section and name, as a job file holds them: Python's own numbers and texts."""
        return {
            section.name: {one.name: one.plain(getattr(config, one.name)) for one in parameters_of(config)}
            for section in fields(self)
            for config in [getattr(self, section.name)]
        }
