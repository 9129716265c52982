"""Proposals are written and drawn piece by piece, and look as if the whole plane had been written."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from napari.layers import Labels

from napari_sam.errors import ImageError
from napari_sam.gui.compute.candidates import Piece
from napari_sam.gui.proposal import write_proposal
from napari_sam.gui.view.planes import Plane

HEIGHT, WIDTH = 12, 16


class View:
    """What the viewer shows: one plane, upright."""

    is_transposed = False

    def __init__(self, shown: Plane | None) -> None:
        self._shown = shown

    def plane(self) -> Plane:
        if self._shown is None:
            raise ImageError("a volume")
        return self._shown


def plane_of(z: int) -> Plane:
    return Plane((1, 2), (z,), (HEIGHT, WIDTH))


class Screen:
    """What OpenGL was told of a layer: whole planes and parts of them."""

    def __init__(self, layer: Labels) -> None:
        self._layer = layer
        self.image = np.array(layer.data[0])
        self.whole = self.parts = 0
        layer.events.labels_update.connect(self._on_part)
        layer.events.set_data.connect(self._on_whole)

    def _on_part(self, event: Any) -> None:
        self.parts += 1
        top, left = event.offset
        height, width = event.data.shape
        self.image[top : top + height, left : left + width] = event.data

    def _on_whole(self, event: Any) -> None:
        self.whole += 1
        self.image = np.array(self._layer.data[0])


@st.composite
def pieces(draw: st.DrawFn) -> Piece | int:
    if draw(st.booleans()) and draw(st.booleans()):
        return 0
    top, left = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - 1))
    height, width = draw(st.integers(0, HEIGHT - top)), draw(st.integers(0, WIDTH - left))
    seed = draw(st.integers(0, 5))
    return Piece((top, left), np.random.default_rng(seed).integers(0, 3, (height, width)).astype(np.uint16))


def whole(piece: Piece | int) -> np.ndarray[Any, Any]:
    plane = np.zeros((HEIGHT, WIDTH), np.uint16)
    if not isinstance(piece, int):
        (top, left), (height, width) = piece.top_left, piece.labels.shape
        plane[top : top + height, left : left + width] = piece.labels
    return plane


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(pieces(), st.integers(0, 1), st.booleans()), max_size=6))
def test_equal_to_writing_whole_planes_whatever_came_before(steps: list[tuple[Piece | int, int, bool]]) -> None:
    layer = Labels(np.zeros((2, HEIGHT, WIDTH), np.uint16))
    screen, expected = Screen(layer), np.zeros((2, HEIGHT, WIDTH), np.uint16)
    for piece, z, is_painted in steps:
        if is_painted:  # the user painted into the proposal meanwhile
            layer.data_setitem((np.array([0]), np.array([HEIGHT - 1]), np.array([0])), 7)
            expected[0, HEIGHT - 1, 0] = 7
        write_proposal(layer, plane_of(z), piece, View(plane_of(0)))
        expected[z] = whole(piece)
        assert np.array_equal(layer.data, expected)
        assert np.array_equal(screen.image, expected[0])
    assert screen.whole == 0


def test_only_the_rectangle_that_changes_is_drawn_and_nothing_where_nothing_does() -> None:
    layer = Labels(np.zeros((2, HEIGHT, WIDTH), np.uint16))
    drawn: list[tuple[Any, Any]] = []
    layer.events.labels_update.connect(lambda event: drawn.append((tuple(event.offset), event.data.shape)))
    view, piece = View(plane_of(0)), Piece((2, 3), np.ones((4, 5), np.uint16))
    write_proposal(layer, plane_of(0), piece, view)
    write_proposal(layer, plane_of(0), piece, view)
    write_proposal(layer, plane_of(1), piece, view)
    write_proposal(layer, plane_of(0), 0, view)
    write_proposal(layer, plane_of(0), 0, view)
    assert drawn == [((2, 3), (4, 5)), ((2, 3), (4, 5))]
    assert not layer._undo_history


@pytest.mark.parametrize("why", ["volume", "transposed", "contour", "chunks"])
def test_what_cannot_be_drawn_in_parts_is_drawn_whole(why: str) -> None:
    import zarr

    data: Any = np.zeros((2, HEIGHT, WIDTH), np.uint16)
    if why == "chunks":
        data = zarr.create_array(
            zarr.storage.MemoryStore(), shape=data.shape, chunks=(1, 8, 8), dtype=np.uint16, fill_value=0
        )
    layer = Labels(data)
    layer.contour = 1 if why == "contour" else 0
    screen = Screen(layer)
    plane = plane_of(0)
    view: Any = SimpleNamespace(is_transposed=why == "transposed", plane=View(None if why == "volume" else plane).plane)
    piece = Piece((2, 3), np.ones((4, 5), np.uint16))
    write_proposal(layer, plane, piece, view)
    assert (screen.parts, screen.whole) == (0, 1)
    assert np.array_equal(np.asarray(layer.data[0]), whole(piece))
    write_proposal(layer, plane, 0, view)
    assert not np.asarray(layer.data[0]).any()


def test_a_hidden_proposal_is_right_when_it_is_shown_again() -> None:
    layer = Labels(np.zeros((2, HEIGHT, WIDTH), np.uint16))
    layer.visible = False
    screen = Screen(layer)
    piece = Piece((2, 3), np.ones((4, 5), np.uint16))
    write_proposal(layer, plane_of(0), piece, View(plane_of(0)))
    layer.visible = True
    assert np.array_equal(screen.image, whole(piece))
