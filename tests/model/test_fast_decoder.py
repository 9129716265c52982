"""The decoder's inference path against the plain one that training uses, for every kind of prompt."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_sam.model import fast_decoder, fast_transformer
from napari_sam.model.config import SAM_LITE, SamConfig
from napari_sam.model.efficientnet_lite import ImageFeatures
from napari_sam.model.prompt_encoder import DrawnPromptEncoder
from napari_sam.model.sam import Sam
from tests.model.conftest import small_config
from tests.model.seeded import seeded_state

LITE = replace(SAM_LITE, img_size=128, prompt_embed_dim=64)
Case = tuple[bool, bool, bool]


def made(config: SamConfig) -> Sam:
    sam = Sam(config).eval()
    sam.load_state_dict(seeded_state(sam.state_dict(), 11))
    return sam


@pytest.fixture(scope="module", params=["sam", "sam_lite"])
def sam(request: pytest.FixtureRequest) -> Sam:
    return made(small_config() if request.param == "sam" else LITE)


def features_of(sam: Sam) -> ImageFeatures:
    rng = torch.Generator().manual_seed(2)
    config, grid = sam.config, sam.config.grid_size
    embedding = torch.randn(1, config.prompt_embed_dim, grid, grid, generator=rng)
    if config.encoder != LITE.encoder:
        return ImageFeatures(embedding)
    high_res = (
        torch.randn(1, 64, 2 * grid, 2 * grid, generator=rng),
        torch.randn(1, 32, 4 * grid, 4 * grid, generator=rng),
    )
    return ImageFeatures(embedding, high_res)


def prompts_of(sam: Sam, case: Case, count: int) -> dict[str, Tensor]:
    rng = np.random.default_rng(4)
    points, boxes, masks = case
    size, found = sam.config.img_size, {}
    if points:
        found["points_xy"] = torch.from_numpy(rng.uniform(0, size, (count, 3, 2)).astype(np.float32))
        found["labels"] = torch.tensor([[1, 0, -1]]).expand(count, -1)
    if boxes:
        found["boxes_xyxy"] = torch.from_numpy(
            np.sort(rng.uniform(0, size, (count, 2, 2)), axis=1).reshape(count, 4)
        ).float()
    if masks:
        side = 4 * sam.config.grid_size
        found["masks"] = torch.from_numpy(rng.normal(0, 5, (count, 1, side, side)).astype(np.float32))
    return found


def both_ways(sam: Sam, prompts: dict[str, Tensor], multimask: bool) -> tuple[tuple[Tensor, Tensor], ...]:
    features = features_of(sam)
    with torch.inference_mode():
        fast = sam.decode(sam.image_context(features), **prompts, multimask_output=multimask)
    with torch.enable_grad():
        plain = sam.decode(sam.image_context(features), **prompts, multimask_output=multimask)
    assert plain[0].requires_grad
    assert not fast[0].requires_grad
    return fast, tuple(x.detach() for x in plain)


def assert_equal(fast: tuple[Tensor, Tensor], plain: tuple[Tensor, Tensor]) -> None:
    for ours, expected in zip(fast, plain, strict=True):
        assert ours.shape == expected.shape
        assert float((ours - expected).abs().max()) <= 1e-5 * max(1.0, float(expected.std()))


@pytest.mark.parametrize("multimask", [True, False])
@pytest.mark.parametrize(
    "case",
    [
        (True, False, False),
        (False, True, False),
        (True, True, False),
        (True, False, True),
        (True, True, True),
        (False, False, True),
    ],
)
def test_equals_the_plain_decoder(sam: Sam, case: Case, multimask: bool) -> None:
    assert_equal(*both_ways(sam, prompts_of(sam, case, 5), multimask))


@pytest.mark.parametrize("case", [(True, False, False), (True, False, True), (False, False, True)])
def test_one_prompt(sam: Sam, case: Case) -> None:
    assert_equal(*both_ways(sam, prompts_of(sam, case, 1), True))


def test_no_prompt_at_all(sam: Sam) -> None:
    assert_equal(*both_ways(sam, {}, True))


@pytest.mark.parametrize(("batch", "tokens"), [(1, 32), (3, 7), (64, 4096)])
def test_batch_and_tile_do_not_matter(sam: Sam, batch: int, tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = prompts_of(sam, (True, False, False), 5)
    monkeypatch.setattr(fast_decoder, "_CPU_BATCH", batch)
    monkeypatch.setattr(fast_decoder, "_CPU_UPSCALE_TOKENS", tokens)
    assert_equal(*both_ways(sam, prompts, True))


def single_points(sam: Sam, count: int) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(3)
    points = torch.rand(count, 1, 2, generator=rng) * sam.config.img_size
    points[0, 0] = torch.tensor([0.0, sam.config.img_size - 1.0])
    return {"points_xy": points, "labels": torch.randint(0, 2, (count, 1), generator=rng)}


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("together", [1, 7])
def test_single_points_are_drawn_on_a_patch_only(
    sam: Sam, count: int, together: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_transformer, "_together", lambda device, count: min(together, count))
    prompts = single_points(sam, count)
    if isinstance(sam.prompt_encoder, DrawnPromptEncoder):
        drawn = sam.prompt_encoder.encode_compactly(*prompts.values(), None, None)
        assert drawn.local is not None
        assert drawn.drawn is None
    assert_equal(*both_ways(sam, prompts, True))


@pytest.mark.parametrize("together", [1, 4])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_only_confident_masks(sam: Sam, share: float, together: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast_transformer, "_together", lambda device, count: min(together, count))
    prompts = single_points(sam, 9)
    with torch.inference_mode():
        context = sam.image_context(features_of(sam))
        masks, scores = sam.decode(context, **prompts)
        floor = float(torch.quantile(scores, 1 - share)) if share else float("inf")
        found = sam.decode_confident(context, **prompts, iou_floor=floor)
    above = (scores > floor).flatten().nonzero().flatten()
    assert len(above) == pytest.approx(share * 27, abs=1)
    assert torch.equal(found.rows, above)
    torch.testing.assert_close(found.scores, scores)
    torch.testing.assert_close(found.masks, masks.flatten(0, 1)[above], rtol=0, atol=1e-5 * float(masks.std()))


@pytest.mark.parametrize("used_hw", [(1, 1), (9, 32), (32, 18), (16, 29)])
@pytest.mark.parametrize("points", [1, 3])
def test_padding_is_left_out(sam: Sam, used_hw: tuple[int, int], points: int) -> None:
    prompts = single_points(sam, 5) if points == 1 else prompts_of(sam, (True, False, False), 5)
    with torch.inference_mode():
        context = sam.image_context(features_of(sam))
        masks, _ = sam.decode(context, **prompts)
        found = sam.decode_confident(context, **prompts, used_hw=used_hw)
    rows, columns = used_hw
    expected = masks.flatten(0, 1)
    assert found.masks.shape == expected.shape
    error = (found.masks - expected)[:, :rows, :columns].abs().max()
    assert float(error) <= 1e-5 * float(masks.std())


def test_confident_masks_of_the_plain_decoder(sam: Sam) -> None:
    prompts = single_points(sam, 3)
    context = sam.image_context(features_of(sam))
    assert context.shared is None  # gradients are recorded
    masks, scores = sam.decode(context, **prompts)
    found = sam.decode_confident(context, **prompts, iou_floor=float(scores.detach().median()))
    assert torch.equal(found.masks, masks.flatten(0, 1)[found.rows])
    assert len(found.rows) == 4


def test_order_of_prompts_is_kept(sam: Sam) -> None:
    prompts = prompts_of(sam, (True, False, False), 6)
    context = None
    with torch.inference_mode():
        context = sam.image_context(features_of(sam))
        together = sam.decode(context, **prompts)[0]
        last = sam.decode(context, **{name: values[5:] for name, values in prompts.items()})[0]
    torch.testing.assert_close(together[5:], last, rtol=0, atol=1e-5 * float(last.std()))


def test_a_model_in_training_uses_the_plain_decoder() -> None:
    sam = made(LITE).train()
    with torch.no_grad():
        assert sam.image_context(features_of(sam)).shared is None


def test_context_follows_new_weights(sam: Sam) -> None:
    prompts = prompts_of(sam, (True, False, False), 2)
    changed = made(sam.config)
    changed.load_state_dict(seeded_state(changed.state_dict(), 12))
    before, _ = both_ways(changed, prompts, True)
    changed.load_state_dict(sam.state_dict())
    after, plain = both_ways(changed, prompts, True)
    assert_equal(after, plain)
    assert not torch.allclose(before[0], after[0])


def test_a_bf16_model_still_decodes_in_fp32() -> None:
    exact, rounded = made(small_config()), made(small_config()).bfloat16()
    exact.load_state_dict(rounded.state_dict())  # the same weights, in fp32
    exact.prompt_encoder.load_state_dict(rounded.prompt_encoder.state_dict())
    prompts = prompts_of(exact, (True, False, False), 3)
    features = features_of(exact)
    with torch.inference_mode():
        expected = exact.decode(exact.image_context(features), **prompts)
        found = rounded.decode(rounded.image_context(features), **prompts)
        masked = rounded.decode(rounded.image_context(features), **prompts_of(exact, (True, True, True), 3))
    assert found[0].dtype == masked[0].dtype == torch.float32
    assert_equal(found, expected)
