"""The records of the really installed official generator, on another random model and other sizes of image."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage

from benchmarks.official import NotInstalledError
from benchmarks.pairs import Pair, vit_pair
from napari_sam.automatic.config import AutomaticConfig
from napari_sam.automatic.decoding import Floors, candidates_of
from napari_sam.automatic.generator import AutomaticMaskGenerator
from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.predictor import Predictor
from napari_sam.types import Prompts
from tests.automatic.same_records import assert_same_records
from tests.geometry.test_boxes import plain_nms

SIZES = [(100, 150), (256, 256), (700, 330)]
CASES: list[dict[str, Any]] = [
    {},
    {"stability_score_thresh": 0.5, "points_per_batch": 5, "box_nms_thresh": 1.0},
    {"crop_n_layers": 1, "crop_n_points_downscale_factor": 2, "box_nms_thresh": 1.0, "crop_nms_thresh": 1.0},
    {"min_mask_region_area": 40, "box_nms_thresh": 1.0},
]


@pytest.fixture(scope="module")
def pair() -> Pair:
    try:
        return vit_pair(tiny=True)
    except NotInstalledError as error:
        pytest.skip(str(error))


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch, pair: Pair) -> Any:
    """Return the official class, with what it takes from torchvision and OpenCV written out."""
    import segment_anything.automatic_mask_generator as module

    def batched_nms(boxes: Any, scores: Any, idxs: Any, iou_threshold: float) -> torch.Tensor:
        assert not idxs.any()
        return torch.tensor(plain_nms(boxes.numpy(), scores.numpy(), iou_threshold), dtype=torch.int64)

    def box_area(boxes: torch.Tensor) -> torch.Tensor:
        return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])

    def components(mask: np.ndarray, connectivity: int) -> Any:
        regions, count = ndimage.label(mask, structure=np.ones((3, 3)))
        sizes = np.bincount(regions.ravel(), minlength=count + 1)
        return count + 1, regions, np.repeat(sizes[:, None], 5, axis=1), None

    cv2 = ModuleType("cv2")
    cv2.connectedComponentsWithStats = components  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cv2", cv2)
    monkeypatch.setattr(module, "batched_nms", batched_nms)
    monkeypatch.setattr(module, "box_area", box_area)
    return module.SamAutomaticMaskGenerator


@pytest.mark.parametrize("hw", SIZES)
@pytest.mark.parametrize("changes", CASES)
def test_same_records(changes: dict[str, Any], hw: tuple[int, int], pair: Pair, official: Any) -> None:
    predictor = Predictor(LoadedModel(pair.ours, "random", torch.device("cpu"), "fp32", "random"))
    image = picture(hw)
    config = AutomaticConfig(**{"points_per_side": 5, **thresholds(predictor, image), **changes})
    names = {name: getattr(config, name) for name in config.__dataclass_fields__ if accepts(official, name)}
    expected = official(pair.official, **names, output_mode="uncompressed_rle").generate(image)
    found = AutomaticMaskGenerator(predictor, config).generate(image)
    assert len(found) >= (5 if config.box_nms_thresh == 1 else 1)
    assert_same_records(found, expected)


def accepts(official: Any, name: str) -> bool:
    return name in official.__init__.__code__.co_varnames


def picture(hw: tuple[int, int]) -> np.ndarray:
    noise = np.random.default_rng(3).random((*hw, 3))
    smooth = ndimage.gaussian_filter(noise, (min(hw) / 20, min(hw) / 20, 0))
    return np.asarray((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def thresholds(predictor: Predictor, image: np.ndarray) -> dict[str, float]:
    """Choose thresholds that some masks pass: what a random model says of its masks means nothing."""
    height, width = image.shape[:2]
    prompts = [Prompts([(height * y, width * x)]) for y in (0.2, 0.5, 0.8) for x in (0.2, 0.5, 0.8)]
    (piece, *_) = candidates_of(predictor, predictor.encode(image), prompts, floors=Floors())
    iou = float(max(1e-3, np.quantile(piece.predicted_iou, 0.4)))
    return {"pred_iou_thresh": iou, "stability_score_thresh": 0.0, "stability_score_offset": 0.05}
