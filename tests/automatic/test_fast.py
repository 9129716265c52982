"""Fast mode: which points it leaves out, and that it is exact mode otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from napari_sam import AutomaticConfig, AutomaticMaskGenerator, Predictor, rle_to_mask
from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.fast import rounds
from napari_sam.automatic.select import select
from napari_sam.errors import Cancelled
from napari_sam.geometry.frame import ResizeFrame
from napari_sam.geometry.grid import point_grid
from napari_sam.model.sam import Sam
from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.predictor import ConfidentLogits
from napari_sam.types import MaskRecord, Prompts
from tests.predict.conftest import TINY

SIDE = 256
FAST = AutomaticConfig(points_per_side=16, mode="fast", points_per_batch=4)


@dataclass(frozen=True, eq=False)
class Seen:
    """A picture of 256 x 256 pixels or less, as the fake encodes it."""

    pixels: NDArray[np.uint8]

    @property
    def frame(self) -> ResizeFrame:
        return ResizeFrame(self.image_hw, SIDE)

    @property
    def image_hw(self) -> tuple[int, int]:
        return self.pixels.shape[0], self.pixels.shape[1]


class Plain:
    """Answers a point with the region of its grey value (predicted IoU: value / 255), and with that and all brighter.

    Black is background and gives nothing. The model is as large as the pictures, so masks are exact to a few pixels.
    """

    model = SimpleNamespace(name="perfect", config=SimpleNamespace(grid_size=SIDE // 4))

    def __init__(self) -> None:
        self.asked: list[tuple[float, float]] = []

    def encode(self, image: Any, *, limits: Any, channels: Any, cancelled: Any) -> Seen:
        return Seen(image if image.ndim == 2 else image[..., 0])

    def iter_confident(
        self, embedding: Seen, prompts: list[Prompts], multimask: bool, iou_floor: float, most: int, cancelled: Any
    ) -> Iterator[ConfidentLogits]:
        step = SIDE / max(embedding.image_hw)
        for start in range(0, len(prompts), most):
            if cancelled is not None and cancelled():
                raise Cancelled("cancelled")
            asked = np.arange(start, min(start + most, len(prompts)))
            found = []
            for i in asked:
                ((y, x),) = np.asarray(prompts[i].points_yx)
                self.asked.append((y, x))
                value = int(embedding.pixels[int(y), int(x)])
                for region in (embedding.pixels == value, embedding.pixels >= value) if value else ():
                    if value / 255 > iou_floor:
                        rows, columns = (np.minimum(np.arange(SIDE) / step, n - 1).astype(int) for n in region.shape)
                        found.append((i, value / 255, np.where(region[np.ix_(rows, columns)], 20.0, -20.0)))
            logits = torch.tensor(np.array([one[2] for one in found]).reshape(-1, SIDE, SIDE), dtype=torch.float32)
            prompt, score = (np.array([one[k] for one in found]) for k in (0, 1))
            yield ConfidentLogits(asked, prompt.astype(np.int64), score.astype(np.float32), logits)


def disk(image: NDArray[np.uint8], y: int, x: int, radius: int, value: int) -> None:
    rows, columns = np.ogrid[: image.shape[0], : image.shape[1]]
    image[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = value


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """A large disk, a small one, and one that the model is less sure of."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    disk(image, 90, 90, 70, 250)
    disk(image, 210, 60, 14, 245)
    disk(image, 190, 190, 50, 150)
    return image


def generator(fake: Plain, config: AutomaticConfig) -> AutomaticMaskGenerator:
    return AutomaticMaskGenerator(fake, config)  # type: ignore[arg-type]


def fields(records: list[MaskRecord]) -> list[tuple[Any, ...]]:
    return [(r.rle["counts"], r.bbox, r.predicted_iou, r.stability_score, r.crop_box) for r in records]


def same(a: Candidates, b: Candidates) -> bool:
    return bool(
        len(a) == len(b)
        and (a.points_xy == b.points_xy).all()
        and (a.areas == b.areas).all()
        and (a.predicted_iou == b.predicted_iou).all()
        and a.iou_floor == b.iou_floor
    )


def test_points_in_the_middle_of_a_known_mask_are_not_asked(picture: NDArray[np.uint8]) -> None:
    exact, fast = Plain(), Plain()
    expected = generator(exact, replace(FAST, mode="exact")).generate(picture)
    records = generator(fast, FAST).generate(picture)
    assert len(exact.asked) == 256
    assert len(expected) == 3, "two disks, and both as one; the third is below the threshold"
    assert fields(records) == fields(expected)
    left_out = np.array(sorted({*exact.asked} - {*fast.asked}))
    assert len(left_out) > 25
    assert set(fast.asked) < set(exact.asked)
    in_the_large_disk = rle_to_mask(max(records, key=lambda one: one.area).rle)
    margin = int(FAST.skip_margin * 16)
    for step in ((-margin, -margin), (-margin, margin), (margin, -margin), (margin, margin)):
        rows, columns = (left_out + step).astype(int).T
        assert in_the_large_disk[rows, columns].all()


def test_a_mask_that_is_not_good_covers_nothing(picture: NDArray[np.uint8]) -> None:
    picture[picture != 150] = 0
    fake = Plain()
    generator(fake, replace(FAST, pred_iou_thresh=0.3)).generate(picture)
    assert len(fake.asked) == 256
    generator(fake, replace(FAST, pred_iou_thresh=0.3, skip_iou_thresh=0.5)).generate(picture)
    assert len(fake.asked) < 2 * 256


def test_a_whole_does_not_hide_its_parts() -> None:
    """The smallest mask of a point covers: a ring's points do not speak for the disk within, nor the other way."""
    image = np.zeros((SIDE, SIDE), np.uint8)
    disk(image, 128, 128, 110, 230)
    disk(image, 120, 120, 40, 250)
    fast, exact = (generator(Plain(), replace(FAST, mode=mode)).generate(image) for mode in ("fast", "exact"))
    assert len(exact) >= 2
    assert sorted(one.area for one in fast) == sorted(one.area for one in exact)


@pytest.mark.parametrize("thresholds", [(0.3, 0.5), (0.88, 0.95), (0.97, 0.99)])
def test_thresholds_moved_later_give_what_a_fresh_run_gives(
    picture: NDArray[np.uint8], thresholds: tuple[float, float]
) -> None:
    kept = generator(Plain(), FAST).candidates(picture, iou_floor=0.1, stability_floor=0.1)
    config = replace(FAST, pred_iou_thresh=thresholds[0], stability_score_thresh=thresholds[1])
    fresh = generator(Plain(), config)
    assert fields(select(kept, config)) == fields(fresh.generate(picture))
    found = fresh.candidates(picture)
    assert (found.iou_floor, found.stability_floor) == thresholds
    assert (found.predicted_iou > np.float32(thresholds[0])).all()


def test_the_batch_changes_nothing(picture: NDArray[np.uint8]) -> None:
    first, *others = (
        generator(Plain(), replace(FAST, points_per_batch=size)).candidates(picture) for size in (1, 3, 64, 64)
    )
    assert all(same(first, other) for other in others)


def test_a_crop_has_a_cover_of_its_own(picture: NDArray[np.uint8]) -> None:
    """What covers is compared in the image, whatever crop it was found in."""
    config = replace(FAST, crop_n_layers=1, points_per_side=8)
    fast, exact = Plain(), Plain()
    records = generator(fast, config).generate(picture)
    expected = generator(exact, replace(config, mode="exact")).generate(picture)
    assert len(fast.asked) < len(exact.asked)
    assert {one.crop_box for one in records} == {one.crop_box for one in expected}
    assert sorted(one.area for one in records) == pytest.approx(sorted(one.area for one in expected), rel=0.03)


def test_progress_counts_points_left_out_and_cancel_stops_within_a_round(picture: NDArray[np.uint8]) -> None:
    told: list[tuple[int, int]] = []
    generator(Plain(), FAST).generate(picture, progress=lambda done, total: told.append((done, total)))
    done = [one[0] for one in told]
    assert told[-1] == (256, 256)
    assert done == sorted(done)
    assert {total for _, total in told} == {256}

    fake = Plain()
    found = generator(fake, FAST).iter_candidates(picture, cancelled=lambda: len(fake.asked) >= 8)
    with pytest.raises(Cancelled):
        list(found)
    assert len(fake.asked) == 8


def test_nothing_left_out_is_exact_mode(predictor_with_weights: Predictor) -> None:
    image = np.random.default_rng(0).integers(0, 255, (60, 90, 3), np.uint8)
    config = AutomaticConfig(
        points_per_side=5, pred_iou_thresh=0, stability_score_thresh=0, stability_score_offset=0.01, box_nms_thresh=1
    )
    exact = AutomaticMaskGenerator(predictor_with_weights, config).generate(image)
    fast = replace(config, mode="fast", skip_iou_thresh=1e6)
    records = AutomaticMaskGenerator(predictor_with_weights, fast).generate(image)
    assert len(exact) > 3
    assert [one.point_coords for one in records] == [one.point_coords for one in exact]
    assert [one.predicted_iou for one in records] == pytest.approx([one.predicted_iou for one in exact], abs=1e-5)
    for mine, theirs in zip(records, exact, strict=True):
        assert (rle_to_mask(mine.rle) != rle_to_mask(theirs.rle)).sum() <= 2, "only rounding may differ"


@pytest.fixture
def predictor_with_weights() -> Predictor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Predictor(LoadedModel(Sam(TINY).eval(), "tiny", torch.device("cpu"), "fp32", "tiny"))


@pytest.mark.parametrize("side", [1, 2, 3, 5, 16, 32])
def test_rounds_are_ever_denser_and_take_every_point_once(side: int) -> None:
    found = rounds(point_grid(side))
    assert_array_equal(np.sort(np.concatenate(found)), np.arange(side * side))
    if side % 4 == 0:
        assert [len(one) for one in found] == [side**2 // part for part in (16, 16, 8, 4, 2)]


def test_points_that_are_no_grid_take_part_too() -> None:
    points = np.random.default_rng(0).random((50, 2))
    assert_array_equal(np.sort(np.concatenate(rounds(points))), np.arange(50))
