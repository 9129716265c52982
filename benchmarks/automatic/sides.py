"""The official generator and ours, with a clock in every stage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.automatic.answers import SCENE, official_answers, our_answers
from benchmarks.automatic.scene import Scene
from benchmarks.automatic.stopwatch import REST, Stopwatch, Wrapped, replaced, timed
from benchmarks.official import import_official
from napari_sam.automatic import decoding, generator, select
from napari_sam.automatic.config import AutomaticConfig
from napari_sam.geometry.boxes import nms
from napari_sam.model.sam import Sam
from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.predictor import Predictor
from napari_sam.predict.upscale import Upscaler

STAGES = (
    "image encoder",
    "prompt encoder, decoder",
    "upsampling",
    "filter, copies",
    "stability, thresholds",
    "boxes",
    "run lengths",
    "suppression",
    REST,
)


@dataclass(frozen=True)
class Run:
    """One run of a generator: seconds by stage, without those of the scene, and what came out.

    ``asked`` is the number of points the network was asked about, ``masks`` the number of records.
    """

    wall: dict[str, float]
    cpu: dict[str, float]
    asked: int
    masks: int

    @property
    def total(self) -> float:
        """Wall seconds of all stages."""
        return sum(self.wall.values())

    @property
    def total_cpu(self) -> float:
        """CPU seconds of all stages."""
        return sum(self.cpu.values())


Side = Callable[[NDArray[np.uint8], Scene | None, AutomaticConfig], Run]


def picture(hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an image of noise, (H, W, 3)."""
    return np.random.default_rng(0).integers(0, 256, (*hw, 3), np.uint8)


def official_side(sam: Any) -> Side:
    """Make runs of ``SamAutomaticMaskGenerator``; its suppression of boxes, which torchvision does, is ours."""
    import_official()
    import segment_anything.automatic_mask_generator as module
    from segment_anything import SamAutomaticMaskGenerator
    from segment_anything.utils.amg import MaskData

    def suppress(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
        return torch.from_numpy(nms(boxes.numpy(), scores.numpy(), iou_threshold))

    def run(image: NDArray[np.uint8], scene: Scene | None, config: AutomaticConfig) -> Run:
        clock = Stopwatch()
        made = SamAutomaticMaskGenerator(
            sam,
            config.points_per_side,
            config.points_per_batch,
            config.pred_iou_thresh,
            config.stability_score_thresh,
            config.stability_score_offset,
        )
        asked: list[int] = []
        parts: list[Wrapped] = [
            (made.predictor, "set_image", STAGES[0]),
            (made.predictor, "predict_torch", STAGES[1]),
            (sam, "postprocess_masks", STAGES[2]),
            (MaskData, "filter", STAGES[3]),
            (MaskData, "cat", STAGES[3]),
            (module, "calculate_stability_score", STAGES[4]),
            (module, "batched_mask_to_box", STAGES[5]),
            (module, "mask_to_rle_pytorch", STAGES[6]),
            (module, "batched_nms", STAGES[7]),
        ]
        with ExitStack() as stack:
            stack.enter_context(replaced([(module, "batched_nms", suppress)]))
            if scene is not None:
                stack.enter_context(replaced(official_answers(sam, scene, clock)))
            stack.enter_context(_counting(made.predictor, "predict_torch", asked))
            stack.enter_context(timed(clock, parts))
            return _measured(clock, lambda: made.generate(image), asked)

    return run


def our_side(sam: Sam) -> Side:
    """Make runs of our generator."""
    precision = "bf16" if next(sam.image_encoder.parameters()).dtype == torch.bfloat16 else "fp32"
    model = LoadedModel(sam, "benchmark", torch.device("cpu"), precision, "0" * 64)

    def run(image: NDArray[np.uint8], scene: Scene | None, config: AutomaticConfig) -> Run:
        clock = Stopwatch()
        predictor = Predictor(model)
        made = generator.AutomaticMaskGenerator(predictor, config)
        asked: list[int] = []
        parts: list[Wrapped] = [
            (predictor, "encode", STAGES[0]),
            (sam, "image_context", STAGES[1]),
            (sam, "decode_confident", STAGES[1]),
            (Upscaler, "above", STAGES[2]),
            (decoding, "_cut", STAGES[4]),
            (decoding, "patch_box", STAGES[5]),
            (decoding, "patch_to_counts", STAGES[6]),
            (select, "nms", STAGES[7]),
        ]
        with ExitStack() as stack:
            if scene is not None:
                stack.enter_context(replaced(our_answers(sam, scene, clock)))
            stack.enter_context(_counting(sam, "decode_confident", asked))
            stack.enter_context(timed(clock, parts))
            return _measured(clock, lambda: made.generate(image), asked)

    return run


def _counting(owner: Any, name: str, asked: list[int]) -> Any:
    """Note the number of points of each call: the first argument that is a tensor (points, 1, 2)."""
    function = getattr(owner, name)

    def counted(*args: Any, **kwargs: Any) -> Any:
        asked.append(len(next(value for value in args if isinstance(value, Tensor))))
        return function(*args, **kwargs)

    return replaced([(owner, name, counted)])


def _measured(clock: Stopwatch, generate: Callable[[], list[Any]], asked: list[int]) -> Run:
    with clock.stage(REST):
        records = generate()
    wall, cpu = ({stage: taken.get(stage, 0.0) for stage in STAGES} for taken in (clock.wall, clock.cpu))
    lost = set(clock.wall) - {*STAGES, SCENE}
    if lost:
        raise RuntimeError(f"no column for {', '.join(lost)}")
    return Run(wall, cpu, sum(asked), len(records))
