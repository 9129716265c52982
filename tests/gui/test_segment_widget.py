"""The widget in a real viewer, on a predictor that answers at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from napari.layers import Labels, Points, Shapes

from napari_sam.gui.keymap import KEYMAP
from tests.gui.conftest import Bench
from tests.gui.fakes import RADII, FakePredictor, FakeZoo

pytestmark = pytest.mark.gui
AREA = [int((np.add.outer(np.arange(-20, 21) ** 2, np.arange(-20, 21) ** 2) <= radius**2).sum()) for radius in RADII]


def test_opening_makes_the_layers_and_is_ready_for_a_click(bench: Bench):
    assert bench.roles() == ["boxes", "objects", "points", "proposal"]
    kinds = {"points": Points, "boxes": Shapes, "proposal": Labels, "objects": Labels}
    assert all(isinstance(bench.layer(role), kind) for role, kind in kinds.items())
    assert bench.viewer.layers.selection.active is bench.layer("points")
    assert str(bench.layer("points").mode) == "add"
    assert bench.layer("objects").data.dtype == np.uint16
    assert bench.status.startswith("Ready")
    assert bench.widget["model"].value == "sam_lite"


def test_a_point_gives_a_mask_without_a_button(bench: Bench, fake: FakePredictor):
    bench.click(30, 40)
    assert (bench.proposal == 1).sum() == AREA[1]
    assert bench.proposal[30, 40] == 1
    assert "IoU 0.90, candidate 2 of 3" in bench.status
    assert fake.threads == {name for name in fake.threads if name.startswith("napari-sam")}
    assert threading.current_thread().name not in fake.threads


def test_positive_and_negative_points_differ_in_category_colour_and_symbol(bench: Bench, fake: FakePredictor):
    bench.click(30, 40)
    bench.click(10, 10, negative=True)
    points = bench.layer("points")
    assert list(points.features["prompt"]) == ["positive", "negative"]
    assert points.features["prompt"].dtype.name == "category"
    assert len({str(symbol) for symbol in points.symbol}) == 2
    assert not np.allclose(points.face_color[0], points.face_color[1])
    np.testing.assert_array_equal(fake.asked[-1].labels, [1, 0])


def test_a_box_drives_the_mask_and_several_boxes_are_several_objects(bench: Bench):
    bench.box([[10, 10], [10, 30], [20, 30], [20, 10]])
    assert bench.proposal[15, 20] == 1
    bench.box([[40, 40], [40, 60], [50, 60], [50, 40]])
    assert bench.proposal[15, 20] == 1
    assert bench.proposal[45, 50] == 2
    bench.widget.commit()
    assert sorted(np.unique(bench.objects)) == [0, 1, 2]
    assert len(bench.layer("boxes").data) == 0


def test_candidates_cycle_and_wrap(bench: Bench):
    bench.click(30, 40)
    seen = []
    for _ in range(4):
        seen.append(int((bench.proposal > 0).sum()))
        bench.widget.next_candidate()
    assert seen == [AREA[1], AREA[2], AREA[0], AREA[1]]
    assert "candidate 3 of 3" in bench.status


def test_commit_clears_the_prompts_and_counts_up(bench: Bench):
    for number, position in enumerate([(15, 15), (45, 60)], start=1):
        bench.click(*position)
        bench.widget.commit()
        assert bench.widget.wait(20)
        assert bench.objects[position] == number
        assert len(bench.layer("points").data) == 0
        assert not bench.proposal.any()


def test_commit_keeps_or_replaces_what_is_there(bench: Bench):
    bench.click(30, 30)
    bench.widget.commit()
    bench.click(30, 36)
    bench.widget.commit()
    assert bench.objects[30, 30] == 1
    bench.widget["overlap"].value = "replace"
    bench.click(30, 30)
    bench.widget.commit()
    assert bench.objects[30, 30] == 3


def test_commit_without_a_mask_says_so(bench: Bench):
    bench.widget.commit()
    assert "nothing to commit" in bench.status
    assert not bench.objects.any()


def test_one_undo_takes_back_one_step_of_any_kind(bench: Bench):
    widget = bench.widget
    snapshots = []

    def snapshot() -> tuple[Any, ...]:
        assert widget.wait(20)
        labels = list(bench.layer("points").features["prompt"])
        return (
            len(bench.layer("points").data),
            labels,
            len(bench.layer("boxes").data),
            bench.proposal.copy(),
            bench.objects.copy(),
        )

    snapshots.append(snapshot())
    for step in (
        lambda: bench.click(30, 40),
        lambda: bench.click(5, 5, negative=True),
        widget.next_candidate,
        lambda: bench.box([[20, 30], [20, 50], [40, 50], [40, 30]]),
        widget.commit,
        lambda: bench.click(10, 10),
        widget.clear,
    ):
        step()
        snapshots.append(snapshot())

    def assert_same(seen: tuple[Any, ...], wanted: tuple[Any, ...]) -> None:
        assert seen[:3] == wanted[:3]
        np.testing.assert_array_equal(seen[3], wanted[3])
        np.testing.assert_array_equal(seen[4], wanted[4])

    for wanted in reversed(snapshots[:-1]):
        widget.undo()
        assert_same(snapshot(), wanted)
    widget.undo()
    assert "Nothing to undo" in bench.status
    for wanted in snapshots[1:]:
        widget.redo()
        assert_same(snapshot(), wanted)
    widget.redo()
    assert "Nothing to redo" in bench.status


def test_the_next_click_stays_what_it_was_through_undo_and_commit(bench: Bench):
    bench.click(30, 40)
    bench.widget.toggle_prompt()
    assert bench.widget["prompt"].value == "negative"
    bench.widget.undo()
    bench.layer("points").add([20, 20])
    assert list(bench.layer("points").features["prompt"]) == ["negative"]
    assert str(bench.layer("points").symbol[0]) == "x"
    assert bench.widget.wait(20)
    assert "positive point" in bench.status
    assert not bench.proposal.any()


def test_moving_and_deleting_points_updates_the_mask(bench: Bench):
    bench.click(30, 40)
    points = bench.layer("points")
    points.data = [[10, 10]]
    assert bench.widget.wait(20)
    assert bench.proposal[10, 10] == 1
    assert bench.proposal[30, 40] == 0
    points.selected_data = {0}
    points.remove_selected()
    assert bench.widget.wait(20)
    assert not bench.proposal.any()
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert bench.proposal[10, 10] == 1


def test_clicks_made_while_encoding_are_answered_when_it_is_there(
    open_bench: Callable[..., Bench], image: np.ndarray, fake: FakePredictor, make_napari_viewer: Any, zoo: FakeZoo
):
    from napari_sam.gui.segment_widget import SegmentWidget

    fake.gate.clear()
    viewer = make_napari_viewer()
    viewer.add_image(image)
    bench = Bench(viewer, SegmentWidget(viewer, zoo))
    bench.layer("points").add([30, 40])
    bench.layer("points").add([32, 42])
    assert not bench.widget.wait(0.1)
    assert bench.widget["cancel"].enabled
    assert not bench.proposal.any()
    fake.gate.set()
    assert bench.widget.wait(20)
    assert bench.proposal[30, 40] == 1
    assert len(fake.images) == 1, "the image was encoded once"
    assert len(fake.asked[-1].points_yx) == 2
    assert len(fake.asked) == 2, "only the newest prompts: one step for each point"
    bench.widget.close()


def test_cancel_stops_the_encoder_and_keeps_the_prompts(bench: Bench, fake: FakePredictor):
    fake.gate.clear()
    bench.viewer.layers[0].contrast_limits = (5, 100)
    bench.layer("points").add([30, 40])
    bench.widget.wait(0.5)
    bench.widget.cancel()
    assert bench.widget.wait(20)
    assert fake.cancellations >= 1
    assert len(bench.layer("points").data) == 1
    assert "Cancelled" in bench.status
    fake.gate.set()
    bench.layer("points").add([31, 41])
    assert bench.widget.wait(20)
    assert bench.proposal[30, 40] == 1


def test_the_model_sees_the_contrast_of_the_layer_and_full_range_8_bit_unchanged(bench: Bench, fake: FakePredictor):
    assert fake.limits == [None]
    bench.click(30, 40)
    for high in (200, 180, 150):
        bench.viewer.layers[0].contrast_limits = (10, high)
    assert bench.widget.wait(20)
    assert fake.limits == [None, (10.0, 150.0)], "encoded again once, after the last change"
    assert bench.proposal[30, 40] == 1


def test_another_model_or_device_asks_again(bench: Bench, zoo: FakeZoo, fake: FakePredictor):
    bench.click(30, 40)
    bench.widget["device"].value = "cpu"
    assert bench.widget.wait(20)
    assert [choice.device for choice in zoo.choices] == ["auto", "cpu"]
    assert len(fake.images) == 2
    assert bench.proposal[30, 40] == 1


def test_keys_and_buttons_do_what_the_methods_do(bench: Bench, qtbot: Any):
    from napari.utils.key_bindings import coerce_keybinding

    def press(method: str) -> None:
        (action,) = [action for action in KEYMAP if action.method == method]
        bench.viewer.keymap[coerce_keybinding(action.key)](bench.viewer)
        assert bench.widget.wait(20)

    bench.click(30, 40)
    press("next_candidate")
    assert (bench.proposal > 0).sum() == AREA[2]
    press("commit")
    assert (bench.objects == 1).sum() == AREA[2]
    press("undo")
    assert not bench.objects.any()
    bench.widget["redo"].native.click()
    assert bench.objects.any()
    press("use_boxes")
    assert bench.viewer.layers.selection.active is bench.layer("boxes")
    assert str(bench.layer("boxes").mode) == "add_rectangle"
    press("toggle_proposal")
    assert not bench.layer("proposal").visible


def test_every_control_has_a_name_and_a_tooltip(bench: Bench):
    from napari_sam.gui.panels.tree import walk

    controls = list(walk(bench.widget))
    assert len({control.name for control in controls}) == len(controls)
    assert all(control.name and control.tooltip for control in controls)
    assert all(bench.widget[control.name] is control for control in controls)
    wanted = {"image", "model", "checkpoint", "device", "precision", "overlap", "status", "progress", "prompt"}
    assert wanted <= {control.name for control in controls}


def test_a_committed_id_is_never_one_painted_by_hand(bench: Bench):
    bench.layer("objects").data_setitem((np.array([0]), np.array([0])), 8)
    bench.click(30, 40)
    bench.widget.commit()
    assert bench.objects[30, 40] == 9


def test_naparis_undo_on_the_objects_layer_does_not_corrupt_ours(bench: Bench):
    bench.click(30, 40)
    bench.widget.commit()
    bench.layer("objects").undo()
    bench.widget.undo()
    bench.widget.redo()
    assert bench.widget.wait(20)
    assert set(np.unique(bench.objects)) <= {0, 1}


def test_a_modifier_turns_one_click_round(bench: Bench):
    from types import SimpleNamespace

    from napari.utils.interactions import mouse_press_callbacks, mouse_release_callbacks

    points = bench.layer("points")

    def click(position: tuple[float, float], modifiers: list[str]) -> None:
        event = SimpleNamespace(
            type="mouse_press",
            position=position,
            pos=np.array(position),
            modifiers=modifiers,
            dims_displayed=[0, 1],
            view_direction=None,
            button=1,
            handled=False,
        )
        mouse_press_callbacks(points, event)
        event.type = "mouse_release"
        mouse_release_callbacks(points, event)
        assert bench.widget.wait(20)

    click((30, 40), [])
    click((10, 10), ["Control"])
    click((31, 41), [])
    click((12, 12), ["Alt"])
    assert list(points.features["prompt"]) == ["positive", "negative", "positive", "negative"]
    assert bench.widget["prompt"].value == "positive"
    assert [str(symbol) for symbol in points.symbol] == ["disc", "x", "disc", "x"]
