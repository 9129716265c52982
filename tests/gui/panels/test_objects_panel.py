from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_sam.gui.objects.plan import CommitSettings
from napari_sam.gui.panels.object_table import ObjectRow
from napari_sam.gui.panels.objects_panel import ObjectsPanel
from tests.gui.conftest import Bench

ROWS = [ObjectRow(1, "IoU 0.90", 12), ObjectRow(4, "nucleus", 7), ObjectRow(9, "", 30)]


@pytest.fixture
def panel(qtbot: Any) -> ObjectsPanel:
    made = ObjectsPanel()
    qtbot.addWidget(made.section.native)
    made.show_objects("3 objects", ROWS, lambda label: (1, 0, 0, 1))
    return made


def cells(panel: ObjectsPanel) -> list[list[str]]:
    model = panel.table.model()
    return [[model.data(model.index(row, column)) for column in range(3)] for row in range(model.rowCount())]


def test_the_table_shows_the_objects(panel: ObjectsPanel):
    assert cells(panel) == [["1", "IoU 0.90", "12"], ["4", "nucleus", "7"], ["9", "", "30"]]
    color = panel.table.model().data(panel.table.model().index(0, 0), Qt.ItemDataRole.DecorationRole)
    assert (color.red(), color.green()) == (255, 0)


def test_what_is_selected_is_what_the_buttons_mean(panel: ObjectsPanel):
    asked: list[tuple[str, object]] = []
    panel.edit_requested.connect(lambda one: asked.append(("edit", one)))
    panel.delete_requested.connect(lambda one: asked.append(("delete", one)))
    panel.merge_requested.connect(lambda ids: asked.append(("merge", ids)))
    panel.table.clearSelection()
    panel.edit_object.native.click()
    panel.table.selectRow(1)
    panel.edit_object.native.click()
    panel.delete_object.native.click()
    panel.merge_objects.native.click()
    panel.table.selectAll()
    panel.merge_objects.native.click()
    assert asked[:4] == [("edit", None), ("edit", 4), ("delete", 4), ("merge", None)]
    assert asked[4][0] == "merge"
    assert sorted(asked[4][1]) == [1, 4, 9]


def test_a_pick_is_told_and_a_selection_from_outside_is_not(panel: ObjectsPanel):
    chosen: list[int] = []
    panel.chosen.connect(chosen.append)
    panel.table.select(9)
    assert panel.table.ids == (9,)
    assert chosen == []
    panel.table.selectRow(0)
    assert chosen == [1]


def test_the_selection_survives_a_new_count(panel: ObjectsPanel):
    panel.table.select(4)
    panel.show_objects("2 objects", ROWS[1:], lambda label: None)
    assert panel.table.ids == (4,)
    panel.show_objects("none", [], lambda label: None)
    assert panel.table.ids == ()


def test_the_settings_are_those_of_the_controls(panel: ObjectsPanel):
    assert panel.settings() == CommitSettings()
    panel.mode.value = "semantic"
    panel.class_id.value = 3
    panel.class_name.value = " nucleus "
    panel.overlap.value = "replace"
    assert panel.settings() == CommitSettings("replace", "semantic", 3, "nucleus", 0)


def test_only_what_concerns_the_mode_is_shown(panel: ObjectsPanel, qtbot: Any):
    panel.section.native.show()
    assert panel.object_id.visible
    assert not panel.class_id.visible
    panel.mode.value = "semantic"
    assert not panel.object_id.visible
    assert panel.class_id.visible
    assert panel.class_name.visible


def test_names_of_classes_follow_the_number(panel: ObjectsPanel):
    panel.show_classes({1: "nucleus", 2: "debris"})
    assert panel.class_name.value == "nucleus"
    panel.class_id.value = 2
    assert panel.class_name.value == "debris"
    panel.class_id.value = 7
    assert panel.class_name.value == ""


def test_choosing_a_layer_is_a_request_and_showing_them_is_none(panel: ObjectsPanel):
    asked: list[str] = []
    panel.layer_requested.connect(asked.append)
    panel.show_layers([("objects", "id-1"), ("cells", "id-2")], "id-1")
    assert asked == []
    panel.objects_layer.value = "id-2"
    panel.objects_layer.value = ""
    assert asked == ["id-2", ""]


def test_the_panel_follows_the_viewer(bench: Bench, qtbot: Any):
    panel = bench.widget._controls.objects
    bench.click(20, 20)
    bench.widget.commit()
    bench.click(45, 60)
    bench.widget.commit()
    qtbot.waitUntil(lambda: len(cells(panel)) == 2, timeout=5000)
    assert [row[:2] for row in cells(panel)] == [["1", "IoU 0.90"], ["2", "IoU 0.90"]]
    assert bench.widget["summary"].value == "2 objects, last 2"
    assert panel.table.ids == (2,)
    panel.table.selectRow(0)
    assert bench.layer("objects").selected_label == 1
    np.testing.assert_allclose(bench.viewer.scene.camera.center[-2:], (20, 20))
    panel.edit_object.native.click()
    assert bench.widget["summary"].value == "Editing object 1"
    bench.widget.clear()
    panel.table.selectAll()
    panel.merge_objects.native.click()
    qtbot.waitUntil(lambda: len(cells(panel)) == 1, timeout=5000)
    bench.layer("objects").undo()
    qtbot.waitUntil(lambda: len(cells(panel)) == 2, timeout=5000)


def test_labels_layers_are_offered_for_the_objects(bench: Bench, qtbot: Any):
    cells_layer = bench.viewer.add_labels(np.zeros((64, 80), np.uint16), name="cells")
    bench.viewer.add_labels(np.zeros((3, 3), np.uint16), name="other")
    combo = bench.widget["objects_layer"]
    qtbot.waitUntil(lambda: len(combo.choices) == 3, timeout=5000)
    combo.value = str(cells_layer.unique_id)
    assert bench.layer("objects") is cells_layer
    combo.value = ""
    assert bench.layer("objects") is not cells_layer
    assert combo.value == str(bench.layer("objects").unique_id)
