"""SAM's interactive training loop (SAM paper, appendix A "Training algorithm"), read top to bottom.

One step: encode a batch of crops once; then, for every object, prompt with a point or a box, and again and again with
a point from the error and the previous logits. The image embedding is a leaf for the decoder: each iteration's
gradient is added up in it, and the encoder is passed backwards once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from napari_sam.geometry.clicks import interior_point, largest_error_click, mask_to_box
from napari_sam.model.efficientnet_lite import ImageFeatures
from napari_sam.model.prompt_encoder import DrawnPromptEncoder, EncodedPrompts
from napari_sam.model.sam import Sam
from napari_sam.training.config import TrainConfig
from napari_sam.training.crops import Crop
from napari_sam.training.losses import mask_iou, sam_loss
from napari_sam.training.simulation import jitter_box, sample_error_point, sample_point


@dataclass
class Group:
    """Objects that started with the same kind of prompt, so that they decode as one batch.

    ``owner`` (N,) crop of each object; ``truth`` (N, s, s) bool at the decoder's resolution; ``target`` the same as
    coverage 0-1; ``points_xy``/``labels`` collected so far; coordinates are pixels of the crop.
    """

    owner: Tensor
    masks: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    target: Tensor
    points_xy: NDArray[np.float64]
    labels: NDArray[np.int64]
    boxes_xyxy: NDArray[np.float64] | None
    careful: NDArray[np.bool_]
    logits: Tensor | None = None


def train_step(sam: Sam, crops: Sequence[Crop], config: TrainConfig, rng: np.random.Generator) -> dict[str, float]:
    """Accumulate the gradients of one step in the parameters.

    Returns
    -------
    dict of str to float
        ``loss`` (mean over iterations), ``iou_first`` and ``iou_last`` (mean IoU after the first and last iteration).
    """
    features = encode_crops(sam, crops, config.bf16)
    leaves = ImageFeatures(
        features.embedding.detach().requires_grad_(),
        tuple(f.detach().requires_grad_() for f in features.high_res),
    )
    offset = random_offset(sam, crops[0].image.shape[-1], rng)
    groups = make_groups(crops, config, rng)
    passes = iteration_plan(config, rng)
    count = len(passes) * len(groups)
    losses, first, last = [], [], []
    for group in groups:
        for i, adds_point in enumerate(passes):
            if adds_point and i > 0:
                add_error_points(group, config, rng)
            logits, iou = decode_group(sam, leaves, group, offset, config.bf16)
            several = i > 0
            loss = iteration_loss(logits, iou, group.target, several, config)
            torch.autograd.backward(loss * (len(group.owner) / _total(groups) / len(passes)))
            group.logits = best_logits(logits, iou, several)
            losses.append(float(loss.detach()))
            quality = mask_iou(group.logits, group.target)
            if i == 0:
                first.append(quality)
            if i == len(passes) - 1:
                last.append(quality)
    if features.embedding.requires_grad:
        outputs = [features.embedding, *features.high_res]
        torch.autograd.backward(outputs, [leaf.grad for leaf in (leaves.embedding, *leaves.high_res)])
    return {
        "loss": sum(losses) / count,
        "iou_first": float(torch.cat(first).mean()),
        "iou_last": float(torch.cat(last).mean()),
    }


def _total(groups: Sequence[Group]) -> int:
    return sum(len(g.owner) for g in groups)


def iteration_plan(config: TrainConfig, rng: np.random.Generator) -> list[bool]:
    """Whether each iteration adds a prompt: the first, ``num_points`` more, and those without (last, random place)."""
    plan = [True] * (1 + config.num_points)
    for _ in range(config.mask_only - 1):
        plan.insert(int(rng.integers(1, len(plan) + 1)), False)
    return plan + [False] * min(config.mask_only, 1)


def encode_crops(sam: Sam, crops: Sequence[Crop], bf16: bool) -> ImageFeatures:
    """Normalise and encode a batch of crops; pixels outside the image are zero after normalisation, as padding is."""
    pixels = torch.from_numpy(np.stack([c.image for c in crops])).to(sam.device)
    valid = torch.from_numpy(np.stack([c.valid for c in crops])).to(sam.device).unsqueeze(1)
    pixels = (pixels - sam.pixel_mean) / sam.pixel_std * valid
    with torch.autocast(sam.device.type, torch.bfloat16, enabled=bf16):
        features = sam.encode(pixels.contiguous(memory_format=torch.channels_last))
    return ImageFeatures(features.embedding.float(), tuple(f.float() for f in features.high_res))


def random_offset(sam: Sam, crop_size: int, rng: np.random.Generator) -> tuple[int, int]:
    """Where in the model's frame a crop lies (row, column of its first token): positions are learnt everywhere."""
    room = sam.config.grid_size - crop_size // 16
    row, column = rng.integers(0, room + 1, 2)
    return int(row), int(column)


def make_groups(crops: Sequence[Crop], config: TrainConfig, rng: np.random.Generator) -> list[Group]:
    """Toss the point-or-box coin for every object and make the first prompts."""
    owner = np.concatenate([np.full(len(c.masks), i) for i, c in enumerate(crops)])
    masks = np.concatenate([c.masks for c in crops])
    boxed = rng.random(len(masks)) < 0.5
    return [
        _start(masks[chosen], owner[chosen], box, config, rng)
        for box in (False, True)
        if (chosen := boxed == box).any()
    ]


def _start(
    masks: NDArray[np.bool_], owner: NDArray[np.int64], box: bool, config: TrainConfig, rng: np.random.Generator
) -> Group:
    target = F.avg_pool2d(torch.from_numpy(masks).float().unsqueeze(1), 4).squeeze(1)
    careful = rng.random(len(masks)) < config.centre_clicks
    boxes, points = None, np.zeros((len(masks), 0, 2))
    if box:
        boxes = np.stack([jitter_box(mask_to_box(m), rng)[[1, 0, 3, 2]] for m in masks])
    else:
        clicks = [interior_point(m) if c else sample_point(m, rng) for m, c in zip(masks, careful, strict=True)]
        points = np.array([(column, row) for row, column in clicks], np.float64)[:, None]
    labels = np.ones(points.shape[:2], np.int64)
    truth = (target >= 0.5).numpy()
    return Group(torch.from_numpy(owner), masks, truth, target, points, labels, boxes, careful)


def add_error_points(group: Group, config: TrainConfig, rng: np.random.Generator) -> None:
    """Add one point to every object, from the error between its last mask and the truth."""
    if group.logits is None:
        raise ValueError("there is no prediction yet to take an error from")
    predicted = (group.logits > 0).numpy()
    points, labels = [], []
    for mask, truth, full, careful in zip(predicted, group.truth, group.masks, group.careful, strict=True):
        if not truth.any() and not mask.any():
            (row, column), label = sample_point(full, rng), 1
        elif careful:
            (row, column), label = _to_crop(largest_error_click(mask, truth), rng)
        else:
            (row, column), label = _to_crop(sample_error_point(mask, truth, rng), rng)
        points.append((column, row))
        labels.append(label)
    group.points_xy = np.concatenate([group.points_xy, np.array(points, np.float64)[:, None]], axis=1)
    group.labels = np.concatenate([group.labels, np.array(labels)[:, None]], axis=1)


def _to_crop(point: tuple[tuple[int, int], int], rng: np.random.Generator) -> tuple[tuple[int, int], int]:
    """Point of the quarter-resolution mask to a random pixel of the crop that lies in that cell."""
    (row, column), label = point
    jitter = rng.integers(0, 4, 2)
    return (4 * row + int(jitter[0]), 4 * column + int(jitter[1])), label


def decode_group(
    sam: Sam, features: ImageFeatures, group: Group, offset: tuple[int, int], bf16: bool
) -> tuple[Tensor, Tensor]:
    """Decode all four masks of a group; prompts are moved to the crop's place in the model's frame."""
    owner, device = group.owner, sam.device
    shift = 16.0 * torch.tensor([offset[1], offset[0]], device=device)
    points = torch.from_numpy(group.points_xy).float().to(device) + shift if group.labels.shape[1] else None
    labels = torch.from_numpy(group.labels).to(device) if group.labels.shape[1] else None
    boxes = None
    if group.boxes_xyxy is not None:
        boxes = torch.from_numpy(group.boxes_xyxy).float().to(device) + shift.repeat(2)
    masks = group.logits.unsqueeze(1).to(device) if group.logits is not None else None
    rows, columns = features.embedding.shape[-2:]
    window = np.s_[..., offset[0] : offset[0] + rows, offset[1] : offset[1] + columns]
    encoder = sam.prompt_encoder
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        sparse = encoder.sparse_tokens(points, labels, boxes)
        if isinstance(encoder, DrawnPromptEncoder):
            size = (4 * rows, 4 * columns)
            local_points = points - shift if points is not None else None
            local_boxes = boxes - shift.repeat(2) if boxes is not None else None
            drawn = encoder.draw(local_points, labels, local_boxes, masks, size)
            prompts = EncodedPrompts(sparse, encoder.embed_drawn(drawn, masks), drawn)
        else:
            dense = encoder.dense_embedding(masks) if masks is not None else encoder.dense_embedding(None)[window]
            prompts = EncodedPrompts(sparse, dense)
        high_res = tuple(f[owner] for f in features.high_res)
        logits, iou = sam.mask_decoder(features.embedding[owner], encoder.get_dense_pe()[window], prompts, high_res)
    return logits.float(), iou.float()


def iteration_loss(logits: Tensor, iou: Tensor, target: Tensor, several: bool, config: TrainConfig) -> Tensor:
    """Loss of one iteration: the best of three masks for one prompt, the single-mask output for several."""
    if several:
        return sam_loss(logits[:, :1], target, iou[:, :1], config.loss)
    loss = sam_loss(logits[:, 1:], target, iou[:, 1:], config.loss)
    if config.single_mask_too:
        loss = (loss + sam_loss(logits[:, :1], target, iou[:, :1], config.loss)) / 2
    return loss


def best_logits(logits: Tensor, iou: Tensor, several: bool) -> Tensor:
    """Logits to feed back, (N, h, w): the single mask, or the one of three with the highest predicted IoU."""
    if several:
        return logits[:, 0].detach()
    best = iou[:, 1:].argmax(dim=1)
    return logits[torch.arange(len(logits)), 1 + best].detach()
