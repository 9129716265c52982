"""The whole promptable model: encode an image once, then decode any number of prompts."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from napari_sam.model.common import Progress
from napari_sam.model.config import EfficientNetLiteConfig, SamConfig, TinyViTConfig, ViTConfig
from napari_sam.model.efficientnet_lite import EfficientNetLiteEncoder, ImageFeatures
from napari_sam.model.fast_decoder import ConfidentMasks, confident, decode_confident, image_tokens
from napari_sam.model.fast_transformer import ImageTokens
from napari_sam.model.mask_decoder import HighResMaskDecoder, MaskDecoder
from napari_sam.model.prompt_encoder import DrawnPromptEncoder, PromptEncoder
from napari_sam.model.transformer import TwoWayTransformer


class ImageContext(NamedTuple):
    """One encoded image with everything that is the same for all of its prompts.

    Belongs to the weights it was made with. ``shared`` is None where gradients are
    recorded: the plain decoder runs then.
    """

    features: ImageFeatures
    image_pe: Tensor
    shared: SharedWork | None = None


class SharedWork(NamedTuple):
    """What the decoder's inference path prepares per image, and the fp32 modules it runs."""

    tokens: ImageTokens
    prompt_encoder: PromptEncoder
    mask_decoder: MaskDecoder


class Sam(nn.Module):
    """Segment Anything: image encoder, prompt encoder, mask decoder.

    State-dict keys equal Meta's (and MobileSAM's for ``vit_t``). Pixel statistics are non-persistent buffers, as in
    the official code: they are not part of a checkpoint.
    """

    pixel_mean: Tensor
    pixel_std: Tensor

    def __init__(self, config: SamConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = _build_image_encoder(config)
        self.prompt_encoder = _build_prompt_encoder(config)
        self.mask_decoder = _build_mask_decoder(config)
        self.register_buffer("pixel_mean", torch.tensor(config.pixel_mean).reshape(3, 1, 1), persistent=False)
        self.register_buffer("pixel_std", torch.tensor(config.pixel_std).reshape(3, 1, 1), persistent=False)

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.pixel_mean.device

    def preprocess(self, image: Tensor) -> Tensor:
        """Normalise an image and pad it to the model's square.

        Parameters
        ----------
        image : Tensor, shape (3, h, w)
            0-255 values; the longest side is ``config.img_size``. Padding goes to the bottom and right, after
            normalisation, so that it has the mean colour.

        Returns
        -------
        Tensor, shape (1, 3, img_size, img_size)
        """
        image = image.to(self.device, torch.float32)
        if self.config.stretch_percentiles is not None:
            image = stretch_contrast(image, self.config.stretch_percentiles)
        pixels = (image - self.pixel_mean) / self.pixel_std
        height, width = pixels.shape[-2:]
        side = self.config.img_size
        return F.pad(pixels, (0, side - width, 0, side - height)).unsqueeze(0)

    def encode(self, pixels: Tensor, progress: Progress | None = None) -> ImageFeatures:
        """Run the image encoder on preprocessed pixels (B, 3, img_size, img_size).

        ``progress`` is told (done, total) between blocks; what it raises ends the pass.
        """
        features = self.image_encoder(pixels, progress)
        return features if isinstance(features, ImageFeatures) else ImageFeatures(features)

    def image_context(self, features: ImageFeatures) -> ImageContext:
        """Compute, once per image, what all of its prompts share."""
        if torch.is_grad_enabled() or self.training:
            return ImageContext(features, self.prompt_encoder.get_dense_pe())
        prompt_encoder, mask_decoder = self._heads()
        image_pe = prompt_encoder.get_dense_pe()
        empty = prompt_encoder.empty_dense()
        tokens = image_tokens(mask_decoder, features.embedding, image_pe, empty, features.high_res)
        return ImageContext(features, image_pe, SharedWork(tokens, prompt_encoder, mask_decoder))

    def _heads(self) -> tuple[PromptEncoder, MaskDecoder]:
        """Prompt encoder and mask decoder in fp32: themselves, or copies of a model in half precision."""
        heads = self.prompt_encoder, self.mask_decoder
        if self.mask_decoder.iou_token.weight.dtype == torch.float32:
            return heads
        prompt_encoder, mask_decoder = copy.deepcopy(heads)
        return prompt_encoder.float(), mask_decoder.float()

    def decode(
        self,
        context: ImageContext,
        points_xy: Tensor | None = None,
        labels: Tensor | None = None,
        boxes_xyxy: Tensor | None = None,
        masks: Tensor | None = None,
        multimask_output: bool = True,
    ) -> tuple[Tensor, Tensor]:
        """Decode N prompts on one image, given in pixels of the resized, padded image.

        Parameters
        ----------
        context : ImageContext
        points_xy : Tensor, shape (N, P, 2), optional
        labels : Tensor of int, shape (N, P)
            1 positive, 0 negative, -1 padding.
        boxes_xyxy : Tensor, shape (N, 4), optional
        masks : Tensor, shape (N, 1, 4h, 4w), optional
            Logits of an earlier prediction.
        multimask_output : bool
            Three masks for ambiguous prompts, else the single-mask output.

        Returns
        -------
        low_res_masks : Tensor, shape (N, 3 or 1, 4h, 4w)
        iou_predictions : Tensor, shape (N, 3 or 1)
        """
        found = self.decode_confident(context, points_xy, labels, boxes_xyxy, masks, multimask_output)
        return found.masks.unflatten(0, found.scores.shape), found.scores

    def decode_confident(
        self,
        context: ImageContext,
        points_xy: Tensor | None = None,
        labels: Tensor | None = None,
        boxes_xyxy: Tensor | None = None,
        masks: Tensor | None = None,
        multimask_output: bool = True,
        iou_floor: float = float("-inf"),
        used_hw: tuple[int, int] | None = None,
    ) -> ConfidentMasks:
        """Decode N prompts on one image, but only the masks whose predicted IoU is above ``iou_floor``.

        Parameters are those of :meth:`decode`. Masks at or below the floor cost much less, and so do logits beyond the
        rows and columns ``used_hw``, which are any number far below zero.
        """
        features, shared = context.features, context.shared
        chosen = slice(1, None) if multimask_output else slice(0, 1)
        if shared is None or torch.is_grad_enabled() or self.training:
            prompts = self.prompt_encoder(points_xy, labels, boxes_xyxy, masks)
            low_res, iou = self.mask_decoder(features.embedding, context.image_pe, prompts, features.high_res)
            return confident(low_res[:, chosen], iou[:, chosen], iou_floor)
        prompts = shared.prompt_encoder.encode_compactly(points_xy, labels, boxes_xyxy, masks)
        empty = masks is None and prompts.drawn is None
        tokens = shared.tokens if empty else shared.tokens._replace(first_layer=None)
        return decode_confident(shared.mask_decoder, tokens, prompts, chosen, iou_floor, used_hw)


def stretch_contrast(image: Tensor, percentiles: tuple[float, float]) -> Tensor:
    """Stretch an image linearly so that the given percentiles of all its values become 0 and 255.

    All channels are stretched alike (colours stay), from a regular sample of at most about 100,000 values. The gain is
    at most 16, so that a constant image stays constant; values are limited to [-64, 320].

    Parameters
    ----------
    image : Tensor, shape (3, h, w)
        0-255 values.
    percentiles : tuple of float
        Low and high percentile, 0 to 100.

    Returns
    -------
    Tensor, shape (3, h, w)
    """
    step = max(1, int((image.numel() / 100_000) ** 0.5))
    sample = image[:, ::step, ::step].flatten().sort().values
    low, high = (sample[round(p / 100 * (len(sample) - 1))] for p in percentiles)
    return ((image - low) * (255.0 / (high - low).clamp(min=16.0))).clamp(-64, 320)


def _build_image_encoder(config: SamConfig) -> nn.Module:
    encoder, width = config.encoder, config.prompt_embed_dim
    if isinstance(encoder, ViTConfig):
        from napari_sam.model.vit import ImageEncoderViT

        return ImageEncoderViT(encoder, config.img_size, width)
    if isinstance(encoder, TinyViTConfig):
        from napari_sam.model.tiny_vit import TinyViT

        return TinyViT(encoder, config.img_size, width)
    return EfficientNetLiteEncoder(width, encoder.high_res_dims)


def _build_prompt_encoder(config: SamConfig) -> PromptEncoder:
    cls = DrawnPromptEncoder if isinstance(config.encoder, EfficientNetLiteConfig) else PromptEncoder
    return cls(config.prompt_embed_dim, config.grid_size, config.img_size, config.mask_in_chans)


def _build_mask_decoder(config: SamConfig) -> MaskDecoder:
    width = config.prompt_embed_dim
    transformer = TwoWayTransformer(
        config.transformer_depth, width, config.transformer_heads, config.transformer_mlp_dim
    )
    heads = (config.num_multimask_outputs, config.iou_head_depth, config.iou_head_hidden_dim)
    if isinstance(config.encoder, EfficientNetLiteConfig):
        return HighResMaskDecoder(transformer, width, *heads, config.encoder.high_res_dims)
    return MaskDecoder(transformer, width, *heads)
