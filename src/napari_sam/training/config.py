"""Parameters of a training run."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_sam.training.crops import CropConfig
from napari_sam.training.losses import MaskLoss


@dataclass(frozen=True)
class TrainConfig:
    """One training run, or one stage of it.

    Parameters
    ----------
    steps : int
        Optimiser steps in all; resuming goes on to this number.
    crop_sizes : tuple of (int, int)
        (side of a crop in pixels of the model's frame, crops per step): each step draws one of them, so that the
        decoder meets few and many image tokens.
    num_points : int
        Points from the error region after the first prompt (8 in the paper).
    mask_only : int
        Iterations without a new prompt that come on top: one at a random place, one last (2 in the paper).
    centre_clicks : float
        Share of objects clicked in the middle of the largest error rather than uniformly in the error region: the
        paper samples uniformly, people click in the middle.
    learning_rate, encoder_lr_scale : float
        AdamW's rate for new layers, and the factor for the pretrained encoder.
    frozen_blocks : int
        First blocks of the encoder (and its stem) that are not trained.
    warmup_steps, decay_steps : int
        Linear warm-up, and linear decay to zero over the last steps.
    loss : {"focal", "balanced"}
        Mask loss; "balanced" for the first steps of an untrained decoder.
    single_mask_too : bool
        Train the single-mask output on a first click as well, so that ``multimask=False`` is usable after one click.
    ema : float
        Decay of the running average of the weights that is saved.
    """

    steps: int = 10_000
    crop_sizes: tuple[tuple[int, int], ...] = ((256, 8),)
    num_points: int = 8
    mask_only: int = 2
    centre_clicks: float = 0.0
    learning_rate: float = 1e-3
    encoder_lr_scale: float = 0.3
    frozen_blocks: int = 0
    weight_decay: float = 0.01
    warmup_steps: int = 100
    decay_steps: int = 1000
    clip_norm: float = 1.0
    loss: MaskLoss = "focal"
    single_mask_too: bool = False
    ema: float = 0.998
    bf16: bool = False
    seed: int = 0
    crops: CropConfig = field(default_factory=CropConfig)

    def rate_at(self, step: int) -> float:
        """Learning rate at a step: linear warm-up, constant, linear decay at the end."""
        rise = min(1.0, (step + 1) / max(self.warmup_steps, 1))
        fall = min(1.0, (self.steps - step) / max(self.decay_steps, 1))
        return self.learning_rate * rise * fall
