"""The official models and ours with the same random weights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks.official import import_mobile_sam, import_official
from napari_sam.model.config import MOBILE_SAM, SAM_VIT_B, SamConfig, ViTConfig
from napari_sam.model.sam import Sam
from tests.model.seeded import seeded_state

TINY = replace(SAM_VIT_B, encoder=ViTConfig(48, 2, 4, (1,)), img_size=256)
"""A network that encodes in milliseconds."""


@dataclass(frozen=True)
class Pair:
    """The official model and ours with the same weights."""

    official: Any
    ours: Sam

    @property
    def pixels(self) -> Tensor:
        """Normalised pixels of an image of noise, (1, 3, size, size)."""
        size = self.ours.config.img_size
        return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))


def vit_pair(tiny: bool = False) -> Pair:
    """Make SAM ViT-B twice; with ``tiny`` a network of the same kind that only shows that everything runs.

    Raises
    ------
    NotInstalledError
        If the official package is missing.
    """
    return _same_weights(official_vit(tiny), our_vit(tiny))


def official_vit(tiny: bool = False) -> Any:
    """Make the official one alone."""
    package = import_official()
    return _official_small(TINY) if tiny else package.sam_model_registry["vit_b"]().eval()


def our_vit(tiny: bool = False) -> Sam:
    """Make ours alone."""
    return Sam(TINY if tiny else SAM_VIT_B).eval()


def in_bf16(sam: Sam) -> Sam:
    """Convert a model's image encoder, as load_model does for ViT-B where the processor computes with bf16."""
    sam.image_encoder.to(torch.bfloat16)
    return sam


def tiny_vit_pair() -> Pair:
    """Make MobileSAM twice.

    Raises
    ------
    NotInstalledError
        If the official package is missing.
    """
    return _same_weights(import_mobile_sam().sam_model_registry["vit_t"](), Sam(MOBILE_SAM))


def _official_small(config: SamConfig) -> Any:
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
    from segment_anything.modeling import Sam as OfficialSam

    encoder, grid, size = config.encoder, config.grid_size, config.img_size
    assert isinstance(encoder, ViTConfig)
    norm = partial(torch.nn.LayerNorm, eps=1e-6)
    return OfficialSam(
        ImageEncoderViT(
            img_size=size,
            embed_dim=encoder.embed_dim,
            depth=encoder.depth,
            num_heads=encoder.num_heads,
            norm_layer=norm,
            use_rel_pos=True,
            window_size=encoder.window_size,
            global_attn_indexes=encoder.global_attn_indexes,
        ),
        PromptEncoder(256, (grid, grid), (size, size), 16),
        MaskDecoder(transformer_dim=256, transformer=TwoWayTransformer(2, 256, 8, 2048)),
    )


def _same_weights(official: Any, ours: Sam) -> Pair:
    state = seeded_state(official.state_dict(), 3)
    official.load_state_dict(state)
    ours.load_state_dict(state)
    return Pair(official.eval(), ours.eval())  # MobileSAM takes its trained biases over only in eval()
