"""What becomes of committed objects: how they are written, opened again, deleted and merged; and which there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from magicgui.widgets import ComboBox, Label, LineEdit, PushButton, SpinBox, Widget
from psygnal import Signal

from napari_sam.gui.objects.ids import HIGHEST_POSSIBLE
from napari_sam.gui.objects.plan import INSTANCE, KEEP, MODES, OVERLAPS, SEMANTIC, CommitSettings
from napari_sam.gui.panels.object_table import ObjectRow, ObjectTable
from napari_sam.gui.panels.section import Section, button_row, group

NEW_LAYER = "(new layer)"
# What a spin box of Qt can hold.
HIGHEST_IN_A_BOX = min(HIGHEST_POSSIBLE, 2**31 - 1)


class ObjectsPanel:
    """The controls, and the table below them.

    Attributes
    ----------
    edit_requested, delete_requested : Signal(object)
        The user wants this id, or None for what the canvas says.
    merge_requested : Signal(object)
        The user wants these ids to be one, or None for what the canvas says.
    continue_requested : Signal(object)
        The user wants the next commits to go to this id, or None for what the canvas says.
    propagate_requested : Signal(object)
        The user wants this id on the other slices, too, or None for what the canvas says.
    chosen : Signal(int)
        The user has picked an object in the table.
    layer_requested : Signal(str)
        The user wants the layer of this ``unique_id`` to take the objects; an empty one is a new layer.
    """

    edit_requested = Signal(object)
    delete_requested = Signal(object)
    merge_requested = Signal(object)
    continue_requested = Signal(object)
    propagate_requested = Signal(object)
    chosen = Signal(int)
    layer_requested = Signal(str)

    def __init__(self) -> None:
        self._names: Mapping[int, str] = {}
        self._layers: Sequence[tuple[str, str]] = ()
        self._make_settings()
        self.edit_object = _button("edit_object", "Edit", "Open an object again: its pixels and prompts come back.")
        self.delete_object = _button("delete_object", "Delete", "Remove an object from all its slices.")
        self.merge_objects = _button(
            "merge_objects",
            "Merge",
            "Make one of the objects selected in the table; or the one under the cursor joins.",
        )
        self.summary = Label(name="summary", value="", tooltip="How many objects there are on this slice.")
        self.table = ObjectTable()
        self.section = self._layout()
        self.table.chosen.connect(self.chosen)
        self.edit_object.changed.connect(lambda: self.edit_requested.emit(self._one()))
        self.delete_object.changed.connect(lambda: self.delete_requested.emit(self._one()))
        self.merge_objects.changed.connect(self._on_merge)
        self.continue_object.changed.connect(lambda: self.continue_requested.emit(self._one()))
        self.propagate_object.changed.connect(lambda: self.propagate_requested.emit(self._one()))
        self.mode.changed.connect(self._show_mode)
        self.class_id.changed.connect(self._show_name)
        self.objects_layer.changed.connect(self._on_layer)
        self._show_mode(self.mode.value)

    def settings(self) -> CommitSettings:
        """Return what the controls say about the next commit."""
        return CommitSettings(
            overlap=self.overlap.value,
            mode=self.mode.value,
            class_id=int(self.class_id.value),
            class_name=str(self.class_name.value).strip(),
            object_id=int(self.object_id.value),
        )

    def buttons(self) -> tuple[PushButton, ...]:
        """Return the buttons; each is named like the command it gives."""
        return (
            self.edit_object,
            self.delete_object,
            self.merge_objects,
            self.continue_object,
            self.propagate_object,
        )

    def show_objects(
        self, summary: str, rows: Sequence[ObjectRow], color: Callable[[int], Sequence[float] | None]
    ) -> None:
        """Show which objects there are."""
        self.summary.value = summary
        self.table.show_rows(rows, color)

    def show_classes(self, names: Mapping[int, str]) -> None:
        """Take over what the user calls the classes of this layer."""
        if names != self._names:
            self._names = dict(names)
            self._show_name(int(self.class_id.value))

    def show_layers(self, layers: Sequence[tuple[str, str]], current: str) -> None:
        """Offer these layers, (name, ``unique_id``), for the objects; ``current`` takes them now."""
        self._layers = layers
        with self.objects_layer.changed.blocked():
            self.objects_layer.reset_choices()
            # All layers may have been removed since this was asked for.
            if any(layer_id == current for _, layer_id in layers):
                self.objects_layer.value = current

    def _make_settings(self) -> None:
        self.overlap = ComboBox(
            name="overlap",
            choices=list(OVERLAPS),
            value=KEEP,
            tooltip="Where an object lies already. keep: it stays, and what is nearly wholly taken is refused. "
            "only background: whatever is free is written. replace: the new object overwrites.",
        )
        self.mode = ComboBox(
            name="mode",
            choices=list(MODES),
            value=INSTANCE,
            tooltip="instance: every object has its own number. semantic: all objects of a class share its number.",
        )
        self.class_id = SpinBox(
            name="class_id", label="class", value=1, min=1, max=HIGHEST_IN_A_BOX, tooltip="Number of the class."
        )
        self.class_name = LineEdit(
            name="class_name", label="name", tooltip="What you call this class; napari shows it at the cursor."
        )
        self.object_id = SpinBox(
            name="object_id",
            label="commit as (0: new)",
            value=0,
            min=0,
            max=HIGHEST_IN_A_BOX,
            tooltip="The number the next commits get, to go on with one object from slice to slice. 0: a new object.",
        )
        self.continue_object = _button(
            "continue_object", "Continue", "The next commits go on with the selected object, on this slice or another."
        )
        self.propagate_object = _button(
            "propagate_object", "Propagate", "Find the object on the slices before and after: see 'Through the stack'."
        )
        self.objects_layer = ComboBox(
            name="objects_layer",
            label="objects in",
            choices=lambda combo: [*self._layers, (NEW_LAYER, "")],
            tooltip="The labels layer that takes the objects; one from a file is gone on with.",
        )

    def _layout(self) -> Section:
        self._details: dict[str, tuple[Widget, ...]] = {
            SEMANTIC: (self.class_id, self.class_name),
            INSTANCE: (self.object_id,),
        }
        settings = group(
            "object_settings",
            "How a commit writes.",
            self.overlap,
            self.mode,
            self.class_id,
            self.class_name,
            self.object_id,
            self.objects_layer,
        )
        section = Section(
            "objects",
            "Objects",
            "What happens to objects that are there already.",
            settings,
            button_row("object_tools", "What to do with an object.", *self.buttons()),
            self.summary,
            unfolded=True,
            labels=False,
        )
        section.body.native.layout().addWidget(self.table)
        return section

    def _one(self) -> int | None:
        return self.table.ids[0] if self.table.ids else None

    def _on_layer(self, layer_id: str) -> None:
        self.layer_requested.emit(layer_id or "")

    def _on_merge(self) -> None:
        ids = self.table.ids
        self.merge_requested.emit(ids if len(ids) > 1 else None)

    def _show_mode(self, mode: str) -> None:
        for known, widgets in self._details.items():
            for widget in widgets:
                widget.visible = known == mode
        self.continue_object.visible = mode == INSTANCE

    def _show_name(self, class_id: int) -> None:
        self.class_name.value = self._names.get(class_id, "")


def _button(name: str, text: str, tooltip: str) -> PushButton:
    return PushButton(name=name, text=text, tooltip=tooltip)
