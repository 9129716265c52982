"""A command that can do nothing says so; without an image nothing happens, and nothing is said."""

from __future__ import annotations

import pytest

from napari_sam.gui.keymap import KEYMAP
from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui
NOTHING_TO_DO = (
    "commit",
    "undo",
    "redo",
    "clear",
    "next_candidate",
    "previous_candidate",
    "edit_object",
    "delete_object",
    "merge_objects",
    "continue_object",
    "use_label",
)


def test_a_command_with_nothing_to_do_says_why(bench: Bench):
    said = set()
    for name in NOTHING_TO_DO:
        bench.widget["status"].value = ""
        getattr(bench.widget, name)()
        assert bench.widget.wait(20)
        assert bench.status, name
        said.add(bench.status)
    assert len(said) > 5, "not one answer for everything"


def test_continue_says_which_object_and_that_it_ends(bench: Bench):
    bench.click(30, 40)
    bench.widget.commit()
    bench.widget.continue_object()
    assert "object 1" in bench.status
    assert bench.widget["object_id"].value == 1
    bench.widget.continue_object()
    assert "new object" in bench.status
    assert bench.widget["object_id"].value == 0


def test_without_an_image_every_command_is_quiet(bench: Bench):
    for layer in list(bench.viewer.layers):
        bench.viewer.layers.remove(layer)
    assert bench.widget.wait(20)
    before = bench.status
    for action in KEYMAP:
        if action.method not in ("toggle_prompt", "toggle_hover"):
            getattr(bench.widget, action.method)()
    assert bench.widget.wait(20)
    assert bench.status == before
    assert len(bench.viewer.layers) == 0
