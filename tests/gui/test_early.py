"""A small object in a large image: a mask at once, and the sharper one when the closer look has been taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from tests.gui.conftest import Bench
from tests.gui.fakes import FakePredictor

pytestmark = pytest.mark.gui
SIDE = 1800


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        QApplication.processEvents()
        time.sleep(0.005)


@pytest.fixture
def waiting(open_bench: Callable[..., Bench], fake: FakePredictor) -> Bench:
    """A stack with one click on a small object in its middle slice, while the closer look is held up."""
    bench = open_bench(np.zeros((3, SIDE, SIDE), np.uint8), contrast_limits=(0, 255))
    fake.gate.clear()
    bench.layer("points").add([1, 300, 400])
    until(lambda: bool(bench.proposal[1, 300, 400]))
    return bench


def test_the_first_mask_is_there_before_the_closer_look(waiting: Bench, fake: FakePredictor):
    assert waiting.widget.pending
    encoded = len(fake.images)
    fake.gate.set()
    assert waiting.widget.wait(20)
    assert max(fake.images[-1].shape) < SIDE, "a closer window was encoded"
    assert len(fake.images) == encoded
    assert waiting.proposal[1, 300, 400] == 1


def test_it_cannot_be_committed_before_the_answer(waiting: Bench, fake: FakePredictor):
    waiting.widget.commit()
    assert "still being computed" in waiting.status
    assert not waiting.objects.any()
    fake.gate.set()
    assert waiting.widget.wait(20)
    waiting.widget.commit()
    assert waiting.objects[1, 300, 400] == 1


def test_it_goes_with_its_prompt(waiting: Bench, fake: FakePredictor):
    waiting.widget.undo()
    assert not waiting.proposal.any()
    fake.gate.set()
    assert waiting.widget.wait(20)
    assert not waiting.proposal.any()


def test_it_does_not_stay_on_a_slice_that_was_left(waiting: Bench, fake: FakePredictor):
    waiting.viewer.dims.set_current_step(0, 2)
    until(lambda: not waiting.proposal.any())
    fake.gate.set()
    assert waiting.widget.wait(20)
    assert not waiting.proposal.any()
    waiting.viewer.dims.set_current_step(0, 1)
    assert waiting.widget.wait(20)
    assert waiting.proposal[1, 300, 400] == 1


def test_several_objects_are_shown_together_only(open_bench: Callable[..., Bench], fake: FakePredictor):
    bench = open_bench(np.zeros((SIDE, SIDE), np.uint8), contrast_limits=(0, 255))
    shown: list[int] = []
    bench.layer("proposal").events.labels_update.connect(lambda event: shown.append(int(bench.proposal.max())))
    boxes = [np.array([[10, 10], [10, 60], [60, 60], [60, 10]], float) + offset for offset in (0, 900)]
    bench.layer("boxes").add(boxes, shape_type="rectangle")
    assert bench.widget.wait(30)
    assert shown[-1] == 2
    assert 1 not in shown


def test_the_mask_on_the_screen_is_the_one_in_the_data(waiting: Bench, fake: FakePredictor):
    fake.gate.set()
    assert waiting.widget.wait(20)
    raw: Any = waiting.layer("proposal")._slice.image.raw
    assert np.array_equal(raw, waiting.proposal[1])
