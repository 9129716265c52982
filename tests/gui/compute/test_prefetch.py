"""Neighbouring slices are encoded while nothing else is to be done, and never in anybody's way."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import dask.array
import numpy as np
import pytest

from napari_sam.gui.compute import prefetch
from tests.gui.conftest import Bench
from tests.gui.fakes import FakePredictor

pytestmark = pytest.mark.gui
STACK = np.random.default_rng(0).integers(0, 255, (9, 40, 50)).astype(np.uint8)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "IDLE_MS", 30)


def positions(fake: FakePredictor, stack: np.ndarray = STACK) -> list[int]:
    """Return which slices were encoded, in order."""
    return [next(z for z, plane in enumerate(stack) if np.array_equal(plane, image)) for image in fake.images]


def let_it_idle(bench: Bench, qtbot: Any, enough: Callable[[], bool]) -> None:
    qtbot.waitUntil(enough, timeout=5000)
    qtbot.wait(200)
    assert bench.widget.wait(5)


def test_the_neighbours_are_encoded_once_and_nothing_else(
    open_bench: Callable[..., Bench], fake: FakePredictor, qtbot: Any
):
    bench = open_bench(STACK, prefetch=True, contrast_limits=(0, 255))
    assert positions(fake) == [4]
    status = bench.status
    let_it_idle(bench, qtbot, lambda: len(fake.images) == 3)
    assert positions(fake) == [4, 5, 3]
    assert bench.status == status
    assert not bench.widget["progress"].visible
    bench.viewer.dims.set_current_step(0, 3)
    assert bench.widget.wait(20)
    assert positions(fake) == [4, 5, 3], "the neighbour was there already"
    let_it_idle(bench, qtbot, lambda: len(fake.images) == 4)
    assert positions(fake)[3:] == [2], "on in the direction of the last step; the slice left is still known"


def test_it_can_be_switched_off(open_bench: Callable[..., Bench], fake: FakePredictor, qtbot: Any):
    bench = open_bench(STACK, contrast_limits=(0, 255))
    qtbot.wait(300)
    assert positions(fake) == [4]
    bench.widget["prefetch"].value = True
    bench.click(4, 20, 20)
    let_it_idle(bench, qtbot, lambda: len(fake.images) == 3)


def test_waiting_does_not_wait_for_it_and_a_click_comes_first(
    open_bench: Callable[..., Bench], fake: FakePredictor, qtbot: Any
):
    bench = open_bench(STACK, prefetch=True, contrast_limits=(0, 255))
    fake.gate.clear()
    qtbot.waitUntil(lambda: len(fake.images) == 2, timeout=5000)
    assert not bench.widget.pending
    assert bench.widget.wait(0.1)
    bench.click(4, 20, 20)
    assert bench.proposal[4, 20, 20] == 1, "answered while the neighbour was stuck"
    assert fake.cancellations == 1
    fake.gate.set()
    let_it_idle(bench, qtbot, lambda: len(fake.images) == 4)
    assert positions(fake) == [4, 5, 5, 3]


def test_a_neighbour_that_is_asked_for_meanwhile_is_not_encoded_twice(
    open_bench: Callable[..., Bench], fake: FakePredictor, qtbot: Any
):
    bench = open_bench(STACK, prefetch=True, contrast_limits=(0, 255))
    fake.gate.clear()
    qtbot.waitUntil(lambda: len(fake.images) == 2, timeout=5000)
    bench.viewer.dims.set_current_step(0, 5)
    qtbot.wait(150)
    fake.gate.set()
    assert bench.widget.wait(20)
    assert positions(fake)[:2] == [4, 5]
    assert fake.cancellations == 0


def test_slow_models_do_not_work_in_advance(
    open_bench: Callable[..., Bench], fake: FakePredictor, qtbot: Any, monkeypatch: pytest.MonkeyPatch
):
    from napari_sam.gui.compute import embeddings

    monkeypatch.setattr(embeddings, "_SLOW_S", 0.0)
    bench = open_bench(STACK, prefetch=True, contrast_limits=(0, 255))
    qtbot.wait(300)
    assert positions(fake) == [4]
    assert not bench.widget.pending


def test_a_neighbour_that_cannot_be_read_disturbs_nobody(
    open_bench: Callable[..., Bench], fake: FakePredictor, qtbot: Any
):
    read: list[int] = []

    def block(block_info: Any = None) -> np.ndarray:
        at = block_info[None]["chunk-location"][0]
        read.append(at)
        if at == 5:
            raise OSError("damaged chunk")
        return STACK[at : at + 1]

    lazy = dask.array.map_blocks(
        block, chunks=((1,) * 9, (40,), (50,)), dtype=np.uint8, meta=np.empty((0, 0, 0), np.uint8)
    )
    bench = open_bench(lazy, prefetch=True, contrast_limits=(0, 255))
    let_it_idle(bench, qtbot, lambda: len(fake.images) == 2)
    assert positions(fake) == [4, 3]
    assert set(read) <= {0, 3, 4, 5}, "napari itself looks at slice 0"
    assert read.count(5) == 1
    assert bench.status.startswith("Ready")


def test_closing_ends_it(open_bench: Callable[..., Bench], fake: FakePredictor, qtbot: Any):
    bench = open_bench(STACK, prefetch=True, contrast_limits=(0, 255))
    bench.widget.close()
    start = time.monotonic()
    qtbot.wait(150)
    assert positions(fake) == [4]
    assert time.monotonic() - start < 5
