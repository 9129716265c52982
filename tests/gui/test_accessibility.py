"""Sizes, colours, names and the keyboard: for small screens, large text, and people who use no mouse."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from magicgui.widgets import Container, Label
from napari.settings import get_settings
from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QPoint, QRect, Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QApplication, QComboBox, QScrollArea, QWidget
from skimage.color import deltaE_ciede2000, rgb2lab

from napari_sam.gui.keymap import KEYMAP
from napari_sam.gui.layers import BOX_COLOR, NEGATIVE_COLOR, POSITIVE_COLOR, PROPOSAL_COLORS, SYMBOLS
from napari_sam.gui.panels.section import Section
from napari_sam.gui.panels.tree import walk
from napari_sam.gui.qt.access import FOCUS_COLOR, focus_chain
from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui

# Machado, Oliveira, Fernandes: A Physiologically-based Model for Simulation of Color Vision Deficiency, IEEE Trans.
# Visualization and Computer Graphics 15 (2009) 1291-1298, severity 1.0; for linear RGB.
DEFICIENCIES = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(color: str) -> np.ndarray[Any, Any]:
    encoded = np.array(QColor(color).getRgbF()[:3])
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def seen(color: str, matrix: Any) -> np.ndarray[Any, Any]:
    light = np.clip(np.asarray(matrix) @ linear(color), 0, 1)
    encoded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(rgb2lab(encoded))


def contrast(first: str, second: str) -> float:
    bright, dark = sorted((float(linear(one) @ [0.2126, 0.7152, 0.0722]) for one in (first, second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("kind", DEFICIENCIES)
@pytest.mark.parametrize("colors", [(POSITIVE_COLOR, NEGATIVE_COLOR), (BOX_COLOR, NEGATIVE_COLOR), PROPOSAL_COLORS[1:]])
def test_default_colours_stay_distinct_for_the_colour_blind(colors: tuple[str, ...], kind: str):
    matrix = DEFICIENCIES[kind]
    closest = min(float(deltaE_ciede2000(seen(a, matrix), seen(b, matrix))) for a, b in combinations(colors, 2))
    # 2.3 is just noticeable side by side.
    assert closest > 9


def test_the_check_would_notice_red_and_green():
    pair = [seen(color, DEFICIENCIES["deuteranopia"]) for color in ("#d02000", "#6a7500")]
    assert float(deltaE_ciede2000(*pair)) < 9


def test_points_differ_in_shape_too(bench: Bench):
    bench.click(30, 40)
    bench.click(20, 20, negative=True)
    assert len(set(SYMBOLS.values())) == 2
    assert [str(symbol) for symbol in bench.layer("points").symbol] == list(SYMBOLS.values())


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_focus_frame_stands_out(theme: str):
    assert contrast(FOCUS_COLOR, get_theme(theme).background.as_hex()) >= 3


@pytest.fixture
def shown(open_bench: Callable[..., Bench], make_napari_viewer: Any, image: Any) -> Iterator[Bench]:
    bench = open_bench(image, viewer=make_napari_viewer(show=True), name="a long name " * 8)
    settings = get_settings().appearance
    before = settings.font_size
    yield bench
    settings.font_size = before


def unfold_all(bench: Bench) -> None:
    for section in (widget for widget in walk(bench.widget) if isinstance(widget, Section)):
        section.heading.value = True
    bench.widget.wait(5)


def settle() -> None:
    for _ in range(5):
        QApplication.processEvents()
        QApplication.sendPostedEvents(None, QEvent.Type.LayoutRequest)


@pytest.mark.parametrize("size", [8, 14, 20])
def test_nothing_is_cut_off_at_any_font_size(shown: Bench, size: int):
    get_settings().appearance.font_size = size
    unfold_all(shown)
    native = shown.widget.native
    dock = native.parent()
    dock.setFloating(True)
    dock.resize(100, 500)
    settle()
    (scroll,) = [area for area in native.findChildren(QScrollArea) if area.widget() is shown.widget["body"].native]
    viewport, content = scroll.viewport(), scroll.widget()
    assert content.width() <= viewport.width()
    assert scroll.height() >= viewport.height() > 0
    for child in content.findChildren(QWidget):
        if not child.isVisibleTo(content) or child.parent() is None or is_inside_a_view(child, content):
            continue
        place = QRect(child.mapTo(content, QPoint(0, 0)), child.size())
        assert content.rect().contains(place), (child, child.objectName(), place, content.rect())
    for widget in walk([shown.widget["body"]]):
        native_one = widget.native
        if native_one.isVisibleTo(content) and not isinstance(widget, Container):
            assert native_one.width() >= native_one.minimumSizeHint().width() - 1, widget.name
    dock.setFloating(False)


def is_inside_a_view(child: QWidget, content: QWidget) -> bool:
    """Tables, lists and scroll areas show a part of what they hold."""
    parent = child.parentWidget()
    while parent is not None and parent is not content:
        if parent.metaObject().inherits(QScrollArea.staticMetaObject.superClass()):
            return True
        parent = parent.parentWidget()
    return False


def test_text_grows_with_naparis_font_size(shown: Bench):
    heights = []
    for size in (8, 16):
        get_settings().appearance.font_size = size
        settle()
        status, button = shown.widget["status"].native, shown.widget["commit"].native
        heights.append((status.minimumHeight(), button.sizeHint().height(), status.fontMetrics().height()))
    assert all(small < large for small, large in zip(*heights, strict=True))


def test_status_and_cancel_stay_in_sight_in_a_low_window(qtbot: Any, shown: Bench):
    shown.viewer.window.resize(1000, 600)
    unfold_all(shown)
    settle()
    native = shown.widget.native
    for name in ("status", "cancel"):
        one = shown.widget[name].native
        assert native.rect().contains(QRect(one.mapTo(native, QPoint(0, 0)), one.size())), name
    (scroll,) = [area for area in native.findChildren(QScrollArea) if area.widget() is shown.widget["body"].native]
    *_, before, last = focus_chain(shown.widget["body"].native)
    before.setFocus(Qt.FocusReason.TabFocusReason)
    qtbot.keyClick(before, Qt.Key.Key_Tab)
    settle()
    assert native.window().focusWidget() is last
    middle = last.mapTo(scroll.viewport(), last.rect().center())
    assert scroll.viewport().rect().contains(middle), "what takes the focus is scrolled to"


def test_long_names_are_shortened_in_the_middle(shown: Bench):
    from napari_sam.gui.qt.combo import ElideCurrent

    combo = shown.widget["image"].native
    settle()
    (elide,) = combo.findChildren(ElideCurrent)
    text = elide.shown_text()
    assert "…" in text
    assert text.startswith("a long")
    assert combo.fontMetrics().horizontalAdvance(text) < combo.width()
    assert combo.currentText() == shown.viewer.layers[0].name


def test_tab_goes_through_the_controls_from_top_to_bottom(shown: Bench):
    unfold_all(shown)
    settle()
    native = shown.widget.native
    chain = [one for one in focus_chain(native) if one.isVisibleTo(native) and one.isEnabled()]
    assert len(chain) > 20
    heights = [one.mapTo(native, QPoint(0, 0)).y() for one in chain]
    assert [
        (a.objectName(), b.objectName(), a, b)
        for (a, y), (b, z) in pairwise(zip(chain, heights, strict=True))
        if z < y - 12
    ] == []
    visited, one = [], chain[0]
    while one is not chain[0] or not visited:
        if one in chain:
            visited.append(one)
        one = one.nextInFocusChain()
    assert visited == chain


def test_sections_unfold_by_the_space_bar(qtbot: Any, shown: Bench):
    heading = shown.widget["advanced"]
    assert not shown.widget["device"].native.isVisible()
    qtbot.keyClick(heading.native, Qt.Key.Key_Space)
    settle()
    assert shown.widget["device"].native.isVisible()


def test_combo_and_spin_boxes_follow_the_keyboard(qtbot: Any, bench: Bench):
    bench.widget["overlap"].native.setFocus()
    qtbot.keyClick(bench.widget["overlap"].native, Qt.Key.Key_Down)
    assert bench.widget["overlap"].value == bench.widget["overlap"].choices[1]


def test_every_command_has_a_key_or_says_so_in_the_table():
    assert [action.method for action in KEYMAP if not action.key] == []


def test_screen_readers_get_a_name_and_a_description_of_every_control(bench: Bench):
    for widget in walk(bench.widget):
        if isinstance(widget, Container):
            continue
        assert widget.native.accessibleName() or widget.native.text() or isinstance(widget, Label), widget.name
        assert widget.native.accessibleDescription() == widget.tooltip, widget.name
    for combo in bench.widget.native.findChildren(QComboBox):
        assert combo.accessibleName()
