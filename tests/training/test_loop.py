"""The interactive loop: the order of its iterations, what is fed back, and that it learns."""

import dataclasses

import numpy as np
import pytest
import torch

from napari_sam.errors import Cancelled
from napari_sam.io.pairs import find_pairs
from napari_sam.training import loop
from napari_sam.training.config import TrainConfig
from napari_sam.training.crops import CropConfig
from napari_sam.training.run import CropSampler, Trainer, train

QUICK = TrainConfig(
    steps=4,
    crop_sizes=((64, 2),),
    num_points=1,
    mask_only=1,
    warmup_steps=1,
    decay_steps=1,
    crops=CropConfig(objects=2, min_area=20),
)


@pytest.fixture
def crops(tiny_sam, data_folder):
    return CropSampler(find_pairs(data_folder, "train"), tiny_sam, QUICK, None).batch(0)


def test_eleven_iterations_with_one_mask_only_at_random_and_one_last():
    places = set()
    for seed in range(200):
        plan = loop.iteration_plan(TrainConfig(), np.random.default_rng(seed))
        assert len(plan) == 11
        assert plan[0]
        assert not plan[-1]
        assert plan.count(False) == 2
        places.add(plan[:-1].index(False))
    assert places == set(range(1, 10))


def test_the_first_prompt_is_a_point_or_a_box_with_equal_chance(crops):
    rng = np.random.default_rng(0)
    boxed = total = 0
    for _ in range(200):
        for group in loop.make_groups(crops, QUICK, rng):
            total += len(group.owner)
            boxed += len(group.owner) * (group.boxes_xyxy is not None)
            assert (group.labels.shape[1] == 0) == (group.boxes_xyxy is not None)
    assert boxed / total == pytest.approx(0.5, abs=0.06)


def test_first_points_lie_on_their_object(crops):
    for group in loop.make_groups(crops, QUICK, np.random.default_rng(0)):
        if group.boxes_xyxy is None:
            for mask, (x, y) in zip(group.masks, group.points_xy[:, 0].astype(int), strict=True):
                assert mask[y, x]


def test_the_logits_of_the_highest_predicted_iou_are_fed_back():
    logits = torch.arange(4.0).reshape(1, 4, 1, 1).expand(2, 4, 8, 8)
    iou = torch.tensor([[9.0, 0.1, 0.7, 0.2], [9.0, 0.8, 0.1, 0.2]])
    assert loop.best_logits(logits, iou, several=False)[:, 0, 0].tolist() == [2, 1]
    assert loop.best_logits(logits, iou, several=True)[:, 0, 0].tolist() == [0, 0]


def test_several_prompts_train_the_single_mask_output_only(crops):
    logits = torch.zeros(3, 4, 8, 8, requires_grad=True)
    iou = torch.zeros(3, 4, requires_grad=True)
    target = torch.rand(3, 8, 8).round()
    loop.iteration_loss(logits, iou, target, True, QUICK).backward()
    assert (logits.grad.abs().sum(dim=(0, 2, 3)) > 0).tolist() == [True, False, False, False]
    logits.grad = None
    loop.iteration_loss(logits, iou, target, False, QUICK).backward()
    assert logits.grad[:, 0].abs().sum() == 0
    both = dataclasses.replace(QUICK, single_mask_too=True)
    loop.iteration_loss(logits, iou, target, False, both).backward()
    assert logits.grad[:, 0].abs().sum() > 0


def test_error_points_correct_the_last_mask(crops):
    group = loop.make_groups(crops, QUICK, np.random.default_rng(0))[0]
    group.logits = torch.full(group.target.shape, -1.0)  # everything was missed
    before = group.labels.shape[1]
    loop.add_error_points(group, QUICK, np.random.default_rng(1))
    assert group.labels.shape[1] == before + 1
    assert (group.labels[:, -1] == 1).all()
    for truth, (x, y) in zip(group.truth, group.points_xy[:, -1].astype(int), strict=True):
        assert truth[y // 4, x // 4]


def test_one_step_reaches_every_trained_part(tiny_sam, crops):
    config = dataclasses.replace(QUICK, single_mask_too=True)
    for seed in range(3):  # both coins fall at least once
        loop.train_step(tiny_sam, crops, config, np.random.default_rng(seed))
    silent = [n for n, p in tiny_sam.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # Four mask tokens exist; of the three multimask heads, only those that were best at least once have learnt.
    assert [n for n in silent if "hypernetworks" not in n and "not_a_point" not in n] == []


def test_the_encoder_runs_once_per_step(tiny_sam, crops, monkeypatch):
    calls = []
    encode = tiny_sam.encode
    monkeypatch.setattr(tiny_sam, "encode", lambda pixels: calls.append(len(pixels)) or encode(pixels))
    loop.train_step(tiny_sam, crops, QUICK, np.random.default_rng(0))
    assert calls == [len(crops)]


def test_padding_is_zero_after_normalisation(tiny_sam, crops, monkeypatch):
    seen = []
    encode = tiny_sam.encode
    monkeypatch.setattr(tiny_sam, "encode", lambda pixels: seen.append(pixels) or encode(pixels))
    half = [dataclasses.replace(c, valid=np.tile(np.arange(64) < 32, (64, 1))) for c in crops]
    loop.encode_crops(tiny_sam, half, bf16=False)
    assert seen[0][..., 32:].abs().max() == 0
    assert seen[0][..., :32].abs().max() > 0


def test_frozen_blocks_do_not_move_and_the_rest_does(tiny_sam, data_folder, tmp_path):
    before = {k: v.clone() for k, v in tiny_sam.state_dict().items()}
    config = dataclasses.replace(QUICK, frozen_blocks=2)
    trainer = Trainer(tiny_sam, config)
    train(trainer, CropSampler(find_pairs(data_folder, "train"), tiny_sam, config, None), tmp_path)
    after = tiny_sam.state_dict()
    assert torch.equal(before["image_encoder.stem.weight"], after["image_encoder.stem.weight"])
    assert not torch.equal(
        before["image_encoder.blocks.5.project.weight"], after["image_encoder.blocks.5.project.weight"]
    )


def run(data_folder, folder, steps, total=4, resume=False):
    from napari_sam.model.sam import Sam
    from tests.training.conftest import TINY

    torch.manual_seed(0)
    sam = Sam(TINY)
    config = dataclasses.replace(QUICK, steps=total)
    trainer = Trainer(sam, config)
    if resume:
        trainer.resume(folder / "last.ckpt")
    sampler = CropSampler(find_pairs(data_folder, "train"), sam, config, {"disks": 1.0})
    if steps < total:
        with pytest.raises(Cancelled, match="resumes it"):
            train(trainer, sampler, folder, cancelled=lambda: trainer.step >= steps)
    else:
        train(trainer, sampler, folder)
    return trainer


def test_a_resumed_run_ends_at_the_same_numbers(data_folder, tmp_path):
    whole = run(data_folder, tmp_path / "whole", steps=99)
    run(data_folder, tmp_path / "parts", steps=2)
    resumed = run(data_folder, tmp_path / "parts", steps=99, resume=True)
    assert whole.step == resumed.step == 4
    for name, value in whole.average_state().items():
        assert torch.equal(value, resumed.average_state()[name]), name
    assert len((tmp_path / "parts" / "log.csv").read_text().splitlines()) == 5


def test_training_learns_disks(tiny_sam, data_folder, tmp_path):
    config = dataclasses.replace(
        QUICK,
        steps=60,
        crop_sizes=((64, 4),),
        loss="balanced",
        learning_rate=3e-3,
        warmup_steps=5,
        single_mask_too=True,
    )
    torch.manual_seed(0)
    trainer = Trainer(tiny_sam, config)
    figures = []
    train(
        trainer,
        CropSampler(find_pairs(data_folder, "train"), tiny_sam, config, None),
        tmp_path,
        progress=lambda step, total, numbers: figures.append(numbers["loss"]),
    )
    assert np.mean(figures[-10:]) < 0.75 * np.mean(figures[:5])


def test_every_step_draws_one_of_the_crop_sizes(tiny_sam, data_folder):
    config = dataclasses.replace(QUICK, crop_sizes=((32, 3), (64, 1)))
    sampler = CropSampler(find_pairs(data_folder, "train"), tiny_sam, config, None)
    drawn = {(crop.image.shape[-1], len(batch)) for batch in map(sampler.batch, range(12)) for crop in batch}
    assert drawn == {(32, 3), (64, 1)}


def test_rate_rises_stays_and_falls():
    config = TrainConfig(steps=100, warmup_steps=10, decay_steps=20, learning_rate=1.0)
    assert config.rate_at(0) == pytest.approx(0.1)
    assert config.rate_at(50) == 1
    assert config.rate_at(90) == pytest.approx(0.5)
