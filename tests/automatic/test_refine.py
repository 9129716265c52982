"""Labels, points and boxes as prompts: ids stay, outlines become the model's, runaways are treated as asked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.labels import records_to_labels
from napari_sam.automatic.prompted import (
    candidates_from_boxes,
    candidates_from_labels,
    candidates_from_points,
    label_masks,
)
from napari_sam.automatic.refine import RefineConfig, refine_labels, segment_plane_from_labels
from napari_sam.automatic.select import record_of
from napari_sam.errors import Cancelled, PromptError
from napari_sam.geometry.rle import rle_to_mask
from napari_sam.io.array_source import array_source
from tests.automatic.bright import disk, picture
from tests.automatic.bright_predictor import BrightPredictor

SHAPE = (64, 64)
CENTRES = {3: (15, 15), 7: (18, 45), 40: (48, 30)}


@pytest.fixture
def truth() -> NDArray[np.uint16]:
    """Three disks, numbered 3, 7 and 40."""
    labels = np.zeros(SHAPE, np.uint16)
    for label, centre in CENTRES.items():
        labels[disk(SHAPE, centre, 10)] = label
    return labels


@pytest.fixture
def predictor() -> Any:
    return BrightPredictor()


def agree(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Whether two label images are the same up to pixels on the outlines: masks pass through 64 x 64 logits."""
    return bool(np.mean(one != other) < 0.01)


def eroded(labels: NDArray[Any], by: int = 4) -> NDArray[Any]:
    return np.where(ndimage.binary_erosion(labels > 0, iterations=by), labels, 0).astype(labels.dtype)


def test_objects_keep_their_ids_and_get_the_outline_the_model_sees(predictor: Any, truth: NDArray[Any]):
    for rough in (eroded(truth), np.where(ndimage.binary_dilation(truth > 0), ndimage.grey_dilation(truth, 3), 0)):
        refined = refine_labels(predictor, picture(truth > 0), rough.astype(np.uint16))
        assert refined.dtype == np.uint16
        assert agree(refined, truth)
    assert len(predictor.encoded) == 2, "a plane is encoded once for all of its objects"


@pytest.mark.parametrize(("runaway", "left"), [("keep", [3, 7, 9, 40]), ("drop", [7, 40]), ("accept", [3, 7, 40])])
def test_what_runs_away_is_treated_as_asked(predictor: Any, truth: NDArray[Any], runaway: Any, left: list[int]):
    image = picture(truth > 0)
    rough = eroded(truth)
    rough[58:62, 58:62] = 9  # nothing is there
    rough[15, 15], rough[11:20, 11:20] = 3, 3
    image[:30, :32] = 250  # object 3 lies on something much larger
    refined = refine_labels(predictor, image, rough, RefineConfig(runaway=runaway))
    assert sorted(np.unique(refined)) == [0, *left]
    if runaway == "keep":
        assert np.array_equal(refined == 3, rough == 3)
        assert np.array_equal(refined == 9, rough == 9)
    assert np.mean((refined == 40) != (truth == 40)) < 0.01


def test_how_much_is_too_much_is_a_parameter(predictor: Any, truth: NDArray[Any]):
    rough = eroded(truth, 3)  # IoU with the whole disks: about one half
    for least, changed in ((0.3, True), (0.8, False)):
        refined = refine_labels(predictor, picture(truth > 0), rough, RefineConfig(min_agreement=least))
        assert agree(refined, truth) == changed
        assert np.array_equal(refined, rough) != changed


def test_points_and_boxes_give_candidates_with_their_numbers(predictor: Any, truth: NDArray[Any]):
    embedding = predictor.encode(picture(truth > 0))
    points = list(CENTRES.values())
    told: list[tuple[int, int]] = []
    found = candidates_from_points(predictor, embedding, points, progress=lambda *at: told.append(at))
    assert found.ids.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert told == [(2, 3), (3, 3)]
    best = found.best()
    assert best.ids.tolist() == [1, 2, 3]
    assert np.array_equal(best.candidates.points_xy, np.array(points)[:, ::-1])
    records = [record_of(best.candidates, row) for row in range(3)]
    assert agree(records_to_labels(records, SHAPE) > 0, truth > 0)

    boxes = [(row - 10, column - 10, row + 10, column + 10) for row, column in points]
    found = candidates_from_boxes(predictor, embedding, boxes)
    assert found.ids.tolist() == [1, 2, 3]
    for row, label in enumerate(CENTRES):
        assert agree(rle_to_mask(record_of(found.candidates, row).rle), truth == label)
    assert len(candidates_from_boxes(predictor, embedding, np.zeros((0, 4))).candidates) == 0


def test_labels_give_one_candidate_each_ids_ascending(predictor: Any, truth: NDArray[Any]):
    embedding = predictor.encode(picture(truth > 0))
    found = candidates_from_labels(predictor, embedding, eroded(truth))
    assert found.ids.tolist() == [3, 7, 40]
    assert found.candidates.areas.tolist() == pytest.approx([np.count_nonzero(truth == i) for i in CENTRES], rel=0.05)
    assert predictor.checked == 3
    with pytest.raises(PromptError, match=r"Labels of shape \(3, 3\)"):
        candidates_from_labels(predictor, embedding, np.zeros((3, 3), int))


def test_a_plane_of_a_stack_gives_rows_and_records_with_the_ids_of_the_labels(predictor: Any, truth: NDArray[Any]):
    source = array_source(np.stack([np.zeros(SHAPE, np.uint8), picture(truth > 0)]), "ZYX")
    result = segment_plane_from_labels(predictor, source, (1,), eroded(truth), AutomaticJob())
    assert agree(result.labels, truth)
    assert [row.id for row in result.rows] == [3, 7, 40]
    for row, record in zip(result.rows, result.records, strict=True):
        assert row.area == np.count_nonzero(result.labels == row.id)
        assert np.array_equal(rle_to_mask(record.rle), result.labels == row.id)
    smaller = AutomaticJob().with_values({"max_area": 10})
    assert segment_plane_from_labels(predictor, source, (1,), eroded(truth), smaller).rows == ()


def test_large_planes_are_looked_at_in_tiles_by_the_size_of_the_objects(predictor: Any):
    truth = np.zeros((1500, 1200), np.int32)
    for label, centre in enumerate(((64, 60), (700, 1100), (1440, 30)), start=1):
        truth[disk(truth.shape, centre, 10)] = label
    truth[900:1300, 300:700] = 4
    refined = refine_labels(predictor, picture(truth > 0), np.where(truth == 4, truth, eroded(truth)))
    assert agree(refined, truth)
    assert [np.count_nonzero(refined == i) for i in (1, 2, 3)] == pytest.approx([317] * 3, rel=0.25)
    sides = sorted(max(image.shape) for image in predictor.encoded)
    assert len(sides) == 4
    assert sides[2] < 700, "small objects are seen from close by"


def test_what_cannot_be_refined_is_refused_or_nothing(predictor: Any, truth: NDArray[Any]):
    image = picture(truth > 0)
    assert not refine_labels(predictor, image, np.zeros(SHAPE, np.uint8)).any()
    assert not predictor.encoded
    with pytest.raises(PromptError, match=r"Labels of shape \(64, 3\)"):
        refine_labels(predictor, image, truth[:, :3])
    with pytest.raises(PromptError, match="whole numbers"):
        refine_labels(predictor, image, truth / 2)
    with pytest.raises(PromptError, match="from 0, got -1"):
        refine_labels(predictor, image, truth.astype(int) - 1)
    with pytest.raises(Cancelled):
        refine_labels(predictor, image, truth, cancelled=lambda: True)


def test_progress_counts_objects(predictor: Any, truth: NDArray[Any]):
    told: list[tuple[int, int]] = []
    refine_labels(predictor, picture(truth > 0), truth, progress=lambda *at: told.append(at))
    assert told == [(2, 3), (3, 3)]


def test_masks_of_labels_without_background_and_with_several_pieces():
    labels = np.array([[5, 5, 2], [2, 5, 2]])
    masks = label_masks(labels)
    assert list(masks) == [2, 5]
    for label, mask in masks.items():
        assert np.array_equal(mask.within(labels.shape), labels == label)
