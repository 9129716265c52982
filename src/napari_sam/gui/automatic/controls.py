"""The controls of the Automatic widget: what there is, what it is called, and how it is laid out. No behaviour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from magicgui.widgets import ComboBox, Label, ProgressBar, PushButton, Widget
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_sam.gui.automatic.parameters import HEADINGS, job_parameters, make_form
from napari_sam.gui.automatic.preset_choice import preset_choices, preset_tooltip
from napari_sam.gui.automatic.result_panel import ResultPanel
from napari_sam.gui.panels.busy import Busy
from napari_sam.gui.panels.section import Section, button_row, group
from napari_sam.gui.panels.tree import walk
from napari_sam.gui.qt.access import make_accessible
from napari_sam.gui.qt.combo import ElideCurrent
from napari_sam.gui.qt.scroll import RoomForLines, SideFit

THIS_PLANE, THIS_STACK, SELECTED_LAYERS = "this plane", "this stack", "selected layers"
Choices = Callable[[Any], list[tuple[str, Any]]]
SCOPES = (THIS_PLANE, THIS_STACK, SELECTED_LAYERS)


class Controls:
    """Every control of the widget, by name; those of the parameters are in ``form``.

    Parameters
    ----------
    image_choices : callable
        Returns (text, layer) of the image layers, called whenever the choices are reset.
    source_choices : callable
        Returns (text, layer) of what can be asked about.
    """

    def __init__(self, image_choices: Choices, source_choices: Choices) -> None:
        self.image = ComboBox(name="image", choices=image_choices, nullable=True, tooltip="The image layer to segment.")
        self.preset = ComboBox(name="preset", choices=preset_choices(), tooltip=preset_tooltip())
        self.scope = ComboBox(
            name="scope",
            choices=list(SCOPES),
            value=THIS_PLANE,
            tooltip="this plane: what the viewer shows; thresholds can be tried out afterwards. this stack: all "
            "planes of the image. selected layers: all planes of each image selected in the layer list.",
        )
        self.source = ComboBox(
            name="source",
            label="ask about",
            choices=source_choices,
            tooltip="point grid: finds what is there. A layer: its labels, points or boxes say where objects are, and "
            "each is asked about; refines what StarDist, Cellpose, a threshold or a detector has found.",
        )
        self.form = make_form()
        self.run = _button("run", "Run", "Segment everything.")
        self.note = Label(name="note", value="", tooltip="What has changed since the run.")
        self.note.visible = False
        self.results = ResultPanel()
        self.job_hint = Label(name="job_hint", value="", tooltip="The same from the command line.")
        self.export_run = _button(
            "export_run", "Export this run ...", "Write a job file: the command line gives the same labels with it."
        )
        self.open_job = _button("open_job", "Load job ...", "Take the parameters from a job file.")
        self.cancel = _button("cancel", "Cancel", "Stop; what was found so far stays.")
        self.progress = ProgressBar(name="progress", visible=False, tooltip="How far the run is.")
        self.busy = Busy(self.progress, self.cancel)
        self.status = Label(name="status", value="", tooltip="What the tool does, and what it found.")

    def layout(self) -> list[Widget]:
        """Return what the widget shows: what scrolls, and below it what is always in sight."""
        body = group(
            "body",
            "The controls of the tool.",
            group(
                "main",
                "What is segmented, and how.",
                self.image,
                self.form["model"],
                self.preset,
                self.scope,
                self.source,
                *self._plain(),
            ),
            button_row("start", "Segment everything.", self.run),
            self.note,
            self.results.section,
            self._advanced(),
            Section(
                "job",
                "Job file",
                "The parameters as a file, for the command line, scripts and clusters.",
                self.job_hint,
                button_row("job_tools", "Write and read the file.", self.export_run, self.open_job),
                labels=False,
            ),
            labels=False,
        )
        busy = button_row("busy", "Whether the model is working.", self.progress, self.cancel)
        return [body, group("footer", "What goes on.", self.status, busy, labels=False)]

    def prepare_native(self, native: QWidget, layout: list[Widget]) -> None:
        """Set what magicgui has no words for: what scrolls, text that wraps, long names cut short."""
        body = layout[0]
        box: Any = native.layout()
        box.removeWidget(body.native)
        box.insertWidget(0, SideFit(body.native), 1)
        body.native.layout().addStretch(1)
        RoomForLines(self.status.native, 3)
        for label in (self.status, self.job_hint, self.results.summary):
            label.native.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
        for label in (self.note, self.job_hint):
            label.native.setWordWrap(True)
            label.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        for combo in (widget for widget in walk(layout) if isinstance(widget, ComboBox)):
            ElideCurrent(combo.native)
        make_accessible(native, walk(layout))

    def show_status(self, text: str) -> None:
        """Tell the user what goes on."""
        self.status.value = text

    def show_note(self, text: str) -> None:
        """Say what has changed since the run; nothing, where nothing has."""
        self.note.value = text
        self.note.visible = bool(text)

    def show_running(self, running: bool) -> None:
        """Offer to cancel instead of to run, and leave the image alone meanwhile."""
        self.busy.show(running)
        for control in (self.run, self.image, self.scope, self.source):
            control.enabled = not running

    def buttons(self) -> Iterator[PushButton]:
        """Yield the buttons; each calls the widget's method of its own name."""
        yield from (self.run, self.cancel, self.export_run, self.open_job)
        yield from self.results.buttons()

    def _plain(self) -> list[Widget]:
        return [self.form[one.name] for _, one in job_parameters() if not one.advanced and one.name != "model"]

    def _advanced(self) -> Section:
        groups = []
        for section, heading in HEADINGS.items():
            inside = [self.form[one.name] for home, one in job_parameters() if home == section and one.advanced]
            title = Label(name=f"{section}_heading", value=heading, tooltip=f"{heading}: parameters of this step.")
            title.native.setStyleSheet("font-weight: bold")
            groups += [title, group(f"{section}_parameters", heading, *inside)]
        return Section("advanced", "Advanced", "All other parameters.", *groups, labels=False)


def _button(name: str, text: str, tooltip: str) -> PushButton:
    return PushButton(name=name, text=text, tooltip=tooltip)
