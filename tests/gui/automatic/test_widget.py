"""What a user does with the Automatic widget: run, move thresholds, pick, delete, undo, hand over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam.automatic.job import AutomaticJob, suited_thresholds
from napari_sam.gui.layers import role_of
from tests.gui.automatic.conftest import Bench
from tests.gui.automatic.fakes import FakeFactory, FakeSegmenter

pytestmark = pytest.mark.gui


def test_a_run_makes_a_labels_layer_with_a_table(bench: Bench):
    bench.run(pred_iou_thresh=0.8)
    assert role_of(bench.layer) == "automatic"
    assert bench.labels.shape == (64, 80)
    assert bench.labels.dtype in (np.uint16, np.uint32)
    assert bench.ids == list(range(1, 14)), "of 16 disks those with a score above 0.8"
    features = bench.layer.features
    assert {"index", "area", "predicted_iou", "stability_score", "row", "column", "plane"} <= set(features.columns)
    for _, line in features.iterrows():
        assert bench.labels[int(line["row"]), int(line["column"])] == line["index"]
        assert (bench.labels == line["index"]).sum() == line["area"]
    assert "Kept 13 of 16" in bench.widget["summary"].value


def test_moving_a_threshold_filters_without_the_model(bench: Bench, fake: FakeSegmenter):
    bench.run(pred_iou_thresh=0.8)
    asked = len(fake.seen)
    bench.set(pred_iou_thresh=0.95)
    assert len(bench.ids) == 4
    assert np.unique(bench.labels).tolist() == [0, 1, 2, 3, 4]
    assert "Kept 4 of 16" in bench.widget["summary"].value
    bench.set(pred_iou_thresh=0.7)
    assert len(bench.ids) == 16
    bench.set(max_area=10)
    assert bench.ids == []
    assert not bench.labels.any()
    assert len(fake.seen) == asked
    assert bench.widget["note"].value == ""


def test_what_needs_the_model_is_said_to(bench: Bench, fake: FakeSegmenter):
    bench.run(pred_iou_thresh=0.8)
    bench.set(points_per_side=3)
    assert "points per side" in bench.widget["note"].value
    assert len(bench.ids) == 13
    bench.set(points_per_side=4)
    assert bench.widget["note"].value == ""
    bench.set(pred_iou_thresh=0.6)
    assert "pred iou thresh" in bench.widget["note"].value
    bench.set(pred_iou_thresh=0.8, stability_score_offset=2.0)
    assert "stability score offset" in bench.widget["note"].value
    bench.run()
    assert bench.widget["note"].value == ""
    assert fake.seen[-1][2].automatic.stability_score_offset == 2.0


def test_thresholds_moved_during_a_run_count(bench: Bench, fake: FakeSegmenter):
    fake.gate.clear()
    bench.widget["pred_iou_thresh"].value = 0.8
    bench.widget.run()
    bench.widget["pred_iou_thresh"].value = 0.95
    fake.gate.set()
    assert bench.widget.wait(20)
    assert len(bench.ids) == 4


def test_every_parameter_has_a_control_with_a_tooltip(bench: Bench):
    for section in AutomaticJob().values().values():
        for name, value in section.items():
            control = bench.widget[name]
            assert control.name == name
            assert control.tooltip
            assert bench.widget.job.with_values({name: value}) is not None
    for name in ("image", "preset", "scope", "run", "cancel", "export_run", "color_by", "table_filter"):
        assert bench.widget[name].tooltip, name


def test_one_undo_for_everything(bench: Bench):
    bench.run(pred_iou_thresh=0.8)
    thirteen = bench.labels.copy()
    bench.set(pred_iou_thresh=0.95)
    four = bench.labels.copy()
    bench.widget.delete_objects([2])
    assert bench.ids == [1, 3, 4]
    bench.widget.undo()
    np.testing.assert_array_equal(bench.labels, four)
    bench.widget.undo()
    np.testing.assert_array_equal(bench.labels, thirteen)
    assert bench.widget["pred_iou_thresh"].value == pytest.approx(0.8)
    assert len(bench.layer.features) == 13
    bench.widget.undo()
    assert not bench.labels.any()
    bench.widget.undo()
    assert "Nothing to undo" in bench.status
    for _ in range(3):
        bench.widget.redo()
    assert bench.ids == [1, 3, 4]
    assert bench.widget["pred_iou_thresh"].value == pytest.approx(0.95)
    assert sorted(np.unique(bench.labels)) == [0, 1, 3, 4]


def test_a_slider_dragged_is_one_step(bench: Bench):
    bench.run(pred_iou_thresh=0.8)
    for value in (0.85, 0.9, 0.95):
        bench.set(pred_iou_thresh=value)
    bench.widget.undo()
    assert len(bench.ids) == 13


def test_deleted_objects_stay_deleted_when_thresholds_move(bench: Bench):
    bench.run(pred_iou_thresh=0.8)
    point = bench.widget.features.iloc[-1][["row", "column"]].astype(int).tolist()
    bench.widget.delete_objects([13])
    bench.set(pred_iou_thresh=0.9)
    assert bench.labels[tuple(point)] == 0
    assert len(bench.ids) == 6
    bench.run()
    assert bench.labels[tuple(point)] > 0, "a new run finds everything"


def test_keep_selected_deletes_the_rest(bench: Bench):
    bench.run(pred_iou_thresh=0.8)
    bench.widget.keep_selected()
    assert "Select" in bench.status
    bench.widget.select_objects([4, 7])
    bench.widget.keep_selected()
    assert bench.ids == [4, 7]
    assert np.unique(bench.labels).tolist() == [0, 4, 7]


def test_strokes_by_hand_survive_our_undo(bench: Bench):
    bench.run(pred_iou_thresh=0.8)
    bench.layer.paint((2, 2), 99)
    assert bench.labels[2, 2] == 99
    bench.set(pred_iou_thresh=0.95)
    bench.widget.undo()
    assert bench.labels[2, 2] == 99
    before = bench.labels.copy()
    bench.layer.undo()
    bench.layer.undo()
    assert set(np.unique(bench.labels)) <= set(np.unique(before)) | {1, 2, 3, 4}


def test_table_and_viewer_select_each_other(bench: Bench):
    bench.run(pred_iou_thresh=0.8)
    table = bench.widget._controls.results.table
    bench.layer.selected_label = 5
    assert table.ids == (5,)
    table.chosen.emit(7)
    assert bench.layer.selected_label == 7
    assert table.ids == (7,)


def test_the_table_is_filtered_by_conditions(bench: Bench):
    bench.run(pred_iou_thresh=0.8)
    table = bench.widget._controls.results.table
    bench.set(table_filter="iou > 0.9, row < 60")
    features = bench.widget.features
    wanted = features[(features["predicted_iou"] > 0.9) & (features["row"] < 60)]["index"].tolist()
    assert list(table.shown_ids) == wanted
    assert 0 < len(wanted) < 13
    bench.set(table_filter="colour > 3")
    assert "no column" in bench.widget["filter_message"].value
    assert len(table.shown_ids) == 13
    bench.set(table_filter="")
    assert bench.widget["filter_message"].value == ""


def test_labels_coloured_by_score(bench: Bench):
    bench.run(pred_iou_thresh=0.8)
    own = [tuple(bench.layer.get_color(number)) for number in (1, 2)]
    bench.set(color_by="predicted IoU")
    lowest, highest = bench.layer.get_color(1), bench.layer.get_color(13)
    assert lowest[2] > lowest[0], "dark blue"
    assert highest[0] > 0.9, "yellow"
    assert bench.layer.get_color(0) is None or bench.layer.get_color(0)[3] == 0
    bench.set(pred_iou_thresh=0.95)
    assert bench.layer.get_color(4)[0] > 0.9, "the best of those that are left"
    bench.set(color_by="object")
    assert [tuple(bench.layer.get_color(number)) for number in (1, 2)] == own


def test_presets_set_parameters_and_become_custom(bench: Bench):
    from napari_sam.automatic.presets import PRESETS, apply_preset

    for name in PRESETS:
        bench.set(preset=name)
        wanted = apply_preset(AutomaticJob(), name)
        assert bench.widget.job.automatic == wanted.automatic
        assert bench.widget["preset"].value == name
    bench.set(points_per_side=bench.widget["points_per_side"].value + 1)
    assert bench.widget["preset"].value == "custom"


def test_contrast_limits_are_part_of_the_job(open_bench: Callable[..., Bench], stack: Any, fake: FakeSegmenter):
    bench = open_bench(stack, contrast_limits=(100, 2000.5))
    assert bench.widget.job.model.shown_limits() == ((100.0, 2000.5),)
    bench.viewer.layers[0].contrast_limits = (0, 4000)
    assert bench.widget.wait(10)
    bench.run()
    assert fake.seen[-1][2].model.limits == "0,4000"
    bench.set(limits="")
    assert bench.widget.job.model.limits is None
    assert "limits" in bench.widget["note"].value


def test_a_job_goes_out_and_comes_back(bench: Bench, tmp_path: Path):
    bench.set(points_per_side=7, crop_overlap_ratio=0.25, drop_border=True, checkpoint=None, limits="3,99")
    job = bench.widget.job
    path = bench.widget.export_job(tmp_path / "job.toml")
    bench.widget.use_job(AutomaticJob())
    assert bench.widget["points_per_side"].value == 32
    assert bench.widget.job == AutomaticJob()
    bench.widget.load_job(path)
    assert bench.widget.job == job
    assert "--job job.toml" in bench.widget["job_hint"].value


def test_exact_values_survive_the_form(bench: Bench):
    assert bench.widget.job.automatic.crop_overlap_ratio == 512 / 1500
    odd = AutomaticJob().with_values({"pred_iou_thresh": 1.2345678, "min_area": 3, "device": "cuda:1"})
    bench.widget.use_job(odd)
    assert bench.widget.job == odd


def test_thresholds_follow_the_model_until_they_are_set(bench: Bench):
    assert bench.widget.job.automatic.pred_iou_thresh == suited_thresholds("sam_lite")["pred_iou_thresh"]
    bench.set(model="vit_b")
    assert bench.widget["pred_iou_thresh"].value == pytest.approx(0.88)
    assert bench.widget["points_per_side"].value == 4
    bench.set(stability_score_thresh=0.7)
    bench.set(model="sam_lite")
    assert bench.widget["pred_iou_thresh"].value == pytest.approx(suited_thresholds("sam_lite")["pred_iou_thresh"])
    assert bench.widget["stability_score_thresh"].value == pytest.approx(0.7)


def test_two_models_are_loaded_once_each(bench: Bench, factory: FakeFactory):
    bench.run()
    bench.run(points_per_side=3)
    bench.set(limits="1,2")
    bench.run()
    assert len(factory.asked) == 1
    bench.set(device="cpu")
    bench.run()
    assert [model.device for model in factory.asked] == ["auto", "cpu"]


def test_the_result_goes_on_in_the_segment_widget(bench: Bench):
    from napari_sam.gui.segment_widget import SegmentWidget
    from tests.gui.fakes import FakePredictor, FakeZoo

    segment = SegmentWidget(bench.viewer, FakeZoo(FakePredictor()))
    bench.viewer.window.add_dock_widget(segment, name="Segment")
    assert segment.wait(20)
    bench.run(pred_iou_thresh=0.8)
    layer, labels = bench.layer, bench.labels.copy()
    bench.widget.send_to_segment()
    assert segment.wait(20)
    assert segment.session.tools.layers.objects is layer
    assert role_of(layer) == "objects"
    assert bench.widget.result_layer is None
    assert labels.max() == 13
    segment.delete_object(3)
    assert segment.wait(20)
    assert not (layer.data == 3).any()
    bench.run()
    assert bench.layer is not layer
    assert (layer.data == 2).any()


def test_handing_over_nothing_says_so(bench: Bench):
    bench.widget.send_to_segment()
    assert "nothing to hand over" in bench.status
