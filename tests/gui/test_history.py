from __future__ import annotations

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
