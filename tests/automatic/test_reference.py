"""The records of the official generator, case by case."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam.automatic.config import AutomaticConfig
from napari_sam.automatic.generator import AutomaticMaskGenerator
from napari_sam.geometry.rle import rle_to_mask
from napari_sam.predict.cache import EmbeddingCache
from napari_sam.predict.load import load_model
from napari_sam.predict.predictor import Predictor
from tests.automatic.same_records import assert_same_records

FOLDER = Path(__file__).parent.parent / "data" / "reference"
CASES = [f"{image}.{case}" for image in ("coffee", "coins") for case in ("plain", "crops", "regions", "no_nms")]


@pytest.fixture(scope="module")
def reference() -> Any:
    return json.loads((FOLDER / "vit_small_automatic.json").read_text())


@pytest.fixture(scope="module")
def images() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "vit_small_predict.npz") as stored:
        return {name: stored[f"{name}.image"] for name in ("coffee", "coins")}


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(load_model(checkpoint=FOLDER / "vit_small.safetensors", device="cpu"), EmbeddingCache())


def config_of(case: dict[str, Any], **changes: Any) -> AutomaticConfig:
    return AutomaticConfig(**{name: value for name, value in case["config"].items() if name != "output_mode"} | changes)


@pytest.mark.parametrize("name", CASES)
def test_same_records(name: str, reference: Any, images: dict[str, np.ndarray], predictor: Predictor) -> None:
    found = AutomaticMaskGenerator(predictor, config_of(reference[name])).generate(images[name.split(".")[0]])
    assert_same_records(found, reference[name]["records"])


def test_every_case_is_there(reference: Any) -> None:
    assert sorted(reference) == sorted(CASES)
    assert sum(rle_to_mask(record["segmentation"]).any() for record in reference["coins.no_nms"]["records"]) > 50


@pytest.mark.parametrize("points_per_batch", [1, 7, 500])
def test_the_batch_does_not_matter(
    points_per_batch: int, reference: Any, images: dict[str, np.ndarray], predictor: Predictor
) -> None:
    case = reference["coins.plain"]
    found = AutomaticMaskGenerator(predictor, config_of(case, points_per_batch=points_per_batch)).generate(
        images["coins"]
    )
    assert_same_records(found, case["records"])
