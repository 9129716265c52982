"""The mask under the mouse, in a viewer with synthetic mouse events."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks

from napari_sam.gui.layers import role_of
from tests.gui.conftest import Bench
from tests.gui.fakes import FakePredictor


class Mouse:
    """Moves over the canvas of a bench as far as plugins can tell."""

    def __init__(self, bench: Bench, qtbot: Any) -> None:
        self._bench = bench
        self._qtbot = qtbot

    def event(self, position: Any, modifiers: tuple[str, ...] = (), kind: str = "mouse_move") -> Any:
        return SimpleNamespace(
            type=kind, position=tuple(position), modifiers=modifiers, is_dragging=False, pos=(0, 0), button=1
        )

    def move(self, *position: float, modifiers: tuple[str, ...] = ()) -> None:
        mouse_move_callbacks(self._bench.viewer, self.event(position, modifiers))

    def press(self, *position: float) -> None:
        mouse_press_callbacks(self._bench.viewer, self.event(position, kind="mouse_press"))

    def rest(self, *position: float) -> None:
        """Move there and wait until the preview has caught up."""
        self.move(*position)
        self._qtbot.waitUntil(lambda: not self._bench.widget._vision._hover.pending, timeout=5000)


@pytest.fixture
def mouse(bench: Bench, qtbot: Any) -> Mouse:
    bench.widget["hover"].value = True
    return Mouse(bench, qtbot)


def shown(bench: Bench) -> set[tuple[int, ...]]:
    """Return the pixels of the image that are previewed."""
    layers = [layer for layer in bench.viewer.layers if role_of(layer) == "preview"]
    if not layers:
        return set()
    (layer,) = layers
    corners = np.argwhere(np.asarray(layer.data))
    image = bench.viewer.layers[0]
    return {tuple(np.round(image.world_to_data(layer.data_to_world(at))).astype(int)) for at in corners}


def disk(row: int, column: int, radius: int = 9) -> set[tuple[int, ...]]:
    rows, columns = np.indices((64, 80))
    return {tuple(at) for at in np.argwhere((rows - row) ** 2 + (columns - column) ** 2 <= radius**2)}


def test_the_preview_is_what_a_click_gives(bench: Bench, mouse: Mouse):
    mouse.rest(30, 40)
    assert shown(bench) == disk(30, 40)
    mouse.rest(20, 25)
    assert shown(bench) == disk(20, 25)
    mouse.press(20, 25)
    assert shown(bench) == set()
    bench.click(20, 25)
    assert {tuple(at) for at in np.argwhere(bench.proposal)} == disk(20, 25)


def test_it_disturbs_nothing(bench: Bench, mouse: Mouse, fake: FakePredictor):
    points, steps = bench.layer("points"), bench.widget.session.history.can_undo
    mouse.rest(30, 40)
    assert bench.viewer.layers.selection.active is points
    assert set(bench.viewer.layers.selection) == {points}
    assert points.mode == "add"
    assert len(points.data) == 0
    assert bench.widget.session.history.can_undo is steps
    assert len(fake.images) == 1, "nothing is encoded for a preview"
    assert fake.threads == {next(iter(fake.threads))}
    preview = bench.layer("preview")
    assert not preview.editable
    assert list(bench.viewer.layers).index(preview) < list(bench.viewer.layers).index(bench.layer("boxes"))


def test_no_layer_without_a_mouse(bench: Bench):
    bench.widget["hover"].value = True
    bench.click(30, 40)
    assert "preview" not in bench.roles()


@pytest.mark.parametrize(
    "leave",
    [
        lambda bench, mouse: mouse.move(-5, 40),
        lambda bench, mouse: mouse.move(30, 41, modifiers=("Control",)),
        lambda bench, mouse: setattr(bench.layer("points"), "mode", "pan_zoom") or mouse.move(30, 45),
        lambda bench, mouse: bench.widget.use_boxes(),
        lambda bench, mouse: bench.widget.toggle_prompt() or mouse.move(30, 45),
        lambda bench, mouse: setattr(bench.viewer, "mouse_over_canvas", False),
        lambda bench, mouse: setattr(bench.viewer.dims, "ndisplay", 3),
        lambda bench, mouse: bench.click(10, 10),
        lambda bench, mouse: mouse.press(30, 40),
    ],
    ids=["outside", "negative", "pan", "boxes", "polarity", "left the canvas", "volume", "prompt", "press"],
)
def test_it_goes_when_a_click_would_mean_something_else(bench: Bench, mouse: Mouse, leave: Callable[..., object]):
    bench.viewer.mouse_over_canvas = True
    mouse.rest(30, 40)
    assert shown(bench)
    leave(bench, mouse)
    assert shown(bench) == set()


def test_where_there_are_prompts_already_nothing_is_asked(bench: Bench, mouse: Mouse, fake: FakePredictor):
    bench.click(10, 10)
    asked = len(fake.asked)
    mouse.rest(40, 50)
    assert len(fake.asked) == asked
    bench.widget.commit()
    mouse.rest(40, 52)
    assert shown(bench) == disk(40, 52)


def test_the_newest_place_wins_and_a_small_move_is_none(bench: Bench, mouse: Mouse, fake: FakePredictor, qtbot: Any):
    slow = fake.predict
    fake.predict = lambda *args, **kwargs: time.sleep(0.1) or slow(*args, **kwargs)  # type: ignore[method-assign]
    for column in range(20, 60, 2):
        mouse.move(30, column)
        qtbot.wait(2)
    mouse.rest(30, 60)
    assert shown(bench) == disk(30, 60)
    assert len(fake.asked) <= 6, "places passed while the model was busy are not asked about"
    asked = len(fake.asked)
    mouse.rest(30.6, 60.4)
    assert len(fake.asked) == asked


def test_a_click_comes_first(bench: Bench, mouse: Mouse, fake: FakePredictor):
    slow = fake.predict
    fake.predict = lambda *args, **kwargs: time.sleep(0.05) or slow(*args, **kwargs)  # type: ignore[method-assign]
    mouse.move(30, 20)
    mouse.move(30, 60)
    bench.layer("points").add([40, 50])
    assert bench.widget.wait(20)
    np.testing.assert_array_equal(fake.asked[1].points_yx, [[40, 50]], "after the one that ran, the click")
    assert shown(bench) == set()


def test_it_switches_itself_on_for_a_quick_model_and_stays_as_the_user_wants(bench: Bench, fake: FakePredictor):
    switch = bench.widget["hover"]
    assert switch.value is False
    quick = fake.predict
    fake.predict = lambda *args, **kwargs: time.sleep(0.002) or quick(*args, **kwargs)  # type: ignore[method-assign]
    for row in (10, 20, 30):
        bench.click(row, 40)
        bench.widget.clear()
        assert bench.widget.wait(20)
    assert switch.value is True
    bench.widget.toggle_hover()
    assert switch.value is False
    bench.click(40, 40)
    assert switch.value is False


def test_switched_off_the_layer_is_gone_and_the_tool_in_hand_stays(bench: Bench, mouse: Mouse):
    mouse.rest(30, 40)
    assert "preview" in bench.roles()
    bench.widget["hover"].value = False
    assert "preview" not in bench.roles()
    assert bench.viewer.layers.selection.active is bench.layer("points")
    mouse.rest(20, 20)
    assert "preview" not in bench.roles()


def test_the_layer_may_be_deleted_and_comes_back(bench: Bench, mouse: Mouse):
    mouse.rest(30, 40)
    bench.viewer.layers.remove(bench.layer("preview"))
    bench.viewer.layers.selection.active = bench.layer("points")
    mouse.rest(20, 20)
    assert shown(bench) == disk(20, 20)


def test_nothing_is_left_behind_at_the_close(bench: Bench, mouse: Mouse):
    mouse.rest(30, 40)
    moves, drags = list(bench.viewer.mouse_move_callbacks), list(bench.viewer.mouse_drag_callbacks)
    bench.widget.close()
    assert "preview" not in bench.roles()
    assert len(bench.viewer.mouse_move_callbacks) == len(moves) - 1
    assert len(bench.viewer.mouse_drag_callbacks) == len(drags) - 1
    mouse.move(20, 20)


def test_in_a_scaled_rotated_stack_it_lies_on_its_slice(open_bench: Any, qtbot: Any):
    stack = np.random.default_rng(0).integers(0, 255, (3, 64, 80)).astype(np.uint8)
    bench = open_bench(stack, contrast_limits=(0, 255), scale=(2, 0.5, 0.5), translate=(1, 3, 4), rotate=(0, 0, 20))
    bench.viewer.dims.set_current_step(0, 2)
    assert bench.widget.wait(20)
    bench.widget["hover"].value = True
    mouse = Mouse(bench, qtbot)
    mouse.rest(*bench.viewer.layers[0].data_to_world((2, 30, 40)))
    # The way to the world and back moves the place by a rounding error, and a pixel at the rim with it.
    assert len(shown(bench) ^ {(2, *at) for at in disk(30, 40)}) <= 4
    bench.viewer.dims.set_current_step(0, 0)
    assert shown(bench) == set()
