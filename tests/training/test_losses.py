"""SAM's loss: which mask learns, how the terms weigh, what is refused."""

import pytest
import torch

from napari_sam.training.losses import balanced_loss, dice_loss, focal_loss, mask_iou, mask_losses, sam_loss


def square(side=8, low=2, high=6):
    mask = torch.zeros(side, side)
    mask[low:high, low:high] = 1
    return mask


def test_focal_loss_of_one_pixel_by_hand():
    # p = 0.5 on a positive pixel: 0.25 * 0.5^2 * ln 2; on a negative one: 0.75 * 0.5^2 * ln 2
    zero = torch.zeros(1, 1)
    assert focal_loss(zero, torch.ones(1, 1)).item() == pytest.approx(0.25 * 0.25 * 0.693147, rel=1e-5)
    assert focal_loss(zero, torch.zeros(1, 1)).item() == pytest.approx(0.75 * 0.25 * 0.693147, rel=1e-5)


def test_dice_is_zero_for_a_perfect_mask_and_near_one_for_a_disjoint_one():
    target = square()
    assert dice_loss(200 * target - 100, target).item() == pytest.approx(0, abs=1e-6)
    assert dice_loss(100 - 200 * target, target).item() > 0.95


def test_focal_weighs_twenty_times_dice():
    logits, target = torch.randn(8, 8), square()
    expected = 20 * focal_loss(logits, target) + dice_loss(logits, target)
    assert mask_losses(logits, target, "focal").item() == pytest.approx(expected.item(), rel=1e-6)


def test_balanced_loss_does_not_depend_on_how_large_the_background_is():
    small, large = square(8), torch.nn.functional.pad(square(8), (0, 56, 0, 56))
    missed = [balanced_loss(torch.full_like(t, -3.0), t).item() for t in (small, large)]
    assert missed[0] == pytest.approx(missed[1], rel=1e-5)


def test_gradient_flows_through_the_best_of_three_masks_only():
    target = square()
    logits = torch.stack([4 * target - 2, torch.zeros(8, 8), 2 - 4 * target]).unsqueeze(0).requires_grad_()
    sam_loss(logits, target.unsqueeze(0), torch.zeros(1, 3)).backward()
    moved = logits.grad.abs().sum(dim=(0, 2, 3))
    assert moved[0] > 0
    assert moved[1] == 0
    assert moved[2] == 0


def test_every_candidates_predicted_iou_learns_its_own_iou():
    target = square()
    logits = torch.stack([200 * target - 100, -100 * torch.ones(8, 8)]).unsqueeze(0)
    predicted = torch.full((1, 2), 0.5, requires_grad=True)
    sam_loss(logits, target.unsqueeze(0), predicted).backward()
    assert predicted.grad[0, 0] < 0, "the true IoU is 1: the prediction must rise"
    assert predicted.grad[0, 1] > 0, "the true IoU is 0: the prediction must fall"


def test_mask_iou_thresholds_at_zero():
    target = square()
    assert mask_iou(target - 0.5, target).item() == 1
    assert mask_iou(torch.full((8, 8), -1.0), torch.zeros(8, 8)).item() == 0


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"\(1, 3, 8, 8\)"):
        sam_loss(torch.zeros(1, 3, 8, 8), torch.zeros(1, 4, 4), torch.zeros(1, 3))
