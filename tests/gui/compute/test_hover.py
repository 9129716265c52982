"""The question a mouse asks, and its answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_sam.gui.compute.engine import Engine
from napari_sam.gui.compute.hover import INSIDE, NOTHING, OUTLINE, HoverJob, is_one_click, outlined, preview
from napari_sam.gui.compute.jobs import ModelChoice, SegmentJob
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.gui.qt.worker import Token
from napari_sam.gui.view.planes import Plane
from napari_sam.gui.view.reading import PlaneReader
from napari_sam.types import Prediction, Prompts
from tests.gui.fakes import FakePredictor, FakeZoo

IMAGE = np.random.default_rng(0).integers(0, 255, (60, 80)).astype(np.uint8)
PLANE = Plane((0, 1), (), IMAGE.shape)
BASE = SegmentJob(ModelChoice(), 0, PLANE, None, PlaneReader([IMAGE], PLANE))


def engine(fake: FakePredictor) -> Engine:
    return Engine(FakeZoo(fake), lambda text: None, lambda text: None)


def test_an_outline_lies_within_the_mask():
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    drawing = outlined(mask, 2)
    assert (drawing[mask] > 0).all()
    assert not drawing[~mask].any()
    assert (drawing[3:6, 3:6] == INSIDE).all()
    assert int((drawing == OUTLINE).sum()) == 49 - 9


def test_a_mask_at_the_border_is_outlined_there_too():
    assert (outlined(np.ones((4, 4), bool), 1)[0] == OUTLINE).all()


def test_the_preview_is_the_mask_of_a_click_there():
    embedding = FakePredictor().encode(IMAGE)
    answer = preview(FakePredictor(), embedding, HoverJob(BASE, (30, 40)))
    assert answer.drawing is not None
    assert answer.drawing.shape == (19, 19)
    assert answer.top_left == (21, 31)
    assert answer.drawing[9, 9] == INSIDE
    assert answer.seconds > 0


def test_places_are_those_of_the_plane_whatever_was_encoded():
    embedding = FakePredictor().encode(IMAGE[20:50, 10:60])
    answer = preview(FakePredictor(), embedding, HoverJob(BASE, (30, 40)), (20, 10))
    assert answer.top_left == (21, 31)


class TwoPieces(FakePredictor):
    def predict(self, embedding: Any, prompts: Prompts, multimask: bool = True) -> Prediction:
        masks = np.zeros((3, *embedding.shape), bool)
        masks[:, 5:10, 5:10] = masks[:, 30:34, 50:52] = True
        return Prediction(masks, np.ones(3, np.float32), np.zeros((3, 8, 8), np.float32))


@pytest.mark.parametrize(("point", "shape"), [((7, 7), (5, 5)), ((31, 50), (4, 2)), ((20, 20), (29, 47))])
def test_only_the_piece_under_the_mouse_as_for_a_click(point: Any, shape: Any):
    fake = TwoPieces()
    answer = preview(fake, fake.encode(IMAGE), HoverJob(BASE, point, clicked_only=True))
    assert answer.drawing is not None
    assert answer.drawing.shape == shape
    both = preview(fake, fake.encode(IMAGE), HoverJob(BASE, point))
    assert both.drawing is not None
    assert both.drawing.shape == (29, 47)


def test_nothing_is_asked_when_nobody_wants_it_any_more():
    fake = FakePredictor()
    assert preview(fake, fake.encode(IMAGE), HoverJob(BASE, (30, 40)), stopped=lambda: True) is NOTHING
    assert fake.asked == []


def test_hovering_never_loads_reads_or_encodes():
    fake = FakePredictor()
    one = engine(fake)
    assert one.run(HoverJob(BASE, (30, 40)), Token()) is NOTHING
    assert fake.images == []
    one.run(BASE, Token())
    assert one.run(HoverJob(replace(BASE, limits=(0, 5)), (30, 40)), Token()) is NOTHING
    answer = one.run(HoverJob(BASE, (30, 40)), Token())
    assert answer.drawing is not None
    assert len(fake.images) == 1


def test_only_a_first_click_tells_how_long_a_preview_takes():
    fake = FakePredictor()
    one = engine(fake)
    click = ObjectPrompts(Prompts([(30, 40)]), None)
    clicks = ObjectPrompts(Prompts([(30, 40), (31, 41)]), None)
    box = ObjectPrompts(Prompts(box_yxyx=(3, 4, 20, 30)), None)
    assert is_one_click(replace(BASE, prompts=(click,)))
    assert one.run(replace(BASE, prompts=(click,)), Token()).decode_s > 0
    for prompts in ((clicks,), (box,), (click, click), ()):
        assert not is_one_click(replace(BASE, prompts=prompts))
        assert one.run(replace(BASE, prompts=prompts), Token()).decode_s is None
