"""How an object is taken through the stack: where to, along which axis, and when to stop."""

from __future__ import annotations

from collections.abc import Sequence

from magicgui.widgets import ComboBox

from napari_sam.automatic.walks import DIRECTIONS, PropagateConfig
from napari_sam.gui.automatic.form import ParameterForm
from napari_sam.gui.panels.section import Section, group
from napari_sam.parameters import parameters_of


class StackPanel:
    """The controls; without a stack there are none to be seen."""

    def __init__(self) -> None:
        self._axes: Sequence[tuple[str, int]] = ()
        self.direction = ComboBox(
            name="direction",
            choices=list(DIRECTIONS),
            value=DIRECTIONS[0],
            tooltip="Whether to go to later slices, to earlier ones, or both.",
        )
        self.along = ComboBox(
            name="along", choices=lambda combo: list(self._axes), tooltip="The axis whose slices to go through."
        )
        self._form = ParameterForm(parameters_of(PropagateConfig))
        self.section = Section(
            "through_stack",
            "Through the stack",
            "How one object is taken from this slice to the others.",
            group(
                "stack_settings",
                "Where to, and when to stop.",
                self.direction,
                self.along,
                *self._form.controls.values(),
            ),
            labels=False,
        )
        self.show_axes(())

    @property
    def axis(self) -> int | None:
        """Data axis to go along, or None where there is none."""
        return None if self.along.value is None else int(self.along.value)

    def config(self) -> PropagateConfig:
        """Return when to stop."""
        return PropagateConfig(**self._form.values())

    def show_axes(self, axes: Sequence[tuple[str, int]]) -> None:
        """Offer these axes, (name, data axis), the likeliest first."""
        if list(axes) == list(self._axes) and axes:
            return
        self._axes = list(axes)
        self.along.reset_choices()
        self.along.visible = len(self._axes) > 1
        self.section.visible = bool(self._axes)
