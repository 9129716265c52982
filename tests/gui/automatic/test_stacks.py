"""Stacks, colour, scaled and turned images, lazy data: the right plane is read, the result lies in the right place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
import pytest

from napari_sam.errors import FileFormatError
from tests.gui.automatic.conftest import Bench
from tests.gui.automatic.fakes import FakeSegmenter

pytestmark = pytest.mark.gui
Open = Callable[..., Bench]


def test_this_plane_of_a_stack_leaves_the_others_alone(open_bench: Open, stack: Any, fake: FakeSegmenter):
    bench = open_bench(stack, contrast_limits=(0, 4000))
    bench.viewer.dims.set_current_step(0, 3)
    bench.run(pred_iou_thresh=0.9)
    np.testing.assert_array_equal(fake.seen[-1][1], stack[3])
    assert bench.labels.shape == stack.shape
    assert bench.labels[3].any()
    assert not bench.labels[[0, 1, 2, 4]].any()
    first = bench.labels[3].copy()
    bench.viewer.dims.set_current_step(0, 1)
    bench.run()
    np.testing.assert_array_equal(bench.labels[3], first)
    ids = [set(np.unique(bench.labels[z])) - {0} for z in (1, 3)]
    assert not ids[0] & ids[1], "ids are unique over the layer"
    bench.set(pred_iou_thresh=0.95)
    np.testing.assert_array_equal(bench.labels[3], first)
    assert set(bench.widget.features["plane"]) == {1, 3}


def test_a_whole_stack_unlinked_and_linked(open_bench: Open, stack: Any, fake: FakeSegmenter):
    bench = open_bench(stack, contrast_limits=(0, 4000))
    bench.run("this stack", pred_iou_thresh=0.9)
    per_plane = len(np.unique(bench.labels[0])) - 1
    assert len(bench.ids) == 5 * per_plane
    assert [plane for plane, _, _ in fake.seen] == [(z,) for z in range(5)]
    unlinked = bench.layer
    bench.run(link="z")
    assert bench.layer is not unlinked, "a finished result is not overwritten"
    assert len(bench.ids) == per_plane
    assert bench.widget.features["planes"].tolist() == [5] * per_plane
    assert (bench.labels == bench.labels[0]).all()
    assert bench.widget.features["area"].iloc[0] == (bench.labels == bench.ids[0]).sum()
    bench.widget.delete_objects([bench.ids[1]])
    assert sorted(np.unique(bench.labels)) == sorted({0, *bench.ids})
    bench.widget.undo()
    assert len(bench.ids) == per_plane


def test_short_objects_are_dropped_at_the_end(open_bench: Open, stack: Any, fake: FakeSegmenter):
    bench = open_bench(stack, contrast_limits=(0, 4000))
    fake.fail, fake.broken = FileFormatError("plane (2,) is damaged"), {(2,)}
    bench.run("this stack", pred_iou_thresh=0.9, link="z", link_gap=0, min_length=3)
    assert bench.ids == []
    assert not bench.labels.any()
    assert "dropped" in bench.status


def test_a_broken_plane_is_named_and_the_rest_is_done(
    open_bench: Open, stack: Any, fake: FakeSegmenter, told: list[str]
):
    bench = open_bench(stack, contrast_limits=(0, 4000))
    fake.fail, fake.broken = FileFormatError("plane (2,) is damaged"), {(2,)}
    bench.run("this stack", pred_iou_thresh=0.9)
    assert any("plane (2,) is damaged" in text for text in told)
    assert [bool(bench.labels[z].any()) for z in range(5)] == [True, True, False, True, True]


def test_4d_links_within_each_time_point(open_bench: Open, fake: FakeSegmenter):
    data = np.random.default_rng(2).integers(0, 255, (2, 3, 40, 44)).astype(np.uint8)
    bench = open_bench(data)
    bench.run("this stack", pred_iou_thresh=0.9, link="z")
    per_plane = len(np.unique(bench.labels[0, 0])) - 1
    assert len(bench.ids) == 2 * per_plane
    assert bench.widget.features["planes"].tolist() == [3] * (2 * per_plane)
    bench.run(link="t")
    assert len(bench.ids) == 3 * per_plane
    assert not set(np.unique(bench.labels[:, 0])) & set(np.unique(bench.labels[:, 1])) - {0}


def test_linking_along_an_axis_that_is_not_there_is_refused(open_bench: Open, stack: Any, told: list[str]):
    bench = open_bench(stack, axis_labels=("z", "y", "x"))
    bench.run("this stack", link="t")
    assert bench.layer is None
    assert any("link" in text for text in told)


def test_another_axis_shown(open_bench: Open, stack: Any, fake: FakeSegmenter):
    bench = open_bench(stack, contrast_limits=(0, 4000))
    bench.viewer.dims.order = (1, 0, 2)
    bench.viewer.dims.set_current_step(1, 20)
    bench.run(pred_iou_thresh=0.9)
    np.testing.assert_array_equal(fake.seen[-1][1], stack[:, 20])
    assert bench.labels[:, 20].any()
    assert not np.delete(bench.labels, 20, axis=1).any()


def test_colour_scale_and_rotation(open_bench: Open, fake: FakeSegmenter):
    data = np.random.default_rng(3).integers(0, 255, (3, 40, 50, 3)).astype(np.uint8)
    place = {"scale": (2, 0.5, 0.5), "translate": (5, 6, 7), "rotate": 30, "units": ("um",) * 3}
    bench = open_bench(data, rgb=True, axis_labels=("z", "y", "x"), **place)
    bench.viewer.dims.set_point(0, 5 + 2 * 1)
    bench.run(pred_iou_thresh=0.9)
    np.testing.assert_array_equal(fake.seen[-1][1], data[1])
    image, layer = bench.viewer.layers[0], bench.layer
    assert layer.data.shape == (3, 40, 50)
    for name in ("scale", "translate", "rotate", "shear"):
        np.testing.assert_array_equal(getattr(layer, name), getattr(image, name))
    assert layer.units == image.units
    assert layer.axis_labels == image.axis_labels
    last = bench.widget.features.iloc[-1]
    bench.viewer.dims.set_point(0, 5)
    bench.widget.show_object(int(last["index"]))
    assert bench.viewer.dims.point[0] == pytest.approx(7)
    seen_at = image.world_to_data((7, *bench.viewer.scene.camera.center[-2:]))
    np.testing.assert_allclose(seen_at[1:], [last["row"], last["column"]], atol=1.5)


def test_lazy_and_multiscale_read_only_the_plane(open_bench: Open, stack: Any, fake: FakeSegmenter):
    read: list[int] = []

    def plane(block_info: Any = None) -> np.ndarray[Any, Any]:
        (z, _), *_ = block_info[None]["array-location"]
        read.append(z)
        return stack[z : z + 1]

    chunks = ((1,) * 5, (48,), (56,))
    lazy = da.map_blocks(plane, chunks=chunks, dtype=stack.dtype)
    bench = open_bench([lazy, lazy[:, ::2, ::2]], multiscale=True, contrast_limits=(0, 4000))
    bench.viewer.dims.set_current_step(0, 4)
    read.clear()
    bench.run(pred_iou_thresh=0.9)
    np.testing.assert_array_equal(fake.seen[-1][1], stack[4])
    assert set(read) == {4}
    assert bench.labels.shape == stack.shape


def test_selected_layers_one_after_the_other(open_bench: Open, stack: Any, image: Any):
    bench = open_bench(stack, name="stack", contrast_limits=(0, 4000))
    other = bench.viewer.add_image(image, name="flat", contrast_limits=(0, 255))
    bench.viewer.add_image(image, name="not me")
    bench.viewer.layers.selection = {bench.viewer.layers["stack"], other}
    bench.run("selected layers", pred_iou_thresh=0.9)
    shapes = {layer.data.shape for layer in bench.viewer.layers if layer.name.startswith("automatic")}
    assert shapes == {stack.shape, image.shape}
    assert all(layer.data.any() for layer in bench.viewer.layers if layer.name.startswith("automatic"))
    bench.widget["image"].value = bench.viewer.layers["stack"]
    assert bench.widget.wait(10)
    assert bench.labels.shape == stack.shape
    assert len(bench.ids) > 5
    bench.viewer.layers.selection = set()
    bench.run()
    assert "Select image layers" in bench.status


def test_planes_too_large_to_keep_their_masks(open_bench: Open, image: Any, fake: FakeSegmenter):
    bench = open_bench(image, contrast_limits=(0, 255))
    fake.tiled = True
    bench.run(pred_iou_thresh=0.9)
    count = len(bench.ids)
    assert count > 3
    bench.set(pred_iou_thresh=0.97)
    assert "pred iou thresh" in bench.widget["note"].value
    assert len(bench.ids) == count
    bench.widget.undo()
    assert not bench.labels.any()


def test_what_another_layer_knows_is_asked_about(open_bench: Open, stack: Any, fake: FakeSegmenter):
    bench = open_bench(stack, contrast_limits=(0, 4000), scale=(1, 2, 2))
    known = np.zeros(stack.shape, np.uint8)
    known[1, 10:20, 10:20] = 7
    viewer, widget = bench.viewer, bench.widget
    labels = viewer.add_labels(known, name="threshold", scale=(1, 2, 2))
    points = viewer.add_points([[1, 20, 30], [2, 60, 70], [1, 500, 500]], name="seeds")
    viewer.add_labels(np.zeros((3, 3), int), name="another size")
    boxes = viewer.add_shapes([[[2, 20, 20], [2, 20, 60], [2, 40, 60], [2, 40, 20]]], name="boxes")
    assert widget.wait(10)
    assert list(widget["source"].choices) == ["point grid", labels, points, boxes]
    viewer.dims.set_current_step(0, 1)
    for layer, kind, values in (
        (labels, "labels", known[1]),
        (points, "points", [[10, 15]]),
    ):
        bench.set(source=layer)
        bench.run()
        position, asked, found = fake.hints[-1]
        assert (position, asked) == ((1,), kind)
        np.testing.assert_allclose(found, values)
    assert set(np.unique(bench.labels)) == {0, 1}
    bench.set(source=labels)
    bench.run()
    np.testing.assert_array_equal(bench.labels[1], known[1], err_msg="the ids of the labels stay")
    bench.set(source=points)
    assert "Only with the point grid" in widget["job_hint"].value
    bench.run("this stack")
    assert [plane for plane, _, _ in fake.hints[-5:]] == [(z,) for z in range(5)]
    assert len(bench.ids) == 2
    assert bench.labels[2, 30, 35] > 0
    bench.set(source=boxes)
    bench.run()
    np.testing.assert_allclose(fake.hints[-3][2], [[10, 10, 20, 30]])
    viewer.layers.remove(boxes)
    assert widget.wait(10)
    assert widget["source"].value == "point grid"
