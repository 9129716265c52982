"""Automatic mask generation as a script uses it: any image, floors, progress, cancel, memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_sam import AutomaticConfig, AutomaticMaskGenerator, Predictor, Prompts, rle_to_mask
from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.decoding import Floors, Place, candidates_of
from napari_sam.automatic.select import select
from napari_sam.errors import Cancelled, ImageError, ParameterError
from napari_sam.model.sam import Sam
from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.upscale import Upscaler
from tests.predict.conftest import TINY

EVERYTHING = AutomaticConfig(
    points_per_side=3,
    pred_iou_thresh=0,
    stability_score_thresh=0,
    stability_score_offset=0.01,
    box_nms_thresh=1,
    crop_nms_thresh=1,
)


class Counting:
    """Counts the prompts a network decodes."""

    def __init__(self, sam: Sam) -> None:
        self.prompts: list[int] = []
        self._decode = sam.decode_confident

    def __call__(self, context: Any, points: torch.Tensor, *others: Any) -> Any:
        self.prompts.append(len(points))
        return self._decode(context, points, *others)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Predictor(LoadedModel(Sam(TINY).eval(), "tiny", torch.device("cpu"), "fp32", "tiny"))


@pytest.fixture
def counting(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> Counting:
    counting = Counting(predictor.model.sam)
    monkeypatch.setattr(predictor.model.sam, "decode_confident", counting)
    return counting


def picture(hw: tuple[int, int] = (60, 90)) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 255, hw).astype(np.uint8)


def same(first: Candidates, second: Candidates) -> None:
    assert len(first) == len(second)
    for name in ("boxes_xyxy", "areas", "points_xy", "crops_xyxy", "near_crop_edge"):
        assert_array_equal(getattr(first, name), getattr(second, name))
    for mine, theirs in zip(first.rles, second.rles, strict=True):
        assert_array_equal(mine, theirs)


def test_three_masks_for_each_point(predictor: Predictor) -> None:
    records = AutomaticMaskGenerator(predictor, EVERYTHING).generate(picture())
    assert len(records) == 3 * 9
    points = {record.point_coords[0] for record in records}
    assert points == {(15 + 30 * i, 10 + 20 * j) for i in range(3) for j in range(3)}
    for record in records:
        mask = rle_to_mask(record.rle)
        assert mask.shape == (60, 90)
        assert record.area == mask.sum()


@pytest.mark.parametrize(
    "image",
    [
        picture(),
        np.dstack([picture()] * 3),
        np.dstack([picture()] * 4),
        picture().astype(np.uint16) * 200,
        picture().astype(np.float32) / 255,
        picture((1, 1)),
        picture((2, 200)),
        np.zeros((40, 40), np.uint8),
        picture() > 100,
    ],
    ids=["grey", "rgb", "rgba", "uint16", "float", "one-pixel", "sliver", "blank", "bool"],
)
@pytest.mark.parametrize("layers", [0, 1])
def test_any_image(image: NDArray[Any], layers: int, predictor: Predictor) -> None:
    config = AutomaticConfig(points_per_side=2, crop_n_layers=layers, min_mask_region_area=3)
    assert AutomaticMaskGenerator(predictor, config).generate(image) == []  # nothing is that good: no IndexError
    low = AutomaticConfig(points_per_side=2, crop_n_layers=layers, pred_iou_thresh=0, stability_score_thresh=0)
    for record in AutomaticMaskGenerator(predictor, low).generate(image):
        assert rle_to_mask(record.rle).shape == image.shape[:2]


def test_limits_and_channels_reach_the_model(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.dstack([picture(), picture() // 2]).astype(np.uint16)
    generator = AutomaticMaskGenerator(predictor, EVERYTHING)
    whole = generator.candidates(image, limits=(10, 100), channels=1)
    grey = np.clip((image[..., 1] - 10.0) / 90 * 255, 0, 255).round().astype(np.uint8)
    same(whole, generator.candidates(grey))


def test_crops_keep_the_contrast_of_the_whole_image(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[NDArray[Any]] = []
    encode = predictor.encode
    monkeypatch.setattr(
        predictor, "encode", lambda image, **options: (shown.append(image), encode(image, **options))[1]
    )
    image = np.zeros((100, 100), np.uint16)
    image[:, 50:] = np.arange(50) * 1000
    image[:, :50] = np.arange(50)
    AutomaticMaskGenerator(predictor, AutomaticConfig(points_per_side=1, crop_n_layers=1)).generate(image)
    assert [crop.shape for crop in shown] == [(100, 100, 3), *[(67, 67, 3)] * 4]
    assert all(crop.dtype == np.uint8 for crop in shown)
    assert shown[1][:, :50].max() < 3  # the dark half stays dark, however little else the crop holds


def test_candidates_come_piece_by_piece_and_join_to_the_whole(predictor: Predictor) -> None:
    generator = AutomaticMaskGenerator(predictor, AutomaticConfig(**{**vars(EVERYTHING), "points_per_batch": 4}))
    pieces = list(generator.iter_candidates(picture()))
    assert [len(piece) for piece in pieces] == [12, 12, 3]
    same(Candidates.join(pieces), generator.candidates(picture()))


def test_points_per_batch_is_an_upper_limit(predictor: Predictor, counting: Counting) -> None:
    config = AutomaticConfig(**{**vars(EVERYTHING), "points_per_batch": 2})
    AutomaticMaskGenerator(predictor, config).generate(picture())
    assert counting.prompts == [2, 2, 2, 2, 1]


def test_lower_floors_make_thresholds_movable_without_the_network(predictor: Predictor, counting: Counting) -> None:
    generator = AutomaticMaskGenerator(predictor, AutomaticConfig(points_per_side=4, stability_score_offset=0.01))
    found = generator.candidates(picture(), iou_floor=float("-inf"), stability_floor=0.0)
    assert len(found) == 48
    asked = list(counting.prompts)
    middle = float(np.median(found.predicted_iou))
    for iou, stability in ((middle, 0.1), (middle - 0.01, 0.5), (middle, 0.9)):
        config = AutomaticConfig(
            points_per_side=4, pred_iou_thresh=iou, stability_score_thresh=stability, stability_score_offset=0.01
        )
        records = select(found, config)
        assert counting.prompts == asked
        expected = AutomaticMaskGenerator(predictor, config).generate(picture())
        assert [record.rle for record in records] == [record.rle for record in expected]
        del counting.prompts[len(asked) :]


def test_floors_drop_masks_early(predictor: Predictor) -> None:
    generator = AutomaticMaskGenerator(predictor, EVERYTHING)
    everything = generator.candidates(picture())
    iou, stability = float(np.median(everything.predicted_iou)), float(np.median(everything.stability_score))
    some = generator.candidates(picture(), iou_floor=iou, stability_floor=stability)
    kept = (everything.predicted_iou > np.float32(iou)) & (everything.stability_score >= np.float32(stability))
    assert 0 < kept.sum() < len(everything)
    same(some, everything.take(kept))
    assert (some.iou_floor, some.stability_floor) == (iou, stability)


def test_progress_counts_the_points_of_all_crops(predictor: Predictor) -> None:
    told: list[tuple[int, int]] = []
    config = AutomaticConfig(points_per_side=4, crop_n_layers=1, crop_n_points_downscale_factor=2)
    AutomaticMaskGenerator(predictor, config).generate(picture(), progress=lambda *at: told.append(at))
    assert told[0] == (0, 32)
    assert told[-1] == (32, 32)
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert {total for _, total in told} == {32}


def test_cancel_between_batches_keeps_what_is_done(predictor: Predictor) -> None:
    config = AutomaticConfig(**{**vars(EVERYTHING), "points_per_batch": 2})
    pieces: list[Candidates] = []
    found = AutomaticMaskGenerator(predictor, config).iter_candidates(picture(), cancelled=lambda: len(pieces) == 2)
    with pytest.raises(Cancelled):
        pieces.extend(found)
    assert [len(piece) for piece in pieces] == [6, 6]


def test_own_points(predictor: Predictor) -> None:
    generator = AutomaticMaskGenerator(predictor, EVERYTHING, point_grids=[[[0.5, 0.25]]])
    assert {record.point_coords for record in generator.generate(picture())} == {((45.0, 15.0),)}


@pytest.mark.parametrize(
    ("grids", "message"),
    [([], "0 point_grids"), ([[[0.5, 1.5]]], "between 0 and 1"), ([[0.5, 0.5]], r"shape \(N, 2\)")],
)
def test_unusable_points(grids: Any, message: str, predictor: Predictor) -> None:
    with pytest.raises(ParameterError, match=message):
        AutomaticMaskGenerator(predictor, EVERYTHING, point_grids=grids)


def test_unusable_images(predictor: Predictor) -> None:
    with pytest.raises(ImageError):
        AutomaticMaskGenerator(predictor).generate(np.zeros((0, 5)))


def test_prompts_of_any_kind(predictor: Predictor) -> None:
    embedding = predictor.encode(picture())
    prompts = [
        Prompts(points_yx=[(10, 20), (30, 40)], labels=[0, 1]),
        Prompts(box_yxyx=(10, 20, 30, 60)),
        Prompts(mask_logits=np.zeros((64, 64))),
    ]
    pieces = list(candidates_of(predictor, embedding, prompts, multimask=False))
    assert_array_equal(Candidates.join(pieces).points_xy, [(40, 30), (40, 20), (44.5, 29.5)])
    whole = Candidates.join(
        candidates_of(predictor, embedding, prompts[:1], place=Place((100, 120), (30, 40, 120, 100)))
    )
    assert_array_equal(whole.points_xy, [(70, 70)] * 3)
    for row in range(3):
        mask = rle_to_mask({"size": [100, 120], "counts": whole.rles[row].tolist()})
        assert not mask[:40].any()
        assert not mask[:, :30].any()


@pytest.mark.parametrize("hw", [(256, 256), (150, 256), (400, 333)])
@pytest.mark.parametrize("offset", [0.0, 0.7, 50.0])
def test_stability_and_boxes_are_those_of_the_whole_image(
    hw: tuple[int, int], offset: float, predictor: Predictor
) -> None:
    embedding = predictor.encode(picture(hw))
    prompts = [Prompts([(hw[0] / 2, hw[1] / 3)])]
    logits = predictor.predict_many(embedding, prompts, multimask=True)[0].logits
    found = Candidates.join(candidates_of(predictor, embedding, prompts, floors=Floors(offset=offset)))
    frame = embedding.frame
    square = F.interpolate(torch.from_numpy(logits)[None], (256, 256), mode="bilinear", align_corners=False)
    whole = F.interpolate(square[..., : frame.input_hw[0], : frame.input_hw[1]], hw, mode="bilinear")[0].numpy()
    for row, values in enumerate(whole):
        raised, lowered = (values > offset).sum(), (values > -offset).sum()
        assert found.stability_score[row] == pytest.approx(raised / lowered if lowered else 0, abs=1e-4)
        assert abs(int(found.areas[row]) - int((values > 0).sum())) <= 2


def test_only_the_support_of_a_mask_is_upscaled(predictor: Predictor) -> None:
    hw = (2000, 2000)
    y, x = np.mgrid[:64, :64]
    logits = torch.from_numpy((6 - np.hypot(y - 30, x - 30)).astype(np.float32))
    upscaler = Upscaler(predictor.encode(picture(hw)).frame, 64)
    tiles = list(upscaler.above(logits, -1.0))
    assert len(tiles) > 1
    assert sum(tile.values.numel() for tile in tiles) < (17 * 2000 / 64) ** 2
    assert sum(int((tile.values > 0).sum()) for tile in tiles) == pytest.approx(np.pi * (6 * 2000 / 64) ** 2, rel=0.02)
