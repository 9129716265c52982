"""Stacks, lazy and multiscale data, colour, and images that lie somewhere else than at pixel coordinates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array
import numpy as np
import pytest

from tests.gui.conftest import Bench
from tests.gui.fakes import FakePredictor

pytestmark = pytest.mark.gui
ROLES = ("points", "boxes", "proposal", "objects")


def test_derived_layers_lie_exactly_over_the_image_and_follow_it(open_bench: Callable[..., Bench], image: np.ndarray):
    affine = np.array([[1, 0.1, 4], [0, 1.2, 5], [0, 0, 1]])
    bench = open_bench(
        image, scale=(0.5, 0.25), translate=(7, 9), rotate=10, affine=affine, units=("um", "um"), axis_labels=("v", "w")
    )
    layer = bench.viewer.layers[0]

    def check() -> None:
        for role in ROLES:
            derived = bench.layer(role)
            np.testing.assert_allclose(derived.data_to_world((3, 4)), layer.data_to_world((3, 4)))
            assert derived.units == layer.units
            assert derived.axis_labels == layer.axis_labels

    check()
    bench.click(30, 40)
    assert bench.proposal[30, 40] == 1
    layer.translate = (70, 90)
    layer.scale = (3, 3)
    check()
    bench.widget.commit()
    assert bench.objects[30, 40] == 1


def test_a_click_in_world_coordinates_marks_the_pixel_under_it(open_bench: Callable[..., Bench]):
    bench = open_bench(
        np.zeros((4, 50, 60), np.uint8), scale=(2.5, 0.5, 0.25), translate=(10, 20, 30), contrast_limits=(0, 255)
    )
    bench.viewer.dims.set_point(0, 10 + 2.5 * 2)
    points = bench.layer("points")
    world = bench.viewer.layers[0].data_to_world((2, 30, 40))
    points.add(points.world_to_data(world))
    assert bench.widget.wait(20)
    assert bench.proposal[2, 30, 40] == 1
    assert not bench.proposal[[0, 1, 3]].any()


def test_prompts_belong_to_their_slice(open_bench: Callable[..., Bench], fake: FakePredictor):
    stack = np.random.default_rng(0).integers(0, 255, (5, 40, 50)).astype(np.uint8)
    bench = open_bench(stack, contrast_limits=(0, 255))

    def go(position: int) -> None:
        bench.viewer.dims.set_current_step(0, position)
        assert bench.widget.wait(20)

    go(1)
    bench.click(1, 20, 20)
    go(3)
    assert not bench.proposal[3].any()
    assert bench.status.startswith("Ready")
    bench.click(3, 25, 30)
    encoded = len(fake.images)
    go(1)
    assert "candidate" in bench.status
    bench.widget.next_candidate()
    assert len(fake.images) == encoded, "a slice seen before is not encoded again"
    bench.widget.commit()
    assert bench.objects[1, 20, 20] == 1
    assert not bench.objects[3].any()
    assert bench.proposal[3, 25, 30] == 1, "the other slice keeps its prompts and proposal"
    np.testing.assert_array_equal(bench.layer("points").data, [[3, 25, 30]])
    go(3)
    bench.widget.commit()
    assert bench.objects[3, 25, 30] == 2
    np.testing.assert_array_equal(fake.images[-1], stack[3])


def test_undo_on_another_slice_clears_the_proposal_there(open_bench: Callable[..., Bench]):
    bench = open_bench(np.zeros((3, 40, 50), np.uint8))
    bench.viewer.dims.set_current_step(0, 0)
    bench.click(0, 20, 20)
    assert bench.proposal.any()
    bench.viewer.dims.set_current_step(0, 2)
    assert bench.widget.wait(20)
    bench.widget.undo()
    assert bench.widget.wait(20)
    assert not bench.proposal.any()


def test_only_the_shown_plane_of_a_lazy_stack_is_read(open_bench: Callable[..., Bench]):
    read: set[tuple[int, ...]] = set()

    def block(block_info: Any = None) -> np.ndarray:
        location = block_info[None]["chunk-location"]
        read.add(location[:2])
        return np.full((1, 1, 40, 50), 10 * location[0] + location[1], np.uint16)

    data = dask.array.map_blocks(
        block, chunks=((1,) * 6, (1,) * 7, (40,), (50,)), dtype=np.uint16, meta=np.empty((0,) * 4, np.uint16)
    )
    bench = open_bench(data, contrast_limits=(0, 100))
    bench.viewer.dims.current_step = (2, 5, 0, 0)
    assert bench.widget.wait(20)
    read.clear()
    bench.click(2, 5, 20, 20)
    assert bench.proposal[2, 5, 20, 20] == 1
    bench.widget.commit()
    assert bench.widget.wait(20)
    assert bench.objects.shape == (6, 7, 40, 50)
    assert bench.objects[2, 5, 20, 20] == 1
    assert read <= {(2, 5)}


def test_another_pair_of_axes_can_be_segmented(open_bench: Callable[..., Bench], fake: FakePredictor):
    stack = np.random.default_rng(0).integers(0, 255, (30, 40, 50)).astype(np.uint8)
    bench = open_bench(stack, contrast_limits=(0, 255))
    bench.viewer.dims.order = (1, 0, 2)
    bench.viewer.dims.set_current_step(1, 7)
    bench.click(15, 7, 25)
    np.testing.assert_array_equal(fake.images[-1], stack[:, 7])
    assert bench.proposal[15, 7, 25] == 1
    assert set(np.nonzero(bench.proposal)[1]) == {7}
    bench.widget.commit()
    assert bench.objects[15, 7, 25] == 1


def test_colour_images_are_handed_over_whole(open_bench: Callable[..., Bench], fake: FakePredictor):
    colour = np.random.default_rng(0).integers(0, 255, (40, 50, 3)).astype(np.uint8)
    bench = open_bench(colour, rgb=True)
    bench.click(20, 20)
    np.testing.assert_array_equal(fake.images[-1], colour)
    assert fake.limits[-1] is None
    assert bench.proposal.shape == (40, 50)
    bench.widget.commit()
    assert bench.objects[20, 20] == 1


def test_multiscale_images_are_segmented_at_full_resolution(open_bench: Callable[..., Bench], fake: FakePredictor):
    full = np.random.default_rng(0).integers(0, 255, (128, 160)).astype(np.uint8)
    bench = open_bench([full, full[::2, ::2], full[::4, ::4]], multiscale=True, contrast_limits=(0, 255))
    bench.click(100, 150)
    np.testing.assert_array_equal(fake.images[-1], full)
    assert bench.proposal.shape == full.shape
    assert bench.proposal[100, 150] == 1


def test_the_volume_view_says_what_to_do_and_comes_back(open_bench: Callable[..., Bench]):
    bench = open_bench(np.zeros((4, 40, 50), np.uint8))
    bench.viewer.dims.ndisplay = 3
    assert bench.widget.wait(20)
    assert "2D" in bench.status
    bench.widget.commit()
    bench.widget.next_candidate()
    bench.widget.clear()
    bench.viewer.dims.ndisplay = 2
    bench.viewer.dims.set_current_step(0, 0)
    assert bench.widget.wait(20)
    bench.click(0, 20, 20)
    assert bench.proposal[0, 20, 20] == 1


def test_label_arrays_of_huge_stacks_exist_only_where_written(
    open_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
):
    import zarr

    from napari_sam.gui import layers

    monkeypatch.setattr(layers, "SPARSE_ABOVE", 1000)
    bench = open_bench(dask.array.zeros((50, 64, 64), chunks=(1, 64, 64), dtype=np.uint8), contrast_limits=(0, 1))
    assert isinstance(bench.layer("objects").data, zarr.Array)
    bench.viewer.dims.set_current_step(0, 0)
    bench.click(0, 30, 30)
    bench.widget.commit()
    bench.widget.undo()
    bench.widget.redo()
    assert bench.objects[0, 30, 30] == 1
    assert bench.layer("objects").data.nchunks_initialized == 1
