"""The model of :mod:`tests.automatic.bright`, as far as automatic segmentation asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from napari_sam.errors import Cancelled
from napari_sam.predict.mask_hint import mask_to_logits
from napari_sam.predict.predictor import ConfidentLogits
from napari_sam.types import Prompts
from tests.automatic.bright import BrightModel, Seen


class BrightPredictor(BrightModel):
    """Answers prompts in batches of two; the three masks of a prompt are the piece, nothing, and the piece again."""

    def __init__(self) -> None:
        super().__init__(256)
        self.model = SimpleNamespace(config=SimpleNamespace(grid_size=16))
        self.checked = 0

    def check(self, embedding: Seen, prompts: Sequence[Prompts]) -> None:
        self.checked += len(prompts)

    def iter_confident(
        self,
        embedding: Seen,
        prompts: Sequence[Prompts],
        multimask: bool = True,
        iou_floor: float = float("-inf"),
        most: int | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[ConfidentLogits]:
        for start in range(0, len(prompts), 2):
            if cancelled is not None and cancelled():
                raise Cancelled("cancelled")
            asked = np.arange(start, min(start + 2, len(prompts)))
            logits, scores = [], []
            for one in asked:
                found = self.predict(embedding, prompts[one])
                whole = mask_to_logits(found.masks[0], embedding.frame)
                logits += [whole, np.full_like(whole, -9), whole] if multimask else [whole]
                scores += [float(found.scores[0]), 0.1, 0.2] if multimask else [float(found.scores[0])]
            masks: Any = torch.from_numpy(np.stack(logits))
            rows = np.repeat(asked, 3 if multimask else 1)
            yield ConfidentLogits(asked, rows, np.array(scores, np.float32), masks)
