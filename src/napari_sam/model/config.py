"""Sizes of every network, as plain data: enough to rebuild a model from a file's metadata.

``SAM_VIT_B`` ... carry the values of ``segment_anything/build_sam.py``; ``MOBILE_SAM`` those of MobileSAM's
``build_sam.py``; ``SAM_LITE`` is this project's own bundled model.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True)
class ViTConfig:
    """Plain ViT encoder with windowed and global attention (SAM paper, appendix A; ViTDet)."""

    embed_dim: int = 768
    depth: int = 12
    num_heads: int = 12
    global_attn_indexes: tuple[int, ...] = (2, 5, 8, 11)
    window_size: int = 14
    patch_size: int = 16
    mlp_ratio: float = 4.0


@dataclass(frozen=True)
class TinyViTConfig:
    """MobileSAM's TinyViT encoder."""

    embed_dims: tuple[int, ...] = (64, 128, 160, 320)
    depths: tuple[int, ...] = (2, 2, 6, 2)
    num_heads: tuple[int, ...] = (2, 4, 5, 10)
    window_sizes: tuple[int, ...] = (7, 7, 14, 7)
    mlp_ratio: float = 4.0
    mbconv_expand_ratio: float = 4.0
    local_conv_size: int = 3
    num_classes: int = 1000


@dataclass(frozen=True)
class EfficientNetLiteConfig:
    """EfficientNet-Lite0 encoder with a small feature pyramid (``sam_lite``)."""

    high_res_dims: tuple[int, int] = (64, 32)


EncoderConfig = ViTConfig | TinyViTConfig | EfficientNetLiteConfig
_ENCODERS: dict[str, type[ViTConfig | TinyViTConfig | EfficientNetLiteConfig]] = {
    "vit": ViTConfig,
    "tiny_vit": TinyViTConfig,
    "efficientnet_lite": EfficientNetLiteConfig,
}


@dataclass(frozen=True)
class SamConfig:
    """Everything needed to build a :class:`napari_sam.model.sam.Sam`.

    ``prompt_embed_dim`` is the width of the image embedding, the prompt tokens and the decoder. With
    ``stretch_percentiles`` the model stretches each image's contrast itself, so that a very dark image gives the same
    features as a bright one.
    """

    encoder: EncoderConfig
    img_size: int = 1024
    prompt_embed_dim: int = 256
    mask_in_chans: int = 16
    transformer_depth: int = 2
    transformer_heads: int = 8
    transformer_mlp_dim: int = 2048
    iou_head_depth: int = 3
    iou_head_hidden_dim: int = 256
    num_multimask_outputs: int = 3
    pixel_mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    pixel_std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    stretch_percentiles: tuple[float, float] | None = None

    @property
    def grid_size(self) -> int:
        """Side of the square image embedding, in tokens."""
        return self.img_size // 16

    def to_dict(self) -> dict[str, Any]:
        """Return plain data (JSON types) from which :meth:`from_dict` rebuilds the configuration."""
        data = asdict(self)
        kind = next(name for name, cls in _ENCODERS.items() if isinstance(self.encoder, cls))
        data["encoder"] = {"kind": kind, **data["encoder"]}
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> SamConfig:
        """Rebuild a configuration from :meth:`to_dict`'s output.

        Raises
        ------
        ValueError
            If the encoder's kind or a field name is unknown.
        """
        values = dict(data)
        encoder = dict(values.pop("encoder"))
        kind = encoder.pop("kind", None)
        if kind not in _ENCODERS:
            raise ValueError(f"unknown encoder kind {kind!r}; known: {', '.join(_ENCODERS)}")
        return cls(encoder=_build(_ENCODERS[kind], encoder), **_plain(cls, values))


def _plain(cls: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    unknown = set(values) - {f.name for f in fields(cls)}
    if unknown:
        raise ValueError(f"unknown fields for {cls.__name__}: {', '.join(sorted(unknown))}")
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}  # JSON has no tuples


def _build(cls: type[Any], values: dict[str, Any]) -> EncoderConfig:
    built: EncoderConfig = cls(**_plain(cls, values))
    return built


SAM_VIT_B = SamConfig(ViTConfig())
SAM_VIT_L = SamConfig(ViTConfig(1024, 24, 16, (5, 11, 17, 23)))
SAM_VIT_H = SamConfig(ViTConfig(1280, 32, 16, (7, 15, 23, 31)))
MOBILE_SAM = SamConfig(TinyViTConfig())
SAM_LITE = SamConfig(
    EfficientNetLiteConfig(),
    prompt_embed_dim=128,
    transformer_mlp_dim=256,
    iou_head_hidden_dim=128,
    pixel_mean=(127.0, 127.0, 127.0),
    pixel_std=(128.0, 128.0, 128.0),
    stretch_percentiles=(0.5, 99.5),
)

CONFIGS: dict[str, SamConfig] = {
    "sam_lite": SAM_LITE,
    "vit_t": MOBILE_SAM,
    "vit_b": SAM_VIT_B,
    "vit_l": SAM_VIT_L,
    "vit_h": SAM_VIT_H,
}
"""Architectures by name, smallest first."""
