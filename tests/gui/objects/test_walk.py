"""Random walks: whatever the user does, undoing all of it leads back, and doing it again leads there again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from napari_sam.gui.prompting.prompts import PromptState
from tests.gui.conftest import Bench

PLACES = [(15, 15), (20, 40), (40, 25), (45, 60), (30, 50)]
STEPS = 25


def actions(bench: Bench, rng: np.random.Generator) -> Iterator[Callable[[], object]]:
    widget = bench.widget

    def place() -> tuple[int, int]:
        return PLACES[rng.integers(len(PLACES))]

    def somewhere() -> int:
        present = np.unique(bench.objects)
        return int(rng.choice(present[present > 0])) if present.any() else 1

    def policy(commit: Callable[[], object]) -> Callable[[], object]:
        def with_policy() -> None:
            widget["overlap"].value = str(rng.choice(["keep", "replace", "only background"]))
            widget["object_id"].value = int(rng.choice([0, 0, 0, 2]))
            commit()

        return with_policy

    def box() -> None:
        row, column = place()
        bench.box(np.array([[-6, -6], [-6, 6], [6, 6], [6, -6]]) + np.array([row, column]))

    weighted: list[tuple[int, Callable[[], object]]] = [
        (5, lambda: bench.click(*place(), negative=bool(rng.random() < 0.2))),
        (2, box),
        (2, widget.next_candidate),
        (6, policy(widget.commit)),
        (3, lambda: widget.edit_object(somewhere())),
        (1, lambda: widget.delete_object(somewhere())),
        (1, lambda: widget.merge_objects([somewhere(), somewhere()])),
        (1, widget.clear),
        (2, widget.undo),
        (1, widget.redo),
    ]
    chances = np.array([weight for weight, _ in weighted], float)
    for _ in range(STEPS):
        yield weighted[rng.choice(len(weighted), p=chances / chances.sum())][1]


def seen(bench: Bench) -> tuple[np.ndarray, PromptState, set[tuple[int, object]]]:
    session = bench.widget.session
    assert session is not None
    return bench.objects.copy(), session.tools.read(session.state), {record.key for record in session.editor.records}


def same(one: tuple[np.ndarray, PromptState, object], other: tuple[np.ndarray, PromptState, object]) -> None:
    np.testing.assert_array_equal(one[0], other[0])
    assert one[1].same_prompts(other[1])
    assert dict(one[1].choices) == dict(other[1].choices)
    assert one[2] == other[2]


@pytest.mark.parametrize("seed", range(3))
def test_undo_leads_back_and_redo_leads_there_again(bench: Bench, seed: int):
    rng = np.random.default_rng(seed)
    bench.layer("objects").data_setitem((np.arange(5), np.arange(5)), 30)
    start = seen(bench)
    for action in actions(bench, rng):
        action()
        assert bench.widget.wait(20)
    end, history, steps = seen(bench), bench.widget.session.history, 0
    while history.can_undo:
        bench.widget.undo()
        steps += 1
    assert steps > 5
    same(seen(bench), start)
    for _ in range(steps):
        bench.widget.redo()
    same(seen(bench), end)


def test_hand_painted_pixels_survive_every_step_back(bench: Bench):
    rng = np.random.default_rng(11)
    for action in actions(bench, rng):
        action()
        assert bench.widget.wait(20)
    bench.layer("objects").data_setitem((np.full(64, 30).clip(0, 63), np.arange(64)), 900)
    while bench.widget.session.history.can_undo:
        bench.widget.undo()
    assert (bench.objects[30, :64] == 900).all()
    assert np.count_nonzero(bench.objects) == 64
