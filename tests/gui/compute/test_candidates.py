from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_sam.gui.compute.asking import ask
from napari_sam.gui.compute.candidates import Candidates, compose, describe
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.types import Prediction, Prompts
from tests.gui.fakes import RADII, FakeEmbedding, FakePredictor

IMAGE = np.zeros((40, 50), np.uint8).view(FakeEmbedding)


def never() -> bool:
    return False


def just(*args: Any, **kwargs: Any) -> ObjectPrompts:
    return ObjectPrompts(Prompts(*args, **kwargs))


def test_one_click_gets_three_candidates_best_first_shown(fake: FakePredictor):
    (candidates,) = ask(fake, IMAGE, [just([[20, 20]])], None, never)
    assert len(candidates) == 3
    assert candidates.shown(None) == 1
    assert candidates.shown(5) == 2
    assert describe([candidates], None) == "IoU 0.90, candidate 2 of 3"
    assert len(fake.asked) == 1


def test_several_boxes_are_several_objects_small_on_top(fake: FakePredictor):
    boxes = [just(box_yxyx=(10, 10, 20, 20)), just(box_yxyx=(5, 5, 35, 40))]
    answer = ask(fake, IMAGE, boxes, None, never)
    proposal = compose(answer, None)
    assert proposal.top_left == (6, 6)
    assert proposal.labels[9, 9] == 1
    assert proposal.labels[24, 24] == 2
    assert describe(answer, None).startswith("2 objects")


def test_the_choice_decides_what_is_shown(fake: FakePredictor):
    answer = ask(fake, IMAGE, [just([[20, 20]])], None, never)
    areas = [int((compose(answer, choice).labels > 0).sum()) for choice in (0, 1, 2)]
    assert areas == sorted(areas)
    assert areas[1] == pytest.approx(np.pi * RADII[1] ** 2, rel=0.05)


def test_an_empty_mask_is_said():
    nothing = Prediction(np.zeros((1, 4, 4), bool), np.array([0.4], np.float32), np.zeros((1, 2, 2), np.float32))
    assert "empty mask" in describe([Candidates(nothing, 0)], None)
