"""From a model's name or file to a model that is ready to compute."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import torch

from napari_sam.errors import CheckpointError, ModelError
from napari_sam.model.config import CONFIGS, SamConfig
from napari_sam.predict.device import PRECISIONS, MessageCallback, log_message, resolve_device, resolve_precision
from napari_sam.predict.loaded import LoadedModel
from napari_sam.zoo.cards import get_card
from napari_sam.zoo.checkpoints import architecture_name, load_checkpoint, weights_hash
from napari_sam.zoo.recognise import encoder_shape
from napari_sam.zoo.store import require_model

DEFAULT_MODEL = "sam_lite"


def load_model(
    name: str | None = None,
    checkpoint: str | PathLike[str] | None = None,
    device: str | torch.device = "auto",
    precision: str = "auto",
    on_message: MessageCallback = log_message,
) -> LoadedModel:
    """Load a model now, ready to compute.

    Parameters
    ----------
    name : str, optional
        "sam_lite" (ships with the package; the default), "vit_t", "vit_b", "vit_l", "vit_h" or another name of
        ``napari-sam models list``. With ``checkpoint`` it may be left out; one that contradicts the file is an error.
    checkpoint : path, optional
        A file of weights: Meta's, MobileSAM's, micro-sam's, Hugging Face's or this project's own. The architecture
        is recognised from the tensors.
    device : str or torch.device
        "auto" (cuda, else mps, else cpu), "cpu", "cuda", "cuda:1", "mps".
    precision : {"auto", "fp32", "bf16", "fp16"}
        Of the image encoder; see :func:`napari_sam.predict.device.resolve_precision`.
    on_message : callable
        Told what the user should know, e.g. that a requested precision is not used. Logged when left out.

    Returns
    -------
    LoadedModel

    Raises
    ------
    ModelError
        If the name, device or precision is unknown, or the name contradicts the checkpoint.
    CheckpointError
        If a file is missing, damaged, or fits no known architecture.
    """
    chosen_device = resolve_device(device)
    architecture = None if name is None else get_card(name).architecture
    if checkpoint is None:
        name = name or DEFAULT_MODEL
        path = require_model(name)
    else:
        path = _existing_file(checkpoint)
    sam = load_checkpoint(path)
    found = architecture_name(sam.config)
    if architecture is not None and not _same_network(sam.config, CONFIGS[architecture]):
        raise ModelError(
            f"{path} holds the architecture {found!r}, but the name {name!r} means {architecture!r}. "
            "Leave the name out to load the file as it is."
        )
    chosen_precision = resolve_precision(precision, chosen_device, sam.config, on_message)
    weights = weights_hash(sam.state_dict(), sam.config)
    # The weights themselves, not autocast: that converts them anew for every image, and takes a sixth longer.
    sam.image_encoder.to(PRECISIONS[chosen_precision])
    return LoadedModel(sam.to(chosen_device).eval(), name or found, chosen_device, chosen_precision, weights, path)


def _same_network(config: SamConfig, other: SamConfig) -> bool:
    """Whether two models have the same tensors, whatever their pixel statistics and image size."""
    return encoder_shape(config) == encoder_shape(other) and config.prompt_embed_dim == other.prompt_embed_dim


def _existing_file(checkpoint: str | PathLike[str]) -> Path:
    path = Path(checkpoint).expanduser()
    if not path.is_file():
        reason = "is a folder" if path.is_dir() else "does not exist"
        raise CheckpointError(
            f"The checkpoint {path} {reason}; pass the path of a file of weights (.pth, .safetensors)."
        )
    return path
