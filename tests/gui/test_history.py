from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_sam.gui.history import Edit, History
from napari_sam.gui.prompting.prompts import PromptState


def edit(number: int) -> Edit:
    return Edit(str(number), PromptState(np.full((1, 2), number - 1)), PromptState(np.full((1, 2), number)))


def test_undo_and_redo_walk_the_same_steps():
    history = History()
    steps = [edit(1), edit(2)]
    for step in steps:
        history.push(step)
    assert [history.undo(), history.undo(), history.undo()] == [steps[1], steps[0], None]
    assert [history.redo(), history.redo(), history.redo()] == [steps[0], steps[1], None]


def test_a_new_step_forgets_what_was_undone():
    history = History()
    history.push(edit(1))
    history.undo()
    assert history.can_redo
    history.push(edit(2))
    assert not history.can_redo


def test_the_depth_is_bounded():
    history = History(limit=2)
    for number in range(5):
        history.push(edit(number))
    assert [step.label for step in iter(history.undo, None)] == ["4", "3"]


def test_the_memory_is_bounded_but_the_last_step_always_stays():
    history = History(max_bytes=40)
    for number in range(5):
        history.push(edit(number))
    assert [step.label for step in iter(history.undo, None)] == ["4", "3"]
    big = Edit("big", PromptState(np.zeros((0, 2))), PromptState(np.zeros((1000, 2))))
    history.push(big)
    assert history.undo_label == "big"
    assert history.nbytes == big.nbytes
    history.push(edit(6))
    assert history.undo_label == "6"
    assert history.nbytes == edit(6).nbytes


def test_it_tells_what_it_would_take_back_and_do_again():
    history = History()
    assert (history.undo_label, history.redo_label) == ("", "")
    history.push(edit(1))
    history.push(edit(2))
    history.undo()
    assert (history.undo_label, history.redo_label) == ("1", "2")


def test_every_step_is_announced_after_it_happened():
    history, said = History(), []
    history.recorded.connect(lambda what, step: said.append((what, step.label, history.undo_label)))
    applied = []
    history.push(edit(1))
    history.undo(lambda step: applied.append(("undo", len(said))))
    history.redo(lambda step: applied.append(("redo", len(said))))
    assert said == [("push", "1", "1"), ("undo", "1", ""), ("redo", "1", "1")]
    assert applied == [("undo", 1), ("redo", 2)]


def test_undone_steps_that_are_forgotten_free_their_memory():
    history = History()
    history.push(edit(1))
    history.push(edit(2))
    history.undo()
    history.undo()
    history.push(edit(3))
    assert history.nbytes == edit(3).nbytes


def test_the_steps_of_a_run_become_one_and_what_was_done_meanwhile_stays_between():
    history = History(limit=4)
    history.push(edit(1))
    for number in (2, 3, 4):
        history.push(replace(edit(number), run="walk"))
    history.push(edit(5))
    for number in (6, 7, 8, 9):
        history.push(replace(edit(number), run="walk"))
    before = history.nbytes
    history.join("walk")
    assert 0 < history.nbytes < before
    joined = list(iter(history.undo, None))
    assert [step.label for step in joined] == ["9", "5", "4", "1"], "a run counts as one step of the limit, too"
    assert [(int(step.before.points[0, 0]), int(step.after.points[0, 0])) for step in joined[::2]] == [(5, 9), (1, 4)]
