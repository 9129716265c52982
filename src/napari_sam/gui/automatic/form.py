"""Controls made from parameter dataclasses: one per parameter, with its name, default, range and help text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from magicgui.widgets import CheckBox, ComboBox, FileEdit, FloatSlider, FloatSpinBox, LineEdit, SpinBox
from magicgui.widgets.bases import ValueWidget
from psygnal import Signal

from napari_sam.errors import ParameterError
from napari_sam.parameters import Parameter

# What a spin box of Qt can hold.
HIGHEST = 2**31 - 1
STEP = 0.01
DECIMALS = 4
Control = ValueWidget[Any] | FileEdit
Maker = Callable[[Parameter], Control]


class ParameterForm:
    """One control per parameter, and the exact values behind them.

    A control shows a number with few decimals; what is not changed by hand keeps the value it was given.

    Parameters
    ----------
    parameters : iterable of Parameter
    makers : mapping of str to callable, optional
        Makes the control of a parameter, by its name, where the usual one is not good enough.

    Attributes
    ----------
    changed : Signal(str)
        The user, or a script, has changed the control of this name; not emitted by :meth:`set_values`.
    """

    changed = Signal(str)

    def __init__(self, parameters: Iterable[Parameter], makers: Mapping[str, Maker] | None = None) -> None:
        self.parameters = {one.name: one for one in parameters}
        self._exact: dict[str, Any] = {name: one.default for name, one in self.parameters.items()}
        made = dict(makers or {})
        self.controls: dict[str, Control] = {
            name: made.get(name, make_control)(one) for name, one in self.parameters.items()
        }
        for name, control in self.controls.items():
            self._show(name)
            control.changed.connect(lambda value, name=name: self._on_changed(name, value))

    def __getitem__(self, name: str) -> Control:
        """Return the control of a parameter."""
        return self.controls[name]

    def values(self) -> dict[str, Any]:
        """Return the value of every parameter."""
        return dict(self._exact)

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Show other values, silently; those of parameters that are not in the form are left out."""
        for name, value in values.items():
            if name in self.controls:
                self._exact[name] = value
                self._show(name)

    def _show(self, name: str) -> None:
        control, value = self.controls[name], self._exact[name]
        with control.changed.blocked():
            if isinstance(control, (FloatSlider, FloatSpinBox, SpinBox)):
                # A job may ask for more than the usual range.
                control.min, control.max = min(control.min, math.floor(value)), max(control.max, math.ceil(value))
            if isinstance(control, ComboBox) and value not in control.choices:
                control.choices = (*control.choices, value)
            if isinstance(control, LineEdit):
                control.value = "" if value is None else str(value)
            else:
                control.value = value

    def _on_changed(self, name: str, value: Any) -> None:
        one = self.parameters[name]
        if isinstance(value, str):
            value = value.strip()
            value = None if one.optional and not value else value
        elif isinstance(value, Path):
            value = None if value == Path() else str(value)
        self._exact[name] = value
        self.changed.emit(name)


def make_control(one: Parameter) -> Control:
    """Return the usual control of a parameter."""
    about: dict[str, Any] = {"name": one.name, "label": one.label, "tooltip": one.help}
    if one.type is bool:
        return CheckBox(name=one.name, text=one.label, label="", value=one.default, tooltip=one.help)
    if one.choices:
        return ComboBox(choices=list(one.choices), value=one.default, **about)
    if one.type is int:
        low = 0 if one.low is None else int(one.low)
        high = HIGHEST if one.high is None else int(one.high)
        return SpinBox(min=low, max=high, value=one.default, **about)
    if one.type is float:
        if one.low in (None, 0.0) and one.high in (None, 1.0) and 0 <= one.default < 1:
            return FloatSlider(min=0.0, max=1.0, step=STEP, **about)
        return FloatSpinBox(min=one.low if one.low is not None else -1e6, max=one.high or 1e6, step=0.1, **about)
    if one.type is str:
        return LineEdit(**about)
    raise ParameterError(f"There is no control for {one.name}, a {one.type.__name__}.")
