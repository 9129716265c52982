from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_sam.errors import Cancelled
from napari_sam.gui.compute.asking import Recent, Step, ask, keep_pieces
from napari_sam.gui.compute.candidates import Candidates, compose, compose_all, describe
from napari_sam.gui.compute.thumbnails import pictures, views_of, why_no_choice
from napari_sam.gui.prompting.prompts import ObjectPrompts, PlaneMask
from napari_sam.types import Prediction, Prompts
from tests.gui.fakes import FakeEmbedding, FakePredictor

IMAGE = np.zeros((40, 50), np.uint8).view(FakeEmbedding)
AREA = PlaneMask((10, 12), np.ones((9, 9), bool))


def never() -> bool:
    return False


def clicks(*points: tuple[float, float], labels: Any = None, **more: Any) -> ObjectPrompts:
    return ObjectPrompts(Prompts(list(points), labels), **more)


@pytest.mark.parametrize(("choice", "refined"), [(None, 1), (2, 2), (0, 0)])
def test_a_further_point_refines_the_candidate_that_is_shown(fake: FakePredictor, choice: int | None, refined: int):
    (found,) = ask(fake, IMAGE, [clicks((20, 20), (5, 5), labels=[1, 0])], choice, never)
    first, second = fake.asked
    assert len(first.points_yx) == 1
    assert first.mask_logits is None
    assert len(second.points_yx) == 2
    assert int(second.mask_logits.flat[0]) == refined
    areas = found.prediction.masks.sum(axis=(1, 2)).tolist()
    assert areas == sorted(set(areas)), "the candidates stay three"
    assert found.first == 1, "the one with the best score of the first step"
    assert found.prediction.scores[refined] == np.float32(0.8)
    assert found.unsettled == {0, 1, 2} - {refined}, "the others are refined when they are chosen"


def test_steps_that_are_known_are_not_asked_again(fake: FakePredictor):
    recent, points = Recent(), [(20, 20), (5, 5), (9, 9)]
    for count in (1, 2, 3, 2, 3):
        ask(fake, IMAGE, [clicks(*points[:count])], None, never, recent=recent)
    assert len(fake.asked) == 3
    warm = ask(fake, IMAGE, [clicks(*points)], None, never, recent=recent)
    cold = ask(fake, IMAGE, [clicks(*points)], None, never)
    np.testing.assert_array_equal(warm[0].prediction.masks, cold[0].prediction.masks)
    assert warm[0].first == cold[0].first
    fake.asked.clear()
    ask(fake, IMAGE, [clicks(*points)], 2, never, recent=recent)
    assert len(fake.asked) == 2, "another candidate goes through the points again, not through the first step"


def test_what_is_known_of_another_image_or_other_points_does_not_count(fake: FakePredictor):
    recent = Recent()
    ask(fake, IMAGE, [clicks((20, 20))], None, never, recent=recent)
    for image, point in ((IMAGE.copy(), (20, 20)), (IMAGE, (21, 20))):
        fake.asked.clear()
        ask(fake, image, [clicks(point, (5, 5))], None, never, recent=recent)
        assert len(fake.asked) == 2


def test_memory_for_steps_is_bounded():
    answer = Step(np.zeros((1, 2, 2), np.float32), np.zeros(1, np.float32), (PlaneMask((0, 0), np.ones((4, 5), bool)),))
    assert answer.nbytes == 16 + 4 + 20
    recent = Recent(max_bytes=90)
    for number in range(3):
        recent.put(IMAGE, number, answer)
    assert recent.get(IMAGE, 0) is None
    assert recent.get(IMAGE, 2) is answer


def test_a_negative_point_that_came_first_waits_for_a_positive_one(fake: FakePredictor):
    ask(fake, IMAGE, [clicks((5, 5), (20, 20), (8, 8), labels=[0, 1, 0])], None, never)
    assert fake.asked[0].points_yx.tolist() == [[20, 20]]
    assert fake.asked[-1].points_yx.tolist() == [[20, 20], [5, 5], [8, 8]]
    assert fake.asked[-1].labels.tolist() == [1, 0, 0]


def test_a_box_is_asked_about_before_its_points(fake: FakePredictor):
    box = ObjectPrompts(Prompts([[20, 20]], [1], [10, 10, 30, 30]))
    ask(fake, IMAGE, [box], None, never)
    first, second = fake.asked[:2]
    assert first.points_yx is None
    assert first.box_yxyx is not None
    assert second.box_yxyx is not None
    assert second.mask_logits is not None


def test_a_drawn_area_is_logits_its_box_and_an_inner_point(fake: FakePredictor):
    drawn = ObjectPrompts(Prompts(box_yxyx=AREA.bounds), AREA)
    (found,) = ask(fake, IMAGE, [drawn], None, never)
    (asked,) = fake.asked
    assert asked.points_yx.tolist() == [[14, 16]]
    assert asked.mask_logits.shape == (8, 8)
    assert (asked.mask_logits > 0).any()
    assert len(found) == 3


def test_an_object_opened_for_editing_is_not_asked_about_until_a_point_is_added(fake: FakePredictor):
    (found,) = ask(fake, IMAGE, [ObjectPrompts(Prompts(), AREA, 4)], None, never)
    assert fake.asked == []
    np.testing.assert_array_equal(found.prediction.masks, AREA.within((40, 50))[None])
    (found,) = ask(fake, IMAGE, [clicks((30, 30), labels=[1], mask=AREA, object_id=4)], None, never)
    (asked,) = fake.asked
    assert asked.points_yx.tolist() == [[14, 16], [30, 30]]
    assert asked.mask_logits is not None
    assert len(found) == 1, "refined as it is, no candidates"


def test_a_box_around_an_edited_object_is_asked_with_its_mask(fake: FakePredictor):
    ask(fake, IMAGE, [ObjectPrompts(Prompts(box_yxyx=[5, 5, 25, 30]), AREA, 4)], None, never)
    (asked,) = fake.asked
    assert asked.mask_logits is not None
    assert asked.box_yxyx.tolist() == [5, 5, 25, 30]


def test_a_negative_point_in_the_middle_of_an_edited_object_moves_the_inner_point(fake: FakePredictor):
    ask(fake, IMAGE, [clicks((14, 16), labels=[0], mask=AREA, object_id=4)], None, never)
    inner = fake.asked[0].points_yx[0]
    assert inner.tolist() != [14, 16]
    assert AREA.holds(inner[None]).all()


def test_a_further_box_leaves_the_first_mask_as_it_was(fake: FakePredictor):
    box = ObjectPrompts(Prompts(box_yxyx=[10, 10, 30, 30]))
    other = ObjectPrompts(Prompts(box_yxyx=[2, 2, 9, 9]))
    for choice in (None, 2):
        alone = ask(fake, IMAGE, [box], choice, never)
        both = ask(fake, IMAGE, [box, other], choice, never)
        shown = compose(alone, choice), compose(both, choice)
        whole = [PlaneMask(piece.top_left, piece.labels == 1).within((40, 50)) for piece in shown]
        np.testing.assert_array_equal(*whole)


def test_many_objects_are_asked_about_some_at_a_time():
    calls = []

    class Counting(FakePredictor):
        def predict_many(self, embedding: Any, prompts: Any, multimask: bool = False, **callbacks: Any) -> Any:
            calls.append(len(prompts))
            return super().predict_many(embedding, prompts, multimask, **callbacks)

    boxes = [ObjectPrompts(Prompts(box_yxyx=[at, at, at + 5, at + 6])) for at in range(10)]
    found = ask(Counting(), IMAGE, boxes, None, never)
    assert calls == [8, 2]
    assert [len(one) for one in found] == [1] * 10
    assert [one.prediction.masks[0][at + 3, at + 3] for at, one in enumerate(found)] == [True] * 10


def test_asking_can_be_stopped(fake: FakePredictor):
    with pytest.raises(Cancelled):
        ask(fake, IMAGE, [clicks((20, 20), (5, 5))], None, lambda: bool(fake.asked))
    assert len(fake.asked) == 1


def two_pieces() -> np.ndarray[Any, Any]:
    mask = np.zeros((10, 12), bool)
    mask[1:4, 1:4] = mask[6:9, 6:11] = True
    return mask


@pytest.mark.parametrize(
    ("points", "area"), [([[2, 2]], 9), ([[7, 7]], 15), ([[2, 2], [7, 7]], 24), ([[0, 11]], 24), ([[0, 11], [2, 2]], 9)]
)
def test_pieces_without_a_click_are_left_out_where_another_has_one(points: list[list[int]], area: int):
    assert keep_pieces(two_pieces(), np.array(points)).sum() == area


@given(arrays(bool, (6, 7)), st.lists(st.tuples(st.integers(0, 5), st.integers(0, 6)), min_size=1, max_size=3))
def test_kept_pieces_are_whole_and_hold_a_click(mask: np.ndarray[Any, Any], points: list[tuple[int, int]]):
    from scipy import ndimage

    kept = keep_pieces(mask, np.array(points))
    clicked = [at for at in points if mask[at]]
    assert not (kept & ~mask).any()
    if not clicked:
        np.testing.assert_array_equal(kept, mask)
        return
    numbers, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    np.testing.assert_array_equal(kept, np.isin(numbers, [numbers[at] for at in clicked]))


class Pieces(FakePredictor):
    """Every mask has two pieces, whatever is asked."""

    def predict(self, embedding: Any, prompts: Prompts, multimask: bool = True) -> Prediction:
        answer = super().predict(embedding, prompts, multimask)
        masks = np.stack([two_pieces() for _ in answer.masks])
        return Prediction(masks, answer.scores, answer.logits)


def test_only_prompts_with_clicks_lose_pieces():
    image = np.zeros((10, 12), np.uint8).view(FakeEmbedding)
    box = ObjectPrompts(Prompts(box_yxyx=[1, 1, 8, 10]), clicked_only=True)
    asked = [box, clicks((2, 2), clicked_only=True), clicks((2, 2))]
    areas = [int(ask(Pieces(), image, [one], None, never)[0].prediction.masks[0].sum()) for one in asked]
    assert areas == [24, 9, 24]


def test_pieces_for_every_choice_and_their_pictures(fake: FakePredictor):
    objects = ask(fake, IMAGE, [clicks((20, 20))], None, never)
    pieces = compose_all(objects)
    assert len(pieces) == 3
    for choice, piece in enumerate(pieces):
        np.testing.assert_array_equal(piece.labels, compose(objects, choice).labels)
    small = pictures(pieces, side=32)
    shares = [picture.mean() for picture in small]
    assert shares == sorted(shares)
    assert 0.5 < shares[-1] < 0.8, "the largest, a disk, fills most of its square"
    views, shown = views_of(objects, pieces, 2)
    assert [round(view.score, 1) for view in views] == [0.7, 0.9, 0.5]
    assert shown == 2


def test_without_a_choice_the_user_hears_why(fake: FakePredictor):
    several = ask(fake, IMAGE, [clicks((20, 20)), clicks((9, 9))], None, never)
    edited = ask(fake, IMAGE, [ObjectPrompts(Prompts(), AREA, 4)], None, never)
    assert views_of(several, compose_all(several), None) is None
    texts = {why_no_choice(one) for one in (None, several, edited)}
    assert len(texts) == 3


def test_nothing_at_all_is_an_empty_piece():
    nothing = Prediction(np.zeros((3, 4, 4), bool), np.zeros(3, np.float32), np.zeros((3, 2, 2), np.float32))
    pieces = compose_all((Candidates(nothing, 0),))
    assert all(piece.labels.shape == (0, 0) for piece in pieces)
    assert not np.any(pictures(pieces))
    assert "empty mask" in describe([Candidates(nothing, 0)], None)
