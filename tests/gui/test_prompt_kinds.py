"""Shapes, labels, candidates and pieces in a real viewer, on a predictor that answers at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam.gui.layers import role_of
from tests.gui.conftest import Bench
from tests.gui.fakes import FakePredictor

pytestmark = pytest.mark.gui
SQUARE = np.array([[20, 30], [20, 50], [40, 50], [40, 30]], float)


def draw(bench: Bench, kind: str, vertices: Any = SQUARE) -> None:
    bench.layer("boxes").add(np.asarray(vertices, float), shape_type=kind)
    assert bench.widget.wait(20)


def outlines(bench: Bench) -> list[Any]:
    return [layer for layer in bench.viewer.layers if role_of(layer) == "mask"]


@pytest.fixture
def cells(bench: Bench) -> Any:
    """A Labels layer of the user's with object 7 in it."""
    data = np.zeros((64, 80), np.uint8)
    data[10:22, 30:45] = 7
    return bench.viewer.add_labels(data, name="cells")


@pytest.mark.parametrize("kind", ["ellipse", "polygon"])
def test_a_drawn_area_gives_a_mask_without_a_button_and_one_undo_takes_it_back(
    bench: Bench, fake: FakePredictor, kind: str
):
    draw(bench, kind)
    asked = fake.asked[-1]
    assert asked.mask_logits is not None
    assert asked.box_yxyx is not None
    assert bench.proposal[30, 40] == 1
    assert "of 3" in bench.status
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert len(bench.layer("boxes").data) == 0
    assert not bench.proposal.any()
    bench.widget.redo()
    assert bench.widget.wait(20)
    assert bench.layer("boxes").shape_type == [kind]
    assert bench.proposal[30, 40] == 1


def test_scribbles_follow_the_polarity_through_undo_and_redo(bench: Bench, fake: FakePredictor):
    draw(bench, "path", [[20, 20], [20, 30]])
    bench.widget["prompt"].value = "negative"
    draw(bench, "path", [[40, 40], [40, 60]])
    boxes = bench.layer("boxes")
    assert list(boxes.features["prompt"]) == ["positive", "negative"]
    colors = boxes.edge_color.copy()
    assert not np.allclose(colors[0], colors[1])
    assert set(fake.asked[-1].labels.tolist()) == {0, 1}
    bench.widget.undo()
    bench.widget.redo()
    assert bench.widget.wait(20)
    assert list(boxes.features["prompt"]) == ["positive", "negative"]
    np.testing.assert_allclose(boxes.edge_color, colors)
    bench.widget.undo()
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert not bench.proposal.any()


def test_the_buttons_choose_what_is_drawn(bench: Bench):
    modes = {
        "use_polygon": "add_polygon",
        "use_lasso": "add_polygon_lasso",
        "use_ellipse": "add_ellipse",
        "use_scribble": "add_path",
        "use_boxes": "add_rectangle",
    }
    for name, mode in modes.items():
        bench.widget[name].native.click()
        assert bench.viewer.layers.selection.active is bench.layer("boxes")
        assert str(bench.layer("boxes").mode) == mode


def test_a_label_of_any_layer_is_a_prompt_that_is_seen_undone_and_cleared(
    bench: Bench, cells: Any, fake: FakePredictor
):
    bench.viewer.cursor.position = (15, 35)
    active = bench.viewer.layers.selection.active
    bench.widget.use_label()
    assert bench.widget.wait(20)
    assert fake.asked[-1].mask_logits is not None
    assert bench.proposal[15, 35] == 1
    (outline,) = outlines(bench)
    assert outline.nshapes == 1
    assert bench.viewer.layers.selection.active is active
    assert "label 7 of 'cells'" in bench.status
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert not bench.proposal.any()
    assert outline.nshapes == 0
    bench.widget.redo()
    assert bench.widget.wait(20)
    assert outline.nshapes == 1
    bench.widget.clear()
    assert bench.widget.wait(20)
    assert not bench.proposal.any()
    assert outline.nshapes == 0
    assert cells.data.max() == 7, "the user's own labels stay as they are"


def test_a_label_goes_into_the_objects_like_any_other_proposal(bench: Bench, cells: Any):
    bench.widget.use_label(cells, 7)
    assert bench.widget.wait(20)
    bench.widget.commit()
    assert bench.widget.wait(20)
    assert bench.objects[15, 35] == 1
    assert outlines(bench)[0].nshapes == 0
    bench.widget.close()
    assert outlines(bench) == []


def test_where_no_label_is_meant_the_status_says_what_to_do(bench: Bench, cells: Any):
    bench.viewer.cursor.position = (60, 70)
    bench.viewer.layers.selection.active = bench.layer("points")
    bench.widget.use_label()
    assert "No label is meant" in bench.status
    bench.widget.use_label(cells, 9)
    assert "not on the slice" in bench.status
    assert not bench.widget.session.history.can_undo


def test_candidates_are_picked_marked_and_remembered(bench: Bench, fake: FakePredictor):
    picker = [bench.widget[f"candidate_{number}"] for number in (1, 2, 3)]
    assert not any(button.enabled for button in picker)
    bench.click(30, 40)
    assert [button.text[2:] for button in picker] == ["0.70", "0.90", "0.50"]
    assert [button.native.isChecked() for button in picker] == [False, True, False]
    picker[2].native.click()
    assert bench.widget.wait(20)
    chosen = int((bench.proposal > 0).sum())
    assert "candidate 3 of 3" in bench.status
    bench.click(5, 5, negative=True)
    assert int((bench.proposal > 0).sum()) == chosen, "the chosen candidate is the one that is refined"
    assert int(fake.asked[-1].mask_logits.flat[0]) == 2
    assert picker[2].native.isChecked()
    bench.widget.undo()
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert picker[1].native.isChecked()
    bench.widget.pick_candidate(0)
    bench.widget.previous_candidate()
    assert picker[2].native.isChecked()
    bench.widget.next_candidate()
    assert picker[0].native.isChecked()
    bench.widget.pick_candidate(0)
    bench.widget.undo()
    assert picker[2].native.isChecked(), "picking what is shown already is no step"
    bench.widget.clear()
    assert bench.widget.wait(20)
    assert not any(button.enabled for button in picker)


def test_the_choice_stays_with_its_slice(open_bench: Any):
    bench = open_bench(np.random.default_rng(0).integers(0, 255, (3, 64, 80)).astype(np.uint8))
    bench.viewer.dims.set_point(0, 0)
    assert bench.widget.wait(20)
    bench.click(0, 30, 40)
    bench.widget.pick_candidate(2)
    shown = bench.proposal[0].copy()
    bench.viewer.dims.set_point(0, 1)
    assert bench.widget.wait(20)
    assert not bench.widget["candidate_1"].enabled
    bench.click(1, 20, 20)
    assert "candidate 2 of 3" in bench.status
    bench.viewer.dims.set_point(0, 0)
    assert bench.widget.wait(20)
    assert "candidate 3 of 3" in bench.status
    np.testing.assert_array_equal(bench.proposal[0], shown)


def test_only_clicked_pieces_are_shown_until_that_is_switched_off(bench: Bench, fake: FakePredictor):
    whole = fake.predict

    def with_a_crumb(embedding: Any, prompts: Any, multimask: bool = True) -> Any:
        answer = whole(embedding, prompts, multimask)
        answer.masks[:, 60, 2] = True
        return answer

    fake.predict = with_a_crumb  # type: ignore[method-assign]
    bench.click(30, 40)
    assert bench.proposal[60, 2] == 0
    bench.widget["clicked_pieces"].value = False
    assert bench.widget.wait(20)
    assert bench.proposal[60, 2] == 1
    bench.widget["clicked_pieces"].value = True
    assert bench.widget.wait(20)
    assert bench.proposal[60, 2] == 0


def test_ten_steps_of_every_kind_are_taken_back_and_done_again(bench: Bench, cells: Any):
    widget = bench.widget

    def negative_scribble() -> None:
        widget["prompt"].value = "negative"
        draw(bench, "path", [[50, 60], [50, 70]])
        widget["prompt"].value = "positive"

    steps = (
        lambda: bench.click(30, 40),
        lambda: widget.pick_candidate(2),
        negative_scribble,
        lambda: draw(bench, "ellipse"),
        lambda: draw(bench, "polygon", [[2, 2], [2, 14], [14, 2]]),
        widget.commit,
        lambda: widget.use_label(cells, 7),
        lambda: bench.click(15, 40),
        widget.previous_candidate,
        widget.clear,
    )

    def snapshot() -> tuple[Any, ...]:
        assert widget.wait(20)
        boxes = bench.layer("boxes")
        kinds = list(boxes.shape_type), list(boxes.features["prompt"])
        masks = sum(layer.nshapes for layer in outlines(bench))
        return len(bench.layer("points").data), kinds, masks, bench.proposal.tobytes(), bench.objects.tobytes()

    seen = [snapshot()]
    for step in steps:
        step()
        seen.append(snapshot())
    assert len(set(map(str, seen))) == len({0, *range(1, 10)}), "only clear gives an earlier picture again"
    for wanted in reversed(seen[:-1]):
        widget.undo()
        assert snapshot() == wanted
    for wanted in seen[1:]:
        widget.redo()
        assert snapshot() == wanted
