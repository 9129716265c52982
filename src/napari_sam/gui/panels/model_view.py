"""The image as the model sees it: a small picture with its numbers, and a line that warns when something spoils it."""

from __future__ import annotations

from typing import Any

import numpy as np
from magicgui.widgets import ComboBox, Container, Label, PushButton, Widget
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QObject, QSize, Qt
from qtpy.QtGui import QImage, QPixmap, QResizeEvent
from qtpy.QtWidgets import QLabel, QSizePolicy

from napari_sam.gui.compute.pictures import ModelPicture
from napari_sam.gui.panels.section import Section, group
from napari_sam.gui.view.channels import CHANNELS, THIS_LAYER

WARNING_SIGN = "\N{WARNING SIGN}"
# Black on amber is readable on napari's dark and light themes, and for colour-blind eyes.
WARNING_STYLE = "QLabel { background: #E69F00; color: black; padding: 4px; border-radius: 3px; }"
NOT_YET = "Nothing has been shown to the model here yet."


class ModelView:
    """Shows what the model is shown; knows neither layers nor the viewer.

    Attributes
    ----------
    section : Section
        The picture under a heading that folds it away.
    warning_box : Container
        A line of text and the button that helps; hidden while all is well.
    """

    def __init__(self) -> None:
        self.channels = ComboBox(
            name="channels",
            choices=list(CHANNELS),
            value=THIS_LAYER,
            tooltip="This layer in grey, or all visible image layers in its place together, as napari draws them: "
            "what you see is what the model sees.",
        )
        self.thumbnail = Label(name="model_picture", value="", tooltip="What the model is shown.")
        self.facts = Label(name="model_facts", value=NOT_YET, tooltip="How the image became what the model is shown.")
        self.open_layer = PushButton(
            name="open_model_view",
            text="Open as layer",
            tooltip="Add exactly what the model is shown, resized for it, as an image layer in the right place.",
        )
        self.section = Section(
            "model_view",
            "What the model sees",
            "The image after contrast limits and channel choice, as it is handed to the model.",
            group("channel_choice", "Which layers the model is shown.", self.channels),
            self.thumbnail,
            self.facts,
            self.open_layer,
            labels=False,
        )
        self.warning = Label(name="warning", value="", tooltip="What spoils the image as the model sees it.")
        self.set_contrast = PushButton(
            name="set_contrast",
            text="Set contrast from percentiles",
            tooltip="Set the layer's contrast limits so that all but a thousandth of the pixels at either end show.",
        )
        self.warning_box = group(
            "warning_box", "What spoils the image as the model sees it.", self.warning, self.set_contrast, labels=False
        )
        self._prepare_native()
        self.clear()

    def show(self, picture: ModelPicture) -> None:
        """Show one picture with its numbers and warnings."""
        self._picture.show_array(picture.thumbnail)
        self.facts.value = "\n".join(_facts(picture))
        self.open_layer.enabled = True
        texts = _warnings(picture)
        self.warning.value = f"{WARNING_SIGN} " + " ".join(texts) if texts else ""
        self.set_contrast.visible = any(report.remedy is not None for _, _, report in picture.reports)
        self.warning_box.visible = bool(texts)

    def clear(self, text: str = NOT_YET) -> None:
        """Say that there is no picture, and warn of nothing."""
        self._picture.show_array(None)
        self.facts.value = text
        self.open_layer.enabled = False
        self.warning.value = ""
        self.warning_box.visible = False

    def buttons(self) -> tuple[PushButton, ...]:
        """Return the buttons; each calls the widget's method of its own name."""
        return self.open_layer, self.set_contrast

    def widgets(self) -> tuple[Container[Widget], ...]:
        """Return what is laid out: the section, and the line of warning."""
        return self.section, self.warning_box

    def _prepare_native(self) -> None:
        self._picture = _Picture(self.thumbnail.native)
        for label in (self.facts, self.warning):
            label.native.setWordWrap(True)
            label.native.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
            label.native.setTextInteractionFlags(
                Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
            )
        self.warning.native.setStyleSheet(WARNING_STYLE)
        self.warning.native.setAccessibleName("Warning")


class _Picture(QObject):
    """Fits a picture into a label as wide as there is room, sharp on any screen."""

    def __init__(self, label: QLabel) -> None:
        super().__init__(label)
        self._label = label
        self._image: QImage | None = None
        label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        label.setAccessibleName("The image as the model sees it")
        label.installEventFilter(self)

    def show_array(self, rgb: NDArray[np.uint8] | None) -> None:
        """Show an image, (h, w, 3), or nothing."""
        if rgb is None:
            self._image = None
            self._label.clear()
            self._label.setFixedHeight(0)
            return
        height, width = rgb.shape[:2]
        data = np.ascontiguousarray(rgb).tobytes()
        # The copy owns its pixels; the bytes are gone after this line.
        self._image = QImage(data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()
        self._fit()

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        """Follow the width of the label; never keeps an event from its receiver."""
        if isinstance(event, QResizeEvent) and event.oldSize().width() != event.size().width():
            self._fit()
        return False

    def _fit(self) -> None:
        if self._image is None:
            return
        room = QSize(max(self._label.width(), 1), 3 * int(self._label.fontMetrics().height()) * 4)
        ratio = self._label.devicePixelRatioF()
        size = self._image.size().scaled(room, Qt.AspectRatioMode.KeepAspectRatio)
        pixels: Any = QPixmap.fromImage(self._image).scaled(
            size * ratio, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        pixels.setDevicePixelRatio(ratio)
        self._label.setPixmap(pixels)
        self._label.setFixedHeight(max(size.height(), 1))


def _facts(picture: ModelPicture) -> list[str]:
    lines = []
    for _, name, report in picture.reports:
        prefix = f"{name}: " if len(picture.reports) > 1 else ""
        values, limits = _range(report.values), _range(report.limits)
        if report.limits is None:
            lines.append(f"{prefix}values {values}, 8 bit, unchanged")
        elif values == limits:
            lines.append(f"{prefix}values {values}, shown as 0 to 255")
        else:
            lines.append(f"{prefix}values {values}, of which {limits} shown as 0 to 255")
    height, width = picture.read_hw
    window = picture.window
    if window.step > 1 or window.top or window.left:
        lines.append(
            f"rows {window.top} to {window.bottom - 1}, columns {window.left} to {window.right - 1}"
            + (f", every {window.step} pixels averaged" if window.step > 1 else "")
        )
    lines.append(f"{height} x {width} pixels, resized to {picture.model_hw[0]} x {picture.model_hw[1]}")
    lines.append(picture.channels)
    lines.extend(picture.notes)
    return lines


def _warnings(picture: ModelPicture) -> list[str]:
    several = len(picture.reports) > 1
    return [
        f"{name}: {finding.text}" if several else finding.text
        for _, name, report in picture.reports
        for finding in report.findings
    ]


def _range(pair: tuple[float, float] | None) -> str:
    return "" if pair is None else f"{_number(pair[0])} to {_number(pair[1])}"


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
