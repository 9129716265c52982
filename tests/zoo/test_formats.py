"""Other layouts of SAM's weights, and other models' weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_sam.errors import CheckpointError
from napari_sam.zoo.checkpoints import load_checkpoint, read_checkpoint
from tests.zoo.models import SMALL_LITE, SMALL_TINY_VIT, SMALL_VIT, make

TIED = ("shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding")


@pytest.fixture(scope="module")
def hugging_face_model() -> Any:
    from transformers import SamConfig, SamMaskDecoderConfig, SamModel, SamPromptEncoderConfig, SamVisionConfig

    torch.manual_seed(0)
    vision = SamVisionConfig(
        hidden_size=32,
        output_channels=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=64,
        window_size=3,
        global_attn_indexes=[1],
        num_pos_feats=16,
        mlp_dim=128,
    )
    prompts = SamPromptEncoderConfig(hidden_size=32, image_size=64, mask_input_channels=8, image_embedding_size=4)
    decoder = SamMaskDecoderConfig(
        hidden_size=32, mlp_dim=48, num_hidden_layers=1, iou_head_depth=4, iou_head_hidden_dim=24
    )
    config = SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    model = SamModel(config).eval()
    for tensor in model.state_dict().values():
        tensor.copy_(torch.rand_like(tensor) * 0.2 - 0.1)
    return model


@pytest.fixture
def hugging_face_file(hugging_face_model: Any, tmp_path: Path) -> Path:
    hugging_face_model.save_pretrained(tmp_path)
    return tmp_path / "model.safetensors"


def test_a_hugging_face_model_is_recognised(hugging_face_file: Path) -> None:
    checkpoint = read_checkpoint(hugging_face_file)
    assert checkpoint.format == "hugging face"
    assert checkpoint.config == SMALL_VIT


def test_a_hugging_face_model_computes_the_same_here(hugging_face_model: Any, hugging_face_file: Path) -> None:
    sam = load_checkpoint(hugging_face_file)
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    points = torch.tensor([[[20.0, 30.0], [40.0, 10.0]]])
    with torch.inference_mode():
        features = sam.encode(pixels)
        masks, iou = sam.decode(sam.image_context(features), points, torch.tensor([[1, 0]]), multimask_output=True)
        theirs = hugging_face_model(
            pixel_values=pixels, input_points=points[None], input_labels=torch.tensor([[[1, 0]]]), multimask_output=True
        )
        embedding = hugging_face_model.get_image_embeddings(pixels)
    torch.testing.assert_close(features.embedding, embedding, rtol=1e-4, atol=1e-5)
    # Their two-way blocks have another layer-norm eps, so that this is near and not equal.
    torch.testing.assert_close(masks, theirs.pred_masks[0], rtol=1e-2, atol=1e-3)
    torch.testing.assert_close(iou, theirs.iou_scores[0], rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("kept", [TIED[:1], TIED[1:], TIED])
def test_either_or_both_names_of_the_tied_encoding_are_accepted(
    kept: tuple[str, ...], hugging_face_file: Path, tmp_path: Path
) -> None:
    tensors = load_file(hugging_face_file)
    encoding = next(tensors.pop(name) for name in TIED if name in tensors)
    tensors = {name: tensor for name, tensor in tensors.items() if name not in TIED}
    torch.save({**tensors, **dict.fromkeys(kept, encoding)}, tmp_path / "pytorch_model.bin")
    loaded = load_checkpoint(tmp_path / "pytorch_model.bin")
    assert torch.equal(loaded.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix, encoding)


def test_copies_of_the_tied_encoding_that_differ_are_an_error(hugging_face_file: Path, tmp_path: Path) -> None:
    tensors = load_file(hugging_face_file)
    encoding = next(tensors[name] for name in TIED if name in tensors)
    save_file({**tensors, TIED[0]: encoding, TIED[1]: encoding + 1}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="two copies of the positional encoding differ"):
        read_checkpoint(tmp_path / "model.safetensors")


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (["mask_decoder.hf_token.weight", "mask_decoder.hf_mlp.layers.0.weight"], "SAM-HQ"),
        (["mask_decoder.hq_token.weight"], "SAM-HQ"),
        (["mask_decoder.conv_s0.weight"], "SAM 2"),
        (["image_encoder.blocks.0.attn.qkv.w_a_linear_q.weight"], "LoRA or adapter"),
        (["image_encoder.blocks.0.Adapter.channel.0.weight"], "LoRA or adapter"),
        (["decoder.samplers.0.block.weight"], "UNETR"),
    ],
)
def test_models_that_extend_sam_are_refused_by_name(names: list[str], what: str, tmp_path: Path) -> None:
    extra = {name: torch.zeros(2) for name in names}
    torch.save({**make(SMALL_VIT).state_dict(), **extra}, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match=rf"model\.pth: it is .*{what}.*Supported"):
        read_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (
            ["image_encoder.trunk.pos_embed", "sam_mask_decoder.iou_token.weight", "memory_attention.norm.weight"],
            "SAM 2",
        ),
        (["vision_encoder.backbone.pos_embed", "no_memory_embedding"], "SAM 2"),
        (["detector.backbone.vision_backbone.trunk.pos_embed"], "SAM 3"),
        (["samplers.0.conv.weight", "out_conv.weight", "base.0.weight"], "UNETR"),
        (["blocks.0.attn.qkv.weight", "pos_embed"], "image encoder alone"),
        (["layers.0.blocks.0.conv1.c.weight", "head.weight"], "image encoder alone"),
        (["fc.weight", "layer1.0.conv1.weight"], "holds no Segment Anything model: 2 tensors"),
    ],
)
def test_other_models_are_refused_by_name(names: list[str], what: str, tmp_path: Path) -> None:
    save_file({name: torch.zeros(2) for name in names}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=rf"model\.safetensors: .*{what}"):
        read_checkpoint(tmp_path / "model.safetensors")


def test_constants_that_some_files_hold_are_left_out(tmp_path: Path) -> None:
    state = make(SMALL_TINY_VIT).state_dict()
    extra = {
        "pixel_mean": torch.zeros(3, 1, 1),
        "pixel_std": torch.ones(3, 1, 1),
        "image_encoder.layers.1.blocks.0.attn.attention_bias_idxs": torch.zeros(49, 49, dtype=torch.int64),
    }
    torch.save({**state, **extra}, tmp_path / "model.pt")
    assert read_checkpoint(tmp_path / "model.pt").state_dict.keys() == state.keys()


def test_a_mobile_sam_without_the_unused_classifier_is_accepted(tmp_path: Path) -> None:
    state = make(SMALL_TINY_VIT).state_dict()
    unused = ("image_encoder.head.", "image_encoder.norm_head.")
    torch.save({k: v for k, v in state.items() if not k.startswith(unused)}, tmp_path / "model.pt")
    encoder = replace(SMALL_TINY_VIT.encoder, num_classes=0)  # type: ignore[type-var]
    assert load_checkpoint(tmp_path / "model.pt").config == replace(SMALL_TINY_VIT, encoder=encoder)


def test_an_unknown_image_encoder_is_an_error(tmp_path: Path) -> None:
    state = {k.replace("stem", "trunk_of_tomorrow"): v for k, v in make(SMALL_LITE).state_dict().items()}
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"image encoder is of no known kind .*blocks\.0"):
        read_checkpoint(tmp_path / "model.pt")
