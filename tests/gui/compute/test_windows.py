"""Objects in planes far larger than the model: found at whatever size, whole, sharp, with few and small readings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_sam.errors import Cancelled
from napari_sam.geometry.frame import ResizeFrame
from napari_sam.geometry.masks import PlaneMask
from napari_sam.geometry.window import Window
from napari_sam.gui.compute.candidates import Candidates, compose
from napari_sam.gui.compute.engine import Engine, ModelChoice, SegmentJob
from napari_sam.gui.compute.hover import HoverJob
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.gui.qt.worker import Token
from napari_sam.gui.view.planes import Plane
from napari_sam.gui.view.reading import PlaneReader, Reading
from napari_sam.types import Prediction, Prompts

MODEL = 64
SIDE = 2000
WHOLE_VIEW = (0, 0, SIDE, SIDE)


@dataclass(frozen=True, eq=False)
class Encoded:
    pixels: np.ndarray[Any, Any]
    frame: ResizeFrame
    notes: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        return self.pixels.nbytes


class Painter:
    """A model of 64 x 64 pixels that sees areas of one value: candidates are the area, and everything not black."""

    image_size = MODEL

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.on_encode: Callable[[], object] = lambda: None

    def encode(self, image: Any, *, limits: Any = None, progress: Any = None, cancelled: Any = None) -> Encoded:
        self.shapes.append(image.shape)
        self.on_encode()
        if cancelled():
            raise Cancelled("cancelled")
        frame = ResizeFrame(image.shape, MODEL)
        rows, columns = ((np.arange(n) * s // n) for n, s in zip(frame.input_hw, image.shape, strict=True))
        # The mean of a border pixel counts as the nearer area.
        seen = (np.asarray(image)[np.ix_(rows, columns)].astype(int) + 25) // 50 * 50
        return Encoded(seen, frame)

    def predict(self, embedding: Encoded, prompts: Prompts, multimask: bool = True) -> Prediction:
        frame = embedding.frame
        if prompts.points_yx is None:
            assert prompts.box_yxyx is not None
            at = (prompts.box_yxyx[:2] + prompts.box_yxyx[2:]) / 2
        else:
            at = prompts.points_yx[0]
        (x, y), (height, width) = frame.points_to_model(at), frame.input_hw
        pixels = embedding.pixels
        value = pixels[min(int(y), height - 1), min(int(x), width - 1)]
        areas, _ = ndimage.label(pixels == value)
        area = areas == areas[min(int(y), height - 1), min(int(x), width - 1)]
        low_res = np.stack([area, pixels > 0] if multimask else [area])
        rows = np.arange(frame.original_hw[0]) * height // frame.original_hw[0]
        columns = np.arange(frame.original_hw[1]) * width // frame.original_hw[1]
        masks = low_res[:, rows[:, None], columns[None, :]]
        logits = np.zeros((len(masks), MODEL // 4, MODEL // 4), np.float32)
        return Prediction(masks, np.array([0.9, 0.5][: len(masks)], np.float32), logits)

    def predict_many(
        self, embedding: Encoded, prompts: Sequence[Prompts], multimask: bool = False, **others: Any
    ) -> list[Prediction]:
        return [self.predict(embedding, one, multimask) for one in prompts]


class Counted(PlaneReader):
    """Remembers which windows were read."""

    def __init__(self, data: Any, plane: Plane) -> None:
        super().__init__([data], plane)
        self.windows: list[Window] = []

    def __call__(self) -> np.ndarray[Any, Any]:
        raise AssertionError("a large plane must not be read as a whole")

    def window(self, window: Window) -> Reading:
        self.windows.append(window)
        return super().window(window)


class Desk:
    """An engine on one large image."""

    def __init__(self, image: np.ndarray[Any, Any]) -> None:
        self.painter = Painter()
        self.said: list[str] = []
        self.engine = Engine(lambda choice, warn: self.painter, self.said.append, self.said.append)
        self.plane = Plane((0, 1), (), (image.shape[0], image.shape[1]))
        self.reader = Counted(image, self.plane)

    def job(self, *objects: ObjectPrompts, **changes: Any) -> SegmentJob:
        values = {"prompts": objects, "view_yx": WHOLE_VIEW, **changes}
        return SegmentJob(ModelChoice(), "image", self.plane, None, self.reader, **values)

    def ask(self, *objects: ObjectPrompts, **changes: Any) -> tuple[Candidates, ...]:
        return self.engine.run(self.job(*objects, **changes), Token()).objects

    def mask(self, found: Candidates, choice: int | None = None) -> np.ndarray[Any, Any]:
        whole = np.zeros(self.plane.shape_hw, bool)
        mask, (top, left) = found.prediction.masks[found.shown(choice)], found.top_left
        whole[top : top + mask.shape[0], left : left + mask.shape[1]] = mask
        return whole


def click(row: float, column: float) -> ObjectPrompts:
    return ObjectPrompts(Prompts([[row, column]], [1]))


def box(*corners: float) -> ObjectPrompts:
    return ObjectPrompts(Prompts(box_yxyx=corners))


def iou(first: np.ndarray[Any, Any], second: np.ndarray[Any, Any]) -> float:
    return float((first & second).sum() / (first | second).sum())


@pytest.fixture
def image() -> np.ndarray[Any, Any]:
    image = np.zeros((SIDE, SIDE), np.uint8)
    image[100:1100, 200:1400] = 50  # spans many windows
    image[1500:1520, 1500:1516] = 100  # small
    image[1600:1700, 300:420] = 150
    image[1650:1750, 500:640] = 200
    return image


@pytest.fixture
def desk(image: np.ndarray[Any, Any]) -> Desk:
    return Desk(image)


@pytest.mark.parametrize("view", [WHOLE_VIEW, (600, 600, 680, 680), (300, 300, 700, 700), None])
def test_an_object_is_found_whole_however_close_the_view_is(desk: Desk, image: Any, view: Any):
    (found,) = desk.ask(click(640, 640), view_yx=view)
    assert iou(desk.mask(found), image == 50) > 0.95
    assert len(desk.reader.windows) <= 6


def test_from_close_by_it_is_said_that_a_larger_part_is_looked_at(desk: Desk):
    desk.ask(click(640, 640), view_yx=(600, 600, 680, 680))
    assert any("larger than the window" in text for text in desk.said)


@pytest.mark.parametrize("view", [(1200, 1200, 1700, 1700), (1400, 1400, 1700, 1700), (1490, 1490, 1530, 1530)])
def test_a_small_object_is_sharp_at_every_view_that_shows_it(desk: Desk, image: Any, view: Any):
    (found,) = desk.ask(click(1510, 1508), view_yx=view)
    assert iou(desk.mask(found), image == 100) > 0.9


def test_masks_are_as_large_as_the_object_not_as_the_plane(desk: Desk):
    (found,) = desk.ask(click(1650, 350), view_yx=(1500, 200, 1800, 500))
    assert max(found.prediction.masks.shape[1:]) <= 512
    assert len(found) == 2


def test_neighbouring_clicks_share_an_embedding(desk: Desk):
    view = (1500, 200, 1800, 500)
    desk.ask(click(1650, 350), view_yx=view)
    encoded = len(desk.painter.shapes)
    desk.ask(click(1655, 352), view_yx=view)
    desk.ask(click(1640, 345), view_yx=view)
    assert len(desk.painter.shapes) == encoded


def test_no_more_is_read_than_the_windows(desk: Desk):
    desk.ask(click(1650, 350), view_yx=(1600, 300, 1660, 360))
    assert sum(window.height * window.width for window in desk.reader.windows) < SIDE * SIDE / 4
    assert all(max(shape[:2]) <= 2 * MODEL for shape in desk.painter.shapes)


def test_several_boxes_are_each_looked_at_and_share_windows(desk: Desk, image: Any):
    found = desk.ask(box(1500, 1500, 1519, 1515), box(1600, 300, 1699, 419), box(100, 200, 1099, 1399))
    assert [len(one) for one in found] == [1, 1, 1]
    piece = compose(found, None)
    whole = np.zeros((SIDE, SIDE), np.uint16)
    (top, left), (height, width) = piece.top_left, piece.labels.shape
    whole[top : top + height, left : left + width] = piece.labels
    for label, value in ((1, 100), (2, 150), (3, 50)):
        assert iou(whole == label, image == value) > 0.9
    encoded = len(desk.painter.shapes)
    desk.ask(box(1600, 300, 1699, 419), box(1602, 303, 1690, 410))
    assert len(desk.painter.shapes) == encoded


def test_negative_points_elsewhere_do_not_widen_the_mask(desk: Desk, image: Any):
    prompts = ObjectPrompts(Prompts([[1650, 350], [1700, 560]], [1, 0]))
    (found,) = desk.ask(prompts, view_yx=(1600, 300, 1700, 420))
    assert iou(desk.mask(found), image == 150) > 0.85


def test_a_committed_object_needs_no_window(desk: Desk):
    mask = PlaneMask((700, 800), np.ones((3, 4), bool))
    (found,) = desk.ask(ObjectPrompts(Prompts(), mask, object_id=3))
    assert found.top_left == (700, 800)
    assert found.prediction.masks.shape == (1, 3, 4)
    assert desk.painter.shapes == []


def test_a_candidate_that_is_cut_off_is_seen_whole_once_it_is_chosen(desk: Desk, image: Any):
    view = (1600, 300, 1660, 360)
    (found,) = desk.ask(click(1650, 350), view_yx=view)
    assert found.first == 0
    assert found.unsettled == {1}
    assert desk.mask(found, 1).sum() < (image > 0).sum() / 2
    (chosen,) = desk.ask(click(1650, 350), view_yx=view, choice=1)
    assert 1 not in chosen.unsettled
    assert iou(desk.mask(chosen, 1), image > 0) > 0.95


def test_what_is_larger_than_the_largest_window_is_said(monkeypatch: pytest.MonkeyPatch):
    from napari_sam.geometry import window

    monkeypatch.setattr(window, "LARGEST_SIDE", 512)
    desk = Desk(np.full((SIDE, SIDE), 9, np.uint8))
    answer = desk.engine.run(desk.job(click(1000, 1000)), Token())
    assert any("512" in note for note in answer.notes)
    assert max(answer.objects[0].prediction.masks.shape[1:]) <= 512


class TestPreparing:
    def test_the_visible_part_is_prepared_and_the_preview_uses_it(self, desk: Desk):
        base = desk.job(view_yx=(1500, 200, 1800, 500))
        assert desk.engine.run(base, Token()).objects == ()
        (window,) = desk.reader.windows
        assert window.holds((1550, 250, 1750, 450))
        answer = desk.engine.run(HoverJob(base, (1650.0, 350.0)), Token())
        assert answer.drawing is not None
        np.testing.assert_allclose(answer.drawing.shape, (100, 120), atol=16)
        np.testing.assert_allclose(answer.top_left, (1600, 300), atol=16)
        assert len(desk.painter.shapes) == 1, "the preview encodes nothing"

    def test_without_a_canvas_nothing_is_encoded_in_advance(self, desk: Desk):
        desk.engine.run(desk.job(view_yx=None), Token())
        assert desk.painter.shapes == []

    def test_the_preview_has_nothing_to_show_elsewhere(self, desk: Desk):
        base = desk.job(view_yx=(1500, 200, 1800, 500))
        desk.engine.run(base, Token())
        assert desk.engine.run(HoverJob(base, (10.0, 1990.0)), Token()).drawing is None
        assert len(desk.painter.shapes) == 1


class TestStopping:
    def test_cancel_stops_between_windows(self, desk: Desk):
        token = Token()
        desk.painter.on_encode = lambda: len(desk.painter.shapes) == 2 and token.cancel()
        with pytest.raises(Cancelled):
            desk.engine.run(desk.job(click(640, 640), view_yx=(600, 600, 680, 680)), token)
        assert len(desk.painter.shapes) == 2

    @pytest.mark.parametrize(("at", "kept"), [((645, 650), True), ((1650, 350), False)])
    def test_a_newer_click_waits_for_the_same_window_only(self, desk: Desk, at: tuple[int, int], kept: bool):
        view = (600, 600, 680, 680)
        token = Token()
        newer = desk.job(click(*at), view_yx=view)
        desk.painter.on_encode = lambda: token.supersede(newer)
        with pytest.raises(Cancelled):
            desk.engine.run(desk.job(click(640, 640), view_yx=view), token)
        assert len(desk.painter.shapes) == 1
        desk.painter.on_encode = lambda: None
        desk.engine.run(desk.job(click(640, 640), view_yx=view), Token())
        first = desk.reader.windows[0]
        assert (desk.reader.windows.count(first) == 1) == kept


def test_planes_the_model_can_see_whole_are_read_whole():
    image = np.zeros((96, 90), np.uint8)
    image[20:40, 30:60] = 7
    desk = Desk(image)
    read: list[int] = []

    def whole() -> Any:
        read.append(1)
        return image

    job = replace(desk.job(click(30, 40)), read=whole)
    (found,) = desk.engine.run(job, Token()).objects
    assert read == [1]
    assert found.top_left == (0, 0)
    assert found.prediction.masks.shape[1:] == image.shape
