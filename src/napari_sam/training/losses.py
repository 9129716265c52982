"""SAM's loss: focal and dice on the best of several masks, squared error on the predicted IoU.

SAM paper (Kirillov et al. 2023), appendix A "Training": focal : dice = 20 : 1, the loss of the best of three masks
only, and a mean-square-error loss between predicted and true IoU.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

MaskLoss = Literal["focal", "balanced"]


def focal_loss(logits: Tensor, target: Tensor, alpha: float = 0.25, gamma: float = 2.0) -> Tensor:
    """Focal loss (Lin et al. 2017), averaged over the pixels of each mask.

    Parameters
    ----------
    logits, target : Tensor, shape (..., h, w)
        Targets may be soft (coverage of a pixel, 0 to 1): the modulating factor is ``|target - p|``.

    Returns
    -------
    Tensor, shape (...)
    """
    error = (target - logits.sigmoid()).abs()
    weight = alpha * target + (1 - alpha) * (1 - target)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (weight * error**gamma * cross_entropy).mean(dim=(-2, -1))


def balanced_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy with foreground and background weighing the same in every mask; shapes as :func:`focal_loss`.

    Gentler than the focal loss on an untrained decoder, where small objects are a thousandth of the pixels.
    """
    cross_entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    background = 1 - target
    inside = (cross_entropy * target).sum(dim=(-2, -1)) / target.sum(dim=(-2, -1)).clamp(min=1)
    outside = (cross_entropy * background).sum(dim=(-2, -1)) / background.sum(dim=(-2, -1)).clamp(min=1)
    return (inside + outside) / 2


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """One minus the soft Dice coefficient (Milletari et al. 2016), smoothed by one pixel; shapes as above."""
    probability = logits.sigmoid()
    overlap = (probability * target).sum(dim=(-2, -1))
    total = probability.sum(dim=(-2, -1)) + target.sum(dim=(-2, -1))
    return 1 - (2 * overlap + 1) / (total + 1)


def mask_iou(logits: Tensor, target: Tensor) -> Tensor:
    """IoU of thresholded masks (logit > 0, target >= 0.5); shapes as :func:`focal_loss`. Two empty masks give 0."""
    predicted, truth = logits > 0, target >= 0.5
    intersection = (predicted & truth).sum(dim=(-2, -1)).float()
    union = (predicted | truth).sum(dim=(-2, -1)).float()
    return intersection / union.clamp(min=1)


def mask_losses(logits: Tensor, target: Tensor, kind: MaskLoss = "focal") -> Tensor:
    """Loss of each mask: 20 focal + 1 dice, or balanced cross-entropy + dice while warming up; shape (...)."""
    dice = dice_loss(logits, target)
    if kind == "balanced":
        return balanced_loss(logits, target) + dice
    return 20 * focal_loss(logits, target) + dice


def sam_loss(logits: Tensor, target: Tensor, predicted_iou: Tensor, kind: MaskLoss = "focal") -> Tensor:
    """Loss of N prompts with M candidate masks each.

    Parameters
    ----------
    logits : Tensor, shape (N, M, h, w)
    target : Tensor, shape (N, h, w)
        True masks, 0 to 1.
    predicted_iou : Tensor, shape (N, M)
        Every candidate's prediction is trained, not only the best one's.
    kind : {"focal", "balanced"}

    Returns
    -------
    Tensor, scalar
        Mean over the prompts; gradients of the mask loss flow through the lowest of the M losses only.

    Raises
    ------
    ValueError
        If the shapes do not fit together.
    """
    if logits.ndim != 4 or target.shape != (len(logits), *logits.shape[2:]) or predicted_iou.shape != logits.shape[:2]:
        raise ValueError(
            f"logits {tuple(logits.shape)}, target {tuple(target.shape)} and predicted_iou "
            f"{tuple(predicted_iou.shape)} must be (N, M, h, w), (N, h, w) and (N, M)"
        )
    logits = logits.float()
    targets = target.float().unsqueeze(1).expand_as(logits)
    best = mask_losses(logits, targets, kind).min(dim=1).values
    with torch.no_grad():
        true_iou = mask_iou(logits, targets)
    return best.mean() + F.mse_loss(predicted_iou.float(), true_iou)
