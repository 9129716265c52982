"""From the checkpoint file and the image array to full-size masks: equal to what the official code made of them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from napari_sam.predict.embedding import Embedding
from napari_sam.predict.load import load_model
from napari_sam.predict.predictor import Predictor
from napari_sam.predict.preprocess import resized_rgb
from napari_sam.types import Prediction, Prompts

FOLDER = Path(__file__).parent.parent / "data" / "reference"
IMAGES = ("coffee", "coins", "tall")

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def reference() -> Arrays:
    with np.load(FOLDER / "vit_small_predict.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(load_model(checkpoint=FOLDER / "vit_small.safetensors", device="cpu"))


@pytest.fixture(scope="module")
def embeddings(predictor: Predictor, reference: Arrays) -> dict[str, Embedding]:
    return {name: predictor.encode(reference[f"{name}.image"]) for name in IMAGES}


def prompts_for(case: str, name: str, reference: Arrays) -> Prompts:
    points_yx, labels = reference[f"{name}.points_xy"][:, ::-1], reference[f"{name}.labels"]
    left, top, right, bottom = reference[f"{name}.box_xyxy"].ravel()
    box = [top, left, bottom, right]
    return {
        "point": Prompts(points_yx[:1], labels[:1]),
        "points": Prompts(points_yx, labels),
        "box": Prompts(box_yxyx=box),
        "box_point": Prompts(points_yx[1:2], labels[1:2], box),
        "with_mask": Prompts(points_yx[:2], labels[:2], mask_logits=reference[f"{name}.mask_input"]),
    }[case]


def assert_equal_to(found: Prediction, stem: str, reference: Arrays) -> None:
    assert_allclose(found.logits, reference[f"{stem}.low_res"], rtol=0, atol=1e-5)
    assert_allclose(found.scores, reference[f"{stem}.scores"], rtol=0, atol=1e-5)
    expected = np.unpackbits(reference[f"{stem}.masks"], count=found.masks.size).reshape(found.masks.shape) > 0
    for mine, theirs in zip(found.masks, expected, strict=True):
        union = (mine | theirs).sum()
        assert (mine & theirs).sum() >= 0.999 * union


@pytest.mark.parametrize("name", IMAGES)
def test_resized_images_are_bit_equal(name: str, reference: Arrays) -> None:
    assert_array_equal(resized_rgb(reference[f"{name}.image"], 256)[0], reference[f"{name}.resized"])


@pytest.mark.parametrize("name", IMAGES)
def test_embeddings(name: str, reference: Arrays, embeddings: dict[str, Embedding]) -> None:
    expected = reference[f"{name}.embedding"]
    assert_allclose(embeddings[name].features, expected.reshape(embeddings[name].features.shape), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("mode", ["multi", "single"])
@pytest.mark.parametrize("case", ["point", "points", "box", "box_point"])
def test_predictions(
    case: str, mode: str, name: str, reference: Arrays, predictor: Predictor, embeddings: dict[str, Embedding]
) -> None:
    prompts = prompts_for(case, name, reference)
    found = predictor.predict(embeddings[name], prompts, multimask=mode == "multi")
    assert_equal_to(found, f"{name}.{case}.{mode}", reference)


@pytest.mark.parametrize("name", IMAGES)
def test_earlier_logits_as_a_prompt(
    name: str, reference: Arrays, predictor: Predictor, embeddings: dict[str, Embedding]
) -> None:
    found = predictor.predict(embeddings[name], prompts_for("with_mask", name, reference), multimask=False)
    assert_equal_to(found, f"{name}.with_mask.single", reference)


def test_all_prompts_of_an_image_in_one_call(
    reference: Arrays, predictor: Predictor, embeddings: dict[str, Embedding]
) -> None:
    cases = ["point", "points", "box", "box_point"]
    prompts = [prompts_for(case, "coffee", reference) for case in cases]
    found = predictor.predict_many(embeddings["coffee"], prompts * 3, multimask=True)
    for prediction, case in zip(found, cases * 3, strict=True):
        assert_equal_to(prediction, f"coffee.{case}.multi", reference)


def test_grey_equals_the_official_colour_copy(
    reference: Arrays, predictor: Predictor, embeddings: dict[str, Embedding]
) -> None:
    coins = reference["coins.image"]
    grey = coins if coins.ndim == 2 else np.ascontiguousarray(coins[..., 0])
    assert_array_equal(predictor.encode(grey).features, embeddings["coins"].features)
