"""One object through a stack: where the walks go, where they end, and what they never touch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_sam.automatic.propagate import PropagateConfig, Step, Stop, propagate_object
from napari_sam.errors import Cancelled, ImageError, ParameterError, PromptError
from napari_sam.io.array_source import array_source
from tests.automatic.bright import BrightModel, cone, disk, picture

LAX = PropagateConfig(min_iou=0.5)


def run(stack: Any, masks: Any, config: PropagateConfig = LAX, **options: Any) -> list[Step]:
    model = options.pop("model", None) or BrightModel()
    return list(propagate_object(model, stack, masks, config, **options))


def filled(steps: list[Step], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    volume = np.zeros(shape, bool)
    for step in steps:
        if step.mask is not None:
            volume[step.position] = step.mask.within((shape[1], shape[2]))
    return volume


def stops(steps: list[Step]) -> dict[int, Stop]:
    return {step.position: step.stopped for step in steps if step.stopped is not None}


def test_an_object_is_found_on_all_its_planes_and_on_no_other() -> None:
    truth = cone([0, 6, 8, 10, 11, 10, 8, 6, 0, 0], drift=0.7)
    steps = run(picture(truth), {4: truth[4]})
    found = filled(steps, truth.shape)
    found[4] = truth[4]
    assert np.array_equal(found, truth)
    assert stops(steps) == {8: Stop.EMPTY, 0: Stop.EMPTY}
    assert [step.position for step in steps] == [5, 6, 7, 8, 3, 2, 1, 0]


def test_a_walk_that_reaches_the_end_of_the_stack_says_nothing() -> None:
    truth = cone([9, 9, 9])
    assert stops(run(picture(truth), {1: truth[1]})) == {}


@pytest.mark.parametrize(
    ("plane", "reason"),
    [
        (disk((48, 48), (24, 24), 8), Stop.SCORE),
        (disk((48, 48), (24, 24), 3), Stop.OVERLAP),
        (disk((48, 48), (24, 24), 20), Stop.GROWTH),
        (np.zeros((48, 48), bool), Stop.EMPTY),
    ],
)
def test_a_walk_ends_where_the_object_does(plane: NDArray[np.bool_], reason: Stop) -> None:
    stack = picture(cone([8, 8, 8, 8]))
    stack[2] = np.where(plane, 110 if reason is Stop.SCORE else 250, 20)
    steps = run(stack, {0: cone([8])[0]})
    assert stops(steps) == {2: reason}
    assert [step.position for step in steps] == [1, 2]
    assert steps[-1].mask is None


def test_thresholds_are_parameters() -> None:
    truth = cone([10, 8, 6, 4])
    for config, end in ((PropagateConfig(min_overlap=0.6), 2), (PropagateConfig(min_overlap=0.0), None)):
        assert next(iter(stops(run(picture(truth), {0: truth[0]}, config))), None) == end
    with pytest.raises(ParameterError, match="min_iou is 2"):
        PropagateConfig(min_iou=2)


def test_most_planes_and_directions() -> None:
    truth = cone([9] * 9)
    stack, given = picture(truth), {4: truth[4]}
    positions = [step.position for step in run(stack, given, PropagateConfig(max_planes=2))]
    assert positions == [5, 6, 3, 2]
    assert [step.position for step in run(stack, given, direction="forward")] == [5, 6, 7, 8]
    assert [step.position for step in run(stack, given, direction="backward")] == [3, 2, 1, 0]


def test_between_two_given_masks_both_sides_meet_in_the_middle_and_the_given_ones_stay() -> None:
    truth = cone([8] * 9)
    model = BrightModel()
    steps = run(picture(truth), {1: truth[1], 6: truth[6]}, model=model, direction="forward")
    assert [step.position for step in steps] == [2, 3, 5, 4, 7, 8]
    assert len(model.encoded) == 6


def test_where_one_side_ends_early_the_other_goes_past_the_middle() -> None:
    truth = cone([8] * 9)
    stack = picture(truth)
    stack[1] = 20  # seen from plane 0, the object ends at once
    steps = run(stack, {0: truth[0], 8: truth[8]})
    assert stops(steps[:1]) == {1: Stop.EMPTY}
    assert [step.position for step in steps[1:]] == [7, 6, 5, 4, 3, 2, 1]
    assert stops(steps) == {1: Stop.EMPTY}


def test_most_planes_counts_from_each_given_mask() -> None:
    truth = cone([8] * 12)
    steps = run(picture(truth), {0: truth[0], 11: truth[11]}, PropagateConfig(max_planes=2))
    assert [step.position for step in steps] == [1, 2, 10, 9]


def test_a_corrected_plane_leads_on() -> None:
    """On plane 3 the object touches a second one; a correction there keeps the rest from following both."""
    two = disk((48, 48), (24, 14), 7) | disk((48, 48), (24, 29), 8)
    left = disk((48, 48), (24, 14), 7)
    stack = picture(np.stack([left, left, left, two, left, left]))
    assert 3 in stops(run(stack, {0: left}))
    steps = run(stack, {0: left, 3: left})
    found = filled(steps, stack.shape)
    assert all(np.array_equal(found[z], left) for z in (1, 2, 4, 5))


def test_pieces_that_lie_elsewhere_are_left_out() -> None:
    class Scattered(BrightModel):
        def predict(self, embedding: Any, prompts: Any, multimask: bool = True) -> Any:
            found = super().predict(embedding, prompts, multimask)
            found.masks[0] |= embedding.pixels >= 100
            return found

    truth = cone([8, 8])
    stack = picture(truth)
    stack[1, 2:5, 2:5] = 250
    (step,) = run(stack, {0: truth[0]}, model=Scattered())
    assert np.array_equal(filled([step], truth.shape)[1], truth[1])


def test_of_large_planes_only_windows_around_the_object_are_read() -> None:
    read: list[int] = []

    class Watched:
        shape, dtype = (5, 8192, 8192), np.dtype(np.uint8)

        def __getitem__(self, selection: Any) -> NDArray[np.uint8]:
            plane, rows, columns = selection
            part = picture(
                disk((8192, 8192)[:0] or (rows.stop - rows.start, columns.stop - columns.start), (-99, -99), 1)
            )
            y, x = np.ogrid[rows, columns]
            part[(y - 5000 - plane) ** 2 + (x - 300) ** 2 <= 100] = 250
            read.append(part.size)
            return part

    given = np.zeros((8192, 8192), bool)
    given[4992:5013, 290:311] = disk((21, 21), (10, 10), 10)
    steps = run(Watched(), {2: given}, model=BrightModel(64))
    assert [step.position for step in steps if step.mask is not None] == [3, 4, 1, 0]
    bounds = {step.position: step.mask.bounds for step in steps if step.mask is not None}
    assert bounds == {z: (4990 + z, 290, 5010 + z, 310) for z in (3, 4, 1, 0)}
    assert max(read) <= 256**2


def test_a_window_that_cuts_the_object_gives_way_to_a_larger_one() -> None:
    truth = np.zeros((2, 400, 400), bool)
    truth[0, 200:206, 100:140] = True
    truth[1, 200:206, 100:280] = True
    model = BrightModel(64)
    config = PropagateConfig(min_iou=0.5, min_overlap=0.2, max_growth=5)
    (step,) = run(picture(truth), {0: truth[0]}, config, model=model)
    assert np.array_equal(filled([step], truth.shape)[1], truth[1])
    assert [max(part.shape) for part in model.encoded] == [256, 400]


def test_all_planes_are_shown_with_the_limits_of_the_plane_that_was_given() -> None:
    truth = cone([8, 8, 8, 0])
    stack = np.where(truth, 3000, 500).astype(np.uint16)
    stack[2] //= 10  # fades out: scaled by its own percentiles it would look like the others
    model = BrightModel()
    run(stack, {0: truth[0]}, model=model)
    assert set(model.limits) == {(500.0, 3000.0)}
    run(picture(truth), {0: truth[0]}, model=(plain := BrightModel()))
    assert set(plain.limits) == {None}
    run(stack, {0: truth[0]}, model=(given := BrightModel()), limits=(0, 4000))
    assert set(given.limits) == {(0, 4000)}


def test_any_axis_of_a_stack_with_more_axes() -> None:
    truth = cone([8, 8, 8])
    stack = np.stack([picture(truth), np.full(truth.shape, 20, np.uint8)], axis=1)  # t z y x, empty at z 1
    source = array_source(stack, "TZYX")
    assert [step.mask is None for step in run(source, {0: truth[0]}, along="T", at=[0])] == [False, False]
    assert stops(run(source, {0: truth[0]}, at=[1])) == {1: Stop.EMPTY}
    with pytest.raises(ImageError, match="`at` must say where along T"):
        run(source, {0: truth[0]})
    with pytest.raises(ImageError, match="no axis Q"):
        run(source, {0: truth[0]}, along="Q", at=[0])
    with pytest.raises(ImageError, match="no axis of planes"):
        run(stack[0, 0], {0: truth[0]})


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({}, "no mask to begin at"),
        ({7: np.ones((48, 48), bool)}, "plane 7, but the planes are 0 to 2"),
        ({1: np.ones((4, 4), bool)}, r"plane 1 has shape \(4, 4\)"),
        ({1: np.zeros((48, 48), bool)}, "plane 1 is empty"),
    ],
)
def test_what_cannot_be_begun_with_is_refused(masks: Any, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        run(picture(cone([8, 8, 8])), masks)


def test_cancel_keeps_what_was_found_and_progress_tells_how_far() -> None:
    truth = cone([9] * 6)
    told: list[tuple[int, int]] = []
    walk = propagate_object(
        BrightModel(),  # type: ignore[arg-type]
        picture(truth),
        {0: truth[0]},
        progress=lambda done, total: told.append((done, total)),
        cancelled=lambda: len(told) == 3,
    )
    steps = [next(walk), next(walk), next(walk)]
    with pytest.raises(Cancelled):
        next(walk)
    assert [step.position for step in steps] == [1, 2, 3]
    assert told == [(1, 5), (2, 5), (3, 5)]


def test_where_a_walk_ends_early_its_other_planes_count_as_done() -> None:
    truth = cone([9, 9, 0, 0, 0])
    told: list[tuple[int, int]] = []
    list(propagate_object(BrightModel(), picture(truth), {0: truth[0]}, progress=lambda *at: told.append(at)))  # type: ignore[arg-type]
    assert told == [(1, 4), (4, 4)]
