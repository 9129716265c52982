"""The controls of the Segment widget: what there is, what it is called, and how it is laid out. No behaviour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from magicgui.widgets import CheckBox, ComboBox, FileEdit, Label, ProgressBar, PushButton, RadioButtons, Widget
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_sam.gui.keymap import KEYMAP, key_of
from napari_sam.gui.models import CHECKPOINT_FILTER, DEFAULT_MODEL, DEVICES, PRECISIONS, model_choices
from napari_sam.gui.panels.busy import Busy
from napari_sam.gui.panels.candidate_picker import CandidatePicker
from napari_sam.gui.panels.hover_switch import HoverSwitch
from napari_sam.gui.panels.key_editor import KeyEditor
from napari_sam.gui.panels.model_view import ModelView
from napari_sam.gui.panels.objects_panel import ObjectsPanel
from napari_sam.gui.panels.recovery_banner import RecoveryBanner
from napari_sam.gui.panels.section import Section, button_row, group
from napari_sam.gui.panels.stack_panel import StackPanel
from napari_sam.gui.panels.tree import walk
from napari_sam.gui.prompting.prompts import NEGATIVE, POSITIVE
from napari_sam.gui.qt.access import make_accessible
from napari_sam.gui.qt.combo import ElideCurrent
from napari_sam.gui.qt.scroll import RoomForLines, SideFit
from napari_sam.gui.recovery.switch import autosave_default

# What keyboards have on that key; the word would make buttons twice as wide.
SHIFT = "\N{UPWARDS WHITE ARROW}"


class Controls:
    """Every control of the widget, by name.

    Parameters
    ----------
    image_choices : callable
        Returns (text, layer) of the image layers, called whenever the choices are reset.
    """

    def __init__(self, image_choices: Callable[[Any], list[tuple[str, Any]]]) -> None:
        self.image = ComboBox(
            name="image", choices=image_choices, nullable=True, tooltip="The image layer to segment; its shown slice."
        )
        self.model = ComboBox(
            name="model",
            choices=model_choices(),
            value=DEFAULT_MODEL,
            tooltip="sam_lite ships with the package. For the others: napari-sam models download NAME.",
        )
        self.prompt = FixedRadioButtons(
            name="prompt",
            label="next click",
            choices=[POSITIVE, NEGATIVE],
            orientation="horizontal",
            tooltip="Positive: this belongs to the object. Negative: this does not. "
            "With Control or Alt held, one click counts as the other.",
        )
        self._make_tools()
        self.next_candidate = _button(
            "next_candidate", "Next candidate", "A click may mean a part or the whole: show the next of three masks."
        )
        self.candidates = CandidatePicker()
        self.clicked_pieces = CheckBox(
            name="clicked_pieces",
            text="only clicked pieces",
            value=True,
            tooltip="Leave out the pieces of a mask that no positive point lies in. Boxes and outlines alone keep all.",
        )
        self.commit = _button("commit", "Commit", "Write the proposal into the objects layer with the next free id.")
        self.objects = ObjectsPanel()
        self.stack = StackPanel()
        self.undo = _button("undo", "Undo", "Take back the last click, box, choice, clear or commit.")
        self.redo = _button("redo", "Redo", "Do again what was undone last.")
        self.clear = _button("clear", "Clear", "Remove the points and boxes of this slice.")
        self.cancel = _button("cancel", "Cancel", "Stop the computation; the prompts stay.")
        self.progress = ProgressBar(name="progress", visible=False, tooltip="How far the model is with the image.")
        self.busy = Busy(self.progress, self.cancel)
        self.status = Label(name="status", value="", tooltip="What the tool does, and what it found.")
        self._make_advanced()
        self.model_view = ModelView()
        self.hover = HoverSwitch()
        self.recovery_banner = RecoveryBanner()
        self.keys = KeyEditor()
        self._keyed: list[tuple[Widget, str, str]] = []
        self._key_of: Callable[[str], str] = key_of

    def _make_tools(self) -> None:
        self.use_points = _button("use_points", "Points", "Make the points layer active and click objects.")
        self.use_boxes = _button("use_boxes", "Boxes", "Make the boxes layer active and drag boxes around objects.")
        self.use_polygon = _button(
            "use_polygon", "Polygon", "Outline an object roughly: a click per corner, a double click ends."
        )
        self.use_lasso = _button("use_lasso", "Lasso", "Outline an object roughly: drag around it.")
        self.use_ellipse = _button("use_ellipse", "Ellipse", "Drag an ellipse over an object.")
        self.use_scribble = _button(
            "use_scribble",
            "Scribble",
            "Drag a line through an object: it counts as several clicks, positive or negative as the next click.",
        )
        self.use_label = _button(
            "use_label",
            "Use label",
            "Take an object of any Labels layer as a prompt: the one under the cursor, else the one selected there.",
        )

    def _make_advanced(self) -> None:
        self.checkpoint = FileEdit(
            name="checkpoint",
            filter=CHECKPOINT_FILTER,
            nullable=True,
            tooltip="A file of weights to use instead of the model above; its architecture is recognised.",
        )
        self.device = ComboBox(
            name="device",
            choices=DEVICES,
            value="auto",
            tooltip="Where to compute; auto takes a GPU where there is one.",
        )
        self.precision = ComboBox(
            name="precision", choices=PRECISIONS, value="auto", tooltip="Number format of the image encoder."
        )
        self.prefetch = CheckBox(
            name="prefetch",
            text="Encode neighbouring slices when idle",
            value=True,
            tooltip="While nothing else is to be done, prepare the slices before and after the shown one. "
            "Slices that take long, or are too large to keep, are left alone.",
        )
        self.autosave = CheckBox(
            name="autosave",
            text="Autosave",
            label="",
            value=autosave_default(),
            tooltip="Keep a journal of prompts and objects, outside of your data folders, to recover after a crash.",
        )

    def layout(self) -> list[Widget]:
        """Return what the widget shows: what scrolls, and below it what is always in sight.

        What every object needs comes first; the rest is folded away under headings.
        """
        body = group(
            "body",
            "The controls of the tool.",
            self.recovery_banner,
            group(
                "main", "What is segmented, and by which model.", self.image, self.model, self.prompt, self.hover.box
            ),
            button_row("tools", "What to draw as a prompt.", *self.tools()),
            self.candidates.row,
            self.clicked_pieces,
            button_row("commits", "Another mask, or this one for good.", self.next_candidate, self.commit),
            button_row("edits", "One history for everything.", self.undo, self.redo, self.clear),
            self.objects.section,
            self.stack.section,
            self.model_view.section,
            Section(
                "advanced",
                "Advanced",
                "Own weights, and where and how to compute.",
                self.checkpoint,
                self.device,
                self.precision,
                self.prefetch,
                self.autosave,
            ),
            Section("shortcuts", "Keys", "The keys and what they do.", self.keys, labels=False),
            labels=False,
        )
        busy = button_row("busy", "Whether the model is working.", self.progress, self.cancel)
        return [body, group("footer", "What goes on.", self.model_view.warning_box, self.status, busy, labels=False)]

    def prepare_native(self, native: QWidget, layout: list[Widget]) -> None:
        """Set what magicgui has no words for: what scrolls, text that wraps, long names cut short."""
        body = layout[0]
        box: Any = native.layout()
        box.removeWidget(body.native)
        box.insertWidget(0, SideFit(body.native), 1)
        body.native.layout().addStretch(1)
        RoomForLines(self.status.native, 3)
        self.status.native.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.prompt.native.setStyleSheet("QGroupBox { border: 0px; margin: 0px; padding: 0px; }")
        for combo in (widget for widget in walk(layout) if isinstance(widget, ComboBox)):
            ElideCurrent(combo.native)
        make_accessible(native, walk(layout))
        keyed = {action.method for action in KEYMAP}
        self._keyed = [(one, getattr(one, "text", ""), one.tooltip or "") for one in walk(layout) if one.name in keyed]

    def show_keys(self, key_of: Callable[[str], str]) -> None:
        """Name the keys wherever a control does what a key does."""
        self._key_of = key_of
        for control, text, tooltip in self._keyed:
            key = key_of(control.name)
            if text:
                cast(PushButton, control).text = f"{text} ({key.replace('Shift+', SHIFT)})" if key else text
            self._show_key_in_tooltip(control, tooltip)
        self.keys.show_keys(key_of)

    def _show_key_in_tooltip(self, control: Widget, tooltip: str) -> None:
        key = self._key_of(control.name)
        control.tooltip = f"{tooltip} Key {key}." if key else tooltip

    def show_status(self, text: str) -> None:
        """Tell the user what goes on."""
        self.status.value = text

    def show_steps(self, undo: str, redo: str) -> None:
        """Say which step each button takes back or does again."""
        steps = {"undo": f"Undo: {undo}." if undo else "Nothing to undo.", "redo": f"Redo: {redo}." if redo else ""}
        self._keyed = [(one, text, steps.get(one.name) or tooltip) for one, text, tooltip in self._keyed]
        for control, _, tooltip in self._keyed:
            if control.name in steps:
                self._show_key_in_tooltip(control, tooltip)

    def show_busy(self, busy: bool) -> None:
        """Show whether the model is working, and offer to cancel."""
        self.busy.show(busy)

    def model_controls(self) -> tuple[ComboBox | FileEdit, ...]:
        """Return the controls that say which model computes, and how."""
        return self.model, self.checkpoint, self.device, self.precision

    def tools(self) -> tuple[PushButton, ...]:
        """Return the buttons that choose what to draw."""
        shapes = self.use_boxes, self.use_polygon, self.use_lasso, self.use_ellipse, self.use_scribble
        return self.use_points, *shapes, self.use_label

    def buttons(self) -> Iterator[PushButton]:
        """Yield the buttons; each calls the widget's method of its own name."""
        yield from (*self.tools(), self.next_candidate, self.commit)
        yield from (self.undo, self.redo, self.clear, self.cancel)
        yield from self.model_view.buttons()


class FixedRadioButtons(RadioButtons):
    """Radio buttons that stay the same ones.

    napari resets the choices of docked widgets with every change of the layer list; new buttons would lose the focus
    and their place in the order of Tab.
    """

    def reset_choices(self, *_: Any) -> None:
        """Keep the choices, once they are there."""
        if not self.choices:
            super().reset_choices()


def _button(name: str, text: str, tooltip: str) -> PushButton:
    return PushButton(name=name, text=text, tooltip=tooltip)
