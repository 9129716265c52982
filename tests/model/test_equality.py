"""Every stage against what the official code computed with the same weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_sam.geometry.frame import ResizeFrame
from napari_sam.model.sam import ImageContext, Sam
from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.predictor import Predictor
from napari_sam.predict.preprocess import resized_rgb
from napari_sam.types import Prompts
from tests.model.conftest import IMAGES, Reference

TOLERANCE = 1e-5  # the official code differs from itself by 4e-7 between batch sizes, 2e-6 between thread counts
CASES = ("point", "points", "box", "box_point")

each_image = pytest.mark.parametrize("name", IMAGES)
each_case = pytest.mark.parametrize(
    "case", [f"{c}.{m}" for c in CASES for m in ("multi", "single")] + ["with_mask.single"]
)


def prompts_of(reference: Reference, name: str, case: str) -> Prompts:
    points_yx, labels = reference[f"{name}.points_xy"][:, ::-1], reference[f"{name}.labels"]
    left, top, right, bottom = reference[f"{name}.box_xyxy"]
    box = (top, left, bottom, right)
    return {
        "point": Prompts(points_yx[:1], labels[:1]),
        "points": Prompts(points_yx, labels),
        "box": Prompts(box_yxyx=box),
        "box_point": Prompts(points_yx[1:2], labels[1:2], box_yxyx=box),
        "with_mask": Prompts(points_yx[:2], labels[:2], mask_logits=reference[f"{name}.mask_input"]),
    }[case]


def decode(sam: Sam, context: ImageContext, prompts: Prompts, frame: ResizeFrame, multimask: bool) -> list[np.ndarray]:
    points = labels = boxes = masks = None
    if prompts.points_yx is not None:
        points = torch.from_numpy(frame.points_to_model(prompts.points_yx)).float()[None]
        labels = torch.from_numpy(prompts.labels)[None]
    if prompts.box_yxyx is not None:
        boxes = torch.from_numpy(frame.boxes_to_model(prompts.box_yxyx)).float()[None]
    if prompts.mask_logits is not None:
        masks = torch.from_numpy(prompts.mask_logits)[None, None]
    with torch.inference_mode():
        return [x[0].numpy() for x in sam.decode(context, points, labels, boxes, masks, multimask)]


def iou(a: np.ndarray, b: np.ndarray) -> float:
    union = (a | b).sum()
    return float((a & b).sum() / union) if union else 1.0  # both empty: equal


@pytest.fixture(scope="module")
def predictor(small_sam: Sam) -> Predictor:
    return Predictor(LoadedModel(small_sam, "small", torch.device("cpu"), "fp32", "hash"))


@each_image
def test_resized_image_is_bit_equal(name: str, reference: Reference) -> None:
    ours, frame, _ = resized_rgb(reference[f"{name}.image"], 256)
    assert frame.input_hw == reference[f"{name}.resized"].shape[:2]
    np.testing.assert_array_equal(ours, reference[f"{name}.resized"])


@each_image
def test_embedding(name: str, reference: Reference, contexts: dict[str, ImageContext]) -> None:
    ours = contexts[name].features.embedding.numpy()
    np.testing.assert_allclose(ours, reference[f"{name}.embedding"], rtol=0, atol=TOLERANCE)


@each_image
@each_case
def test_logits_and_scores(
    name: str, case: str, reference: Reference, small_sam: Sam, contexts: dict[str, ImageContext]
) -> None:
    kind, mode = case.split(".")
    frame = ResizeFrame(reference[f"{name}.image"].shape[:2], 256)
    prompts = prompts_of(reference, name, kind)
    logits, scores = decode(small_sam, contexts[name], prompts, frame, multimask=mode == "multi")
    np.testing.assert_allclose(logits, reference[f"{name}.{case}.low_res"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(scores, reference[f"{name}.{case}.scores"], rtol=0, atol=TOLERANCE)


@each_image
@each_case
def test_masks_at_image_size(name: str, case: str, reference: Reference, predictor: Predictor) -> None:
    kind, mode = case.split(".")
    image = reference[f"{name}.image"]
    prediction = predictor.predict(predictor.encode(image), prompts_of(reference, name, kind), mode == "multi")
    masks = unpacked(reference[f"{name}.{case}.masks"], prediction.masks.shape)
    assert min(iou(a, b) for a, b in zip(prediction.masks, masks, strict=True)) >= 0.999
    np.testing.assert_allclose(prediction.logits, reference[f"{name}.{case}.low_res"], rtol=0, atol=TOLERANCE)


@each_image
def test_batch_of_boxes(name: str, reference: Reference, predictor: Predictor) -> None:
    boxes = reference[f"{name}.boxes3.boxes_xyxy"][:, [1, 0, 3, 2]]
    embedding = predictor.encode(reference[f"{name}.image"])
    predictions = predictor.predict_many(embedding, [Prompts(box_yxyx=box) for box in boxes])
    masks = unpacked(reference[f"{name}.boxes3.masks"], (3, *predictions[0].masks.shape))
    for i, prediction in enumerate(predictions):
        assert iou(prediction.masks, masks[i]) >= 0.999
        np.testing.assert_allclose(prediction.logits, reference[f"{name}.boxes3.low_res"][i], rtol=0, atol=TOLERANCE)
        np.testing.assert_allclose(prediction.scores, reference[f"{name}.boxes3.scores"][i], rtol=0, atol=TOLERANCE)


def test_same_prompts_same_bits(reference: Reference, small_sam: Sam, contexts: dict[str, ImageContext]) -> None:
    frame = ResizeFrame(reference["coins.image"].shape[:2], 256)
    prompts = prompts_of(reference, "coins", "points")
    first, second = (decode(small_sam, contexts["coins"], prompts, frame, multimask=True) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])


def unpacked(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(bool)
