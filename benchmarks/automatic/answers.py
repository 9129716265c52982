"""Lets a network compute, and then puts a scene's answers in the place of its own."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from benchmarks.automatic.scene import Scene
from benchmarks.automatic.stopwatch import Stopwatch
from napari_sam.model import fast_decoder
from napari_sam.model.sam import Sam

SCENE = "the scene (subtracted)"
Replacement = tuple[Any, str, Callable[..., Any]]


def official_answers(sam: Any, scene: Scene, clock: Stopwatch) -> list[Replacement]:
    """Return what to replace in the official model: its prompt encoder is watched, its decoder's answer replaced."""
    encode, decode = sam.prompt_encoder.forward, sam.mask_decoder.forward
    asked: list[Tensor] = []

    def watched(points: Any, boxes: Any, masks: Any) -> Any:
        asked[:] = [_low_res(points[0][:, 0], sam.image_encoder.img_size, scene)]
        return encode(points=points, boxes=boxes, masks=masks)

    def answered(**arguments: Any) -> tuple[Tensor, Tensor]:
        decode(**arguments)
        with clock.stage(SCENE):
            return scene.logits(asked[0]), scene.ious(asked[0])

    return [(sam.prompt_encoder, "forward", watched), (sam.mask_decoder, "forward", answered)]


def our_answers(sam: Sam, scene: Scene, clock: Stopwatch) -> list[Replacement]:
    """Return what to replace in our model.

    The predicted IoUs are replaced where they come out of their head, so that our decoder upscales only the masks that
    a trained network with these IoUs would make it upscale. Prompts are recognised by their tokens.
    """
    encode, make_tokens, upscale = sam.prompt_encoder.sparse_tokens, fast_decoder._prompt_tokens, fast_decoder._masks
    head = sam.mask_decoder.iou_prediction_head.forward
    prompts_of = inspect.signature(upscale)
    places: dict[bytes, Tensor] = {}
    current: list[Tensor] = []

    def watched(points: Tensor, labels: Any, boxes: Any) -> Tensor:
        tokens = encode(points, labels, boxes)
        low_res = _low_res(points[:, 0], sam.config.img_size, scene)
        places.update({_key(token): place for token, place in zip(tokens, low_res, strict=True)})
        return tokens

    def remembered(decoder: Any, prompts: Any) -> Tensor:
        current[:] = [_key(token) for token in prompts.sparse]
        return make_tokens(decoder, prompts)

    def scored(x: Tensor) -> Tensor:
        real = head(x)
        with clock.stage(SCENE):
            ious = scene.ious(torch.stack([places[key] for key in current]))
            return torch.cat([real[:, :1], ious], dim=1)

    def drawn(*args: Any, **kwargs: Any) -> Tensor:
        upscale(*args, **kwargs)
        prompts = prompts_of.bind(*args, **kwargs).arguments["prompts"]
        with clock.stage(SCENE):
            return scene.logits(torch.stack([places[_key(token)] for token in prompts.sparse]))

    return [
        (sam.prompt_encoder, "sparse_tokens", watched),
        (fast_decoder, "_prompt_tokens", remembered),
        (sam.mask_decoder.iou_prediction_head, "forward", scored),
        (fast_decoder, "_masks", drawn),
    ]


def _low_res(points_xy: Tensor, size: int, scene: Scene) -> Tensor:
    """Points in the model's pixels to low-resolution ones, rounded so that both sides' rounding is the same."""
    return (points_xy.double() * scene.side / size).mul(64).round().div(64)


def _key(token: Tensor) -> bytes:
    return token[0, :8].numpy().tobytes()
