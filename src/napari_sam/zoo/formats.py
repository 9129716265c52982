"""Names of tensors: other layouts of the same weights into the official one, and weights that are not SAM's at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from napari_sam.errors import CheckpointError

_ANCHOR = "prompt_encoder.no_mask_embed.weight"  # in every layout, whatever stands before it
_PE = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_HF_PE = ("shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding")

# Derived or constant tensors that some versions save and nobody needs.
_DISPENSABLE = re.compile(
    r"^(pixel_mean|pixel_std)$"
    r"|^image_encoder\.layers\.\d+\.blocks\.\d+\.attn\.(ab|attention_bias_idxs)$"
)

# Hugging Face ``SamModel`` to official names (SAM-HQ and SAM 2 are refused before).
_HF_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^vision_encoder\.layers\.(\d+)\.layer_norm([12])\.", r"image_encoder.blocks.\1.norm\2."),
        (r"^vision_encoder\.layers\.", r"image_encoder.blocks."),
        (r"^vision_encoder\.patch_embed\.projection\.", r"image_encoder.patch_embed.proj."),
        (r"^vision_encoder\.neck\.conv1\.", r"image_encoder.neck.0."),
        (r"^vision_encoder\.neck\.layer_norm1\.", r"image_encoder.neck.1."),
        (r"^vision_encoder\.neck\.conv2\.", r"image_encoder.neck.2."),
        (r"^vision_encoder\.neck\.layer_norm2\.", r"image_encoder.neck.3."),
        (r"^vision_encoder\.", r"image_encoder."),
        (r"^prompt_encoder\.mask_embed\.conv1\.", r"prompt_encoder.mask_downscaling.0."),
        (r"^prompt_encoder\.mask_embed\.layer_norm1\.", r"prompt_encoder.mask_downscaling.1."),
        (r"^prompt_encoder\.mask_embed\.conv2\.", r"prompt_encoder.mask_downscaling.3."),
        (r"^prompt_encoder\.mask_embed\.layer_norm2\.", r"prompt_encoder.mask_downscaling.4."),
        (r"^prompt_encoder\.mask_embed\.conv3\.", r"prompt_encoder.mask_downscaling.6."),
        (r"^prompt_encoder\.point_embed\.", r"prompt_encoder.point_embeddings."),
        (r"^mask_decoder\.transformer\.layers\.(\d+)\.layer_norm(\d)\.", r"mask_decoder.transformer.layers.\1.norm\2."),
        (r"^mask_decoder\.transformer\.layer_norm_final_attn\.", r"mask_decoder.transformer.norm_final_attn."),
        (r"^mask_decoder\.upscale_conv1\.", r"mask_decoder.output_upscaling.0."),
        (r"^mask_decoder\.upscale_layer_norm\.", r"mask_decoder.output_upscaling.1."),
        (r"^mask_decoder\.upscale_conv2\.", r"mask_decoder.output_upscaling.3."),
    )
)
_HF_MLP = re.compile(
    r"^(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+)\.)(proj_in|layers\.(\d+)|proj_out)\.(.*)$"
)

_LORA = "a checkpoint with LoRA or adapter layers; where they can be merged into the weights, save the merged model"
_UNETR = (
    "micro-sam's decoder for automatic segmentation (UNETR), which belongs beside a model and has no prompt encoder; "
    "load the model's own file"
)
_FOREIGN: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (r"(^|\.)(mask_decoder\.)?(hf_token|hq_token|hf_mlp|hq_mask_mlp|compress_vit_feat)", "a SAM-HQ checkpoint"),
        (
            r"(^|\.)(memory_attention|memory_encoder|obj_ptr_proj|sam_mask_decoder|no_mem_embed|no_memory_embedding)\b",
            "a SAM 2 checkpoint",
        ),
        (r"^(image_encoder\.trunk\.|vision_encoder\.backbone\.|mask_decoder\.conv_s0)", "a SAM 2 checkpoint"),
        (r"^(detector|tracker)(_model)?\.", "a SAM 3 checkpoint"),
        (r"(lora_|linear_[ab]_[qv]|\bw_[ab]_linear|[Aa]dapter)", _LORA),
        (r"^(decoder\.samplers|samplers|deconv|out_conv)", _UNETR),
        (r"^(visual\.|text_model\.|transformer\.resblocks\.)", "a CLIP checkpoint"),
    )
)


def to_official(tensors: Mapping[str, Tensor], container: str, nest: str) -> tuple[dict[str, Tensor], str]:
    """Bring a model's tensors under Meta's names.

    Parameters
    ----------
    tensors : mapping of str to Tensor
    container, nest : str
        As in :class:`napari_sam.zoo.safe_load.RawCheckpoint`; they only name the format.

    Returns
    -------
    state : dict of str to Tensor
    layout : str
        ``official``, ``hugging face`` or ``training checkpoint (ENTRY)``.

    Raises
    ------
    CheckpointError
        If the tensors are of another kind of model (SAM-HQ, SAM 2, a decoder ...) or of none that is known.
    """
    state = _strip_prefix(tensors)
    refuse_foreign(state)
    layout = f"training checkpoint ({nest})" if container == "torch" and nest else "official"
    if any(name.startswith("vision_encoder.") for name in state):
        state, layout = from_hugging_face(state), "hugging face"
    return {name: tensor for name, tensor in state.items() if not _DISPENSABLE.match(name)}, layout


def refuse_foreign(names: Iterable[str]) -> None:
    """Raise CheckpointError if the names belong to a kind of model that is known and not supported."""
    ordered = list(names)
    for pattern, what in _FOREIGN:
        hit = next((name for name in ordered if pattern.search(name)), None)
        if hit is not None:
            raise CheckpointError(
                f"it is {what} (it has {hit!r}). Supported: Segment Anything ViT-B/L/H, MobileSAM, micro-sam's models, "
                "and this package's own"
            )


def _strip_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Take off what wrappers put before every name: ``sam.``, ``module.``, ``_orig_mod.`` ..."""
    anchor = next((name for name in tensors if name == _ANCHOR or name.endswith(f".{_ANCHOR}")), None)
    if anchor is None:
        refuse_foreign(tensors)
        raise CheckpointError(_not_sam(tensors))
    prefix = anchor.removesuffix(_ANCHOR)
    # Other names belong to what was trained beside the model, such as micro-sam's second decoder.
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _not_sam(tensors: Mapping[str, Tensor]) -> str:
    encoder_only = any(
        re.match(r"(image_encoder\.)?(blocks\.0\.attn\.qkv|layers\.0\.blocks\.0)\.", name) for name in tensors
    )
    names = ", ".join(sorted(tensors)[:4])
    if encoder_only:
        return f"it holds an image encoder alone ({names} ...), without prompt encoder and mask decoder"
    return f"it holds no Segment Anything model: {len(tensors)} tensors ({names} ...) and none named {_ANCHOR}"


def from_hugging_face(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of ``transformers.SamModel`` to Meta's names.

    Raises
    ------
    CheckpointError
        If the tied positional encoding is there twice with different values.
    """
    depth = _hf_inner_layers(state)
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name not in _HF_PE:
            renamed[_official_name(name, depth)] = tensor
    # Tied in the model; safetensors keeps only the first, other files either or both.
    encodings = [state[name] for name in _HF_PE if name in state]
    if any(not torch.equal(encodings[0], other) for other in encodings[1:]):
        raise CheckpointError(f"its two copies of the positional encoding differ ({', '.join(_HF_PE)})")
    if encodings:
        renamed[_PE] = encodings[0]
    return renamed


def _hf_inner_layers(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Count, per MLP, the layers between the first and the last."""
    inner: dict[str, int] = {}
    for name in state:
        if found := _HF_MLP.match(name):
            here = int(found[3]) + 1 if found[3] is not None else 0
            inner[found[1]] = max(inner.get(found[1], 0), here)
    return inner


def _official_name(name: str, inner: Mapping[str, int]) -> str:
    if found := _HF_MLP.match(name):
        stem, part, number, rest = found.groups()
        index = 0 if part == "proj_in" else inner[stem] + 1 if part == "proj_out" else int(number) + 1
        return f"{stem}layers.{index}.{rest}"
    for pattern, replacement in _HF_RULES:
        if pattern.match(name):
            return pattern.sub(replacement, name)
    return name
