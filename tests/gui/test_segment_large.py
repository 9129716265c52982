"""The widget on images far larger than the model, and when memory runs out or the user changes their mind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array
import numpy as np
import pytest

from napari_sam.errors import OutOfMemoryError
from napari_sam.gui.compute import prefetch
from tests.gui.compute.test_windows import Painter, iou
from tests.gui.conftest import Bench
from tests.gui.fakes import FakePredictor, FakeZoo

pytestmark = pytest.mark.gui
SIDE = 4096


@pytest.fixture
def painter(zoo: FakeZoo) -> Painter:
    painter = Painter()
    zoo.predictor = painter  # type: ignore[assignment]
    return painter


def picture() -> np.ndarray[Any, Any]:
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[1000:1600, 1100:1900] = 50
    image[3000:3040, 3000:3060] = 100
    return image


class Chunks:
    """A lazy picture, and which of its chunks were read."""

    def __init__(self, image: np.ndarray[Any, Any], side: int, planes: int = 0) -> None:
        self.read: set[tuple[int, ...]] = set()
        count = image.shape[0] // side

        def block(block_info: Any = None) -> np.ndarray[Any, Any]:
            at = block_info[None]["chunk-location"]
            self.read.add(at)
            row, column = (side * position for position in at[-2:])
            part = image[row : row + side, column : column + side]
            return part[None] if planes else part

        sides = ((side,) * count,) * 2
        self.array = dask.array.map_blocks(
            block,
            chunks=((1,) * planes, *sides) if planes else sides,
            dtype=np.uint8,
            meta=np.empty((0,) * 2, np.uint8),
        )


def test_a_click_in_a_large_image_gives_a_whole_object(open_bench: Callable[..., Bench], painter: Painter):
    image = picture()
    bench = open_bench(image, contrast_limits=(0, 255))
    bench.click(1300, 1500)
    assert iou(bench.proposal == 1, image == 50) > 0.9
    bench.widget.commit()
    assert bench.widget.wait(20)
    assert iou(bench.objects == 1, image == 50) > 0.9
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert iou(bench.proposal == 1, image == 50) > 0.9
    assert not bench.objects.any()


def test_only_the_chunks_under_the_windows_are_read(open_bench: Callable[..., Bench], painter: Painter):
    image = picture()
    lazy = Chunks(image, 256, planes=5)
    bench = open_bench(lazy.array, contrast_limits=(0, 255))
    bench.viewer.dims.set_current_step(0, 3)
    bench.viewer.scene.camera.center = (0, 3020, 3030)
    bench.viewer.scene.camera.zoom = 4
    assert bench.widget.wait(20)
    lazy.read.clear()
    bench.click(3, 3020, 3030)
    assert iou(bench.proposal[3] == 1, image == 100) > 0.9
    assert {at[0] for at in lazy.read} <= {3}
    assert len(lazy.read) <= 9, "of 256 chunks in the plane"


def test_far_away_a_coarser_level_is_read(open_bench: Callable[..., Bench], painter: Painter):
    image = picture()
    full, coarse = Chunks(image, 256), Chunks(image[::8, ::8], 64)
    bench = open_bench([full.array, coarse.array], multiscale=True, contrast_limits=(0, 255))
    full.read.clear()
    bench.click(1300, 1500)
    assert iou(bench.proposal == 1, image == 50) > 0.9
    assert full.read == set()


def test_another_candidate_is_looked_at_in_its_own_window(open_bench: Callable[..., Bench], painter: Painter):
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[2400:3600, 2500:3500] = 50
    image[3000:3040, 3000:3060] = 100
    bench = open_bench(image, contrast_limits=(0, 255))
    bench.viewer.scene.camera.center = (0, 3020, 3030)
    bench.viewer.scene.camera.zoom = 4
    bench.click(3020, 3030)
    assert iou(bench.proposal == 1, image == 100) > 0.9
    bench.widget.next_candidate()
    assert bench.widget.wait(20)
    assert iou(bench.proposal == 1, image > 0) > 0.9
    assert "candidate 2 of 2" in bench.status
    bench.widget.next_candidate()
    assert bench.widget.wait(20)
    assert iou(bench.proposal == 1, image == 100) > 0.9


def test_after_zooming_what_is_in_view_is_encoded_in_advance(
    open_bench: Callable[..., Bench], painter: Painter, qtbot: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(prefetch, "IDLE_MS", 30)
    image = picture()
    bench = open_bench(image, prefetch=True, contrast_limits=(0, 255))
    encoded = len(painter.shapes)
    bench.viewer.scene.camera.center = (0, 3020, 3030)
    bench.viewer.scene.camera.zoom = 4
    qtbot.waitUntil(lambda: len(painter.shapes) == encoded + 1, timeout=5000)
    qtbot.wait(200)
    assert len(painter.shapes) == encoded + 1
    bench.widget["prefetch"].value = False
    bench.click(3020, 3030)
    assert iou(bench.proposal == 1, image == 100) > 0.9
    assert len(painter.shapes) == encoded + 1, "the click needed no further encoding"


class TestTrouble:
    @pytest.mark.parametrize("error", [OutOfMemoryError("The computer's memory is not enough."), MemoryError("x")])
    def test_memory_runs_out_and_the_session_goes_on(self, bench: Bench, fake: FakePredictor, error: Exception):
        fake.fail = error
        bench.viewer.layers[0].contrast_limits = (5, 100)
        bench.layer("points").add([30, 40])
        assert bench.widget.wait(20)
        assert "memory" in bench.status.lower()
        assert not bench.proposal.any()
        fake.fail = None
        bench.click(31, 41)
        assert bench.proposal[30, 40] == 1

    def test_the_model_is_switched_while_it_encodes(self, bench: Bench, zoo: FakeZoo, fake: FakePredictor):
        fake.gate.clear()
        bench.viewer.layers[0].contrast_limits = (5, 100)
        bench.layer("points").add([30, 40])
        assert not bench.widget.wait(0.6)
        bench.widget["device"].value = "cpu"
        assert not bench.widget.wait(0.3)
        assert fake.cancellations == 1, "nobody waits for the old model"
        fake.gate.set()
        assert bench.widget.wait(20)
        assert zoo.choices[-1].device == "cpu"
        assert bench.proposal[30, 40] == 1

    def test_a_cancelled_plane_is_encoded_at_the_next_prompt(self, bench: Bench, fake: FakePredictor):
        told: list[tuple[int, int]] = []
        bench.widget._background.advanced.connect(lambda done, total: told.append((done, total)))
        fake.gate.clear()
        bench.viewer.layers[0].contrast_limits = (5, 100)
        bench.layer("points").add([30, 40])
        assert not bench.widget.wait(0.6)
        assert told == [(0, 2)]
        encoded = len(fake.images)
        bench.widget.cancel()
        assert bench.widget.wait(20)
        assert not bench.widget["cancel"].enabled
        assert len(bench.layer("points").data) == 1
        fake.gate.set()
        bench.click(31, 41)
        assert len(fake.images) == encoded + 1
        assert told == [(0, 2), (0, 2), (2, 2)]
        assert bench.proposal[30, 40] == 1
