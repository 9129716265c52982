"""Prompts in, masks out: encode an image once, then ask about any number of objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from napari_sam.errors import Cancelled, ModelError, OutOfMemoryError, PromptError
from napari_sam.geometry.frame import ResizeFrame
from napari_sam.model.common import Progress
from napari_sam.predict.cache import EmbeddingCache
from napari_sam.predict.device import MessageCallback, log_message
from napari_sam.predict.embedding import Embedding
from napari_sam.predict.execute import Executor, PromptBatch
from napari_sam.predict.fingerprint import embedding_key, fingerprint
from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.preprocess import Channels, Limits, checked_array, resized_rgb
from napari_sam.predict.upscale import masks_at_image_size
from napari_sam.types import Prediction, Prompts

CancelCheck = Callable[[], bool]


class ConfidentLogits(NamedTuple):
    """What one batch of prompts gave: K masks whose predicted IoU is above a floor.

    Attributes
    ----------
    asked : ndarray of int64, shape (n,)
        Indices of the prompts of the batch.
    prompts : ndarray of int64, shape (K,)
        Index of the prompt that gave each mask.
    scores : ndarray of float32, shape (K,)
        Predicted IoU.
    logits : Tensor of float32 on the CPU, shape (K, h, w)
        Any number far below zero in the padding.
    """

    asked: NDArray[np.int64]
    prompts: NDArray[np.int64]
    scores: NDArray[np.float32]
    logits: torch.Tensor


class Predictor:
    """Segment Anything on one model. Holds no image: embeddings go in and out, so it may be shared by threads.

    Parameters
    ----------
    model : LoadedModel
    cache : EmbeddingCache, optional
        Asked before an image is encoded, and given what was computed. May be shared by predictors.
    on_message : callable
        Told when memory ran out and what was done about it. Logged when left out.
    """

    def __init__(
        self, model: LoadedModel, cache: EmbeddingCache | None = None, on_message: MessageCallback = log_message
    ) -> None:
        self.model = model
        self.cache = cache
        self._executor = Executor(model, on_message)

    @property
    def image_size(self) -> int:
        """Side of the model's square, in pixels."""
        return self.model.config.img_size

    def encode(
        self,
        image: ArrayLike,
        *,
        limits: Limits | None = None,
        channels: Channels | None = None,
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> Embedding:
        """Run the image encoder: the slow part, once per image.

        Parameters
        ----------
        image : array-like, shape (H, W) or (H, W, C)
            Any real dtype; see :func:`napari_sam.predict.preprocess.to_uint8_rgb`. Never modified.
        limits : (low, high) or one pair per shown channel, optional
            Values shown as black and white; percentiles when left out, and uint8 unchanged.
        channels : int or sequence of 1 to 3 int, optional
            Channels shown as grey, or red, green (and blue).
        progress : callable, optional
            Called with (done, total) between the blocks of the encoder; not at all where the cache has the answer.
            Starts again from 0 if memory ran out and another device takes over.
        cancelled : callable, optional
            Asked before each step and between the blocks of the encoder; True stops.

        Returns
        -------
        Embedding

        Raises
        ------
        ImageError
            If the image cannot be used.
        OutOfMemoryError
            If neither the device nor the computer has enough memory.
        Cancelled
            If ``cancelled`` returned True.
        """
        check = _raiser(cancelled)
        check()
        array = checked_array(image)
        report = _reporter(progress, check) if progress or cancelled else None
        if self.cache is None:
            return self._encode(array, limits, channels, check, report)
        key = embedding_key(self.model, fingerprint(array), limits, channels)
        known = self.cache.get(key)
        return self.cache.put(key, self._encode(array, limits, channels, check, report)) if known is None else known

    def _encode(
        self,
        array: NDArray[Any],
        limits: Limits | None,
        channels: Channels | None,
        check: Callable[[], None],
        report: Progress | None,
    ) -> Embedding:
        try:
            rgb, frame, preprocessing = resized_rgb(array, self.model.config.img_size, limits, channels)
        except MemoryError as error:
            raise OutOfMemoryError(
                f"The computer's memory is not enough to prepare an image of shape {array.shape}; cut it into pieces."
            ) from error
        check()
        features, high_res = self._executor.encode(rgb, report)
        check()
        return Embedding(features, high_res, frame, self.model.hash, preprocessing)

    def predict(self, embedding: Embedding, prompts: Prompts, multimask: bool = True) -> Prediction:
        """Segment one object.

        Parameters
        ----------
        embedding : Embedding
            From :meth:`encode` of a predictor with the same model.
        prompts : Prompts
            What is known about the object.
        multimask : bool
            Three candidates (whole, part, subpart), for ambiguous prompts such as a single point; else one mask.

        Returns
        -------
        Prediction
            Masks of the image's size, in the decoder's order.

        Raises
        ------
        PromptError
            If there is no prompt, one is outside the image, or ``mask_logits`` has the wrong size.
        ModelError
            If the embedding was made by another model.
        """
        return self.predict_many(embedding, [prompts], multimask)[0]

    def predict_many(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompts],
        multimask: bool = False,
        progress: Progress | None = None,
        cancelled: CancelCheck | None = None,
    ) -> list[Prediction]:
        """Segment many objects of one image, each with its own prompts, decoding them in batches.

        Results are those of :meth:`predict` on each alone, up to rounding.

        Parameters
        ----------
        embedding : Embedding
        prompts : sequence of Prompts
            One per object.
        multimask : bool
            Three masks per object instead of one.
        progress : callable, optional
            Called with (done, total) as objects are done.
        cancelled : callable, optional
            Asked between batches; True stops.

        Returns
        -------
        list of Prediction
            In the order of ``prompts``. Every prediction holds masks of the image's size.

        Raises
        ------
        PromptError, ModelError
            As :meth:`predict`; the message names the prompt.
        Cancelled
            If ``cancelled`` returned True.
        """
        results: dict[int, Prediction] = {}
        for done, (index, prediction) in enumerate(self.iter_predictions(embedding, prompts, multimask, cancelled), 1):
            results[index] = prediction
            if progress is not None:
                progress(done, len(prompts))
        return [results[index] for index in range(len(prompts))]

    def iter_predictions(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompts],
        multimask: bool = False,
        cancelled: CancelCheck | None = None,
    ) -> Iterator[tuple[int, Prediction]]:
        """Yield (index, prediction) as batches are decoded, so that not all masks need be held at once.

        Prompts of the same structure come together; parameters and errors are those of :meth:`predict_many`.
        """
        self.check(embedding, prompts)
        for indices in _groups(prompts):
            batch = _collate([prompts[index] for index in indices], embedding.frame)
            remaining = iter(indices)
            for logits, scores in self._executor.decode(embedding, batch, len(indices), multimask, _raiser(cancelled)):
                for low_res, score in zip(logits, scores, strict=True):
                    yield next(remaining), Prediction(_masks(low_res, embedding.frame), score, low_res.numpy())

    def iter_confident(
        self,
        embedding: Embedding,
        prompts: Sequence[Prompts],
        multimask: bool = True,
        iou_floor: float = float("-inf"),
        most: int | None = None,
        cancelled: CancelCheck | None = None,
    ) -> Iterator[ConfidentLogits]:
        """Yield, as batches are decoded, the low-resolution logits of masks whose predicted IoU is above a floor.

        What automatic segmentation is made of: nothing is upscaled, and masks at or below the floor cost little. The
        prompts are not checked (:meth:`check` does that): a grid may have points beyond the border of a tiny image.

        Parameters
        ----------
        embedding : Embedding
        prompts : sequence of Prompts
        multimask : bool
            Three masks per prompt instead of one.
        iou_floor : float
        most : int, optional
            Prompts decoded at a time, at most; fewer are taken where that is faster.
        cancelled : callable, optional
            Asked between batches; True stops.

        Yields
        ------
        ConfidentLogits
            Prompts of the same structure come together.

        Raises
        ------
        ModelError
            If the embedding was made by another model.
        Cancelled
            If ``cancelled`` returned True.
        """
        self._check_embedding(embedding)
        for indices in _groups(prompts):
            batch = _collate([prompts[index] for index in indices], embedding.frame)
            done, check = 0, _raiser(cancelled)
            for found in self._executor.decode_confident(
                embedding, batch, len(indices), multimask, check, iou_floor, most
            ):
                count = len(found.scores)
                asked = np.array(indices[done : done + count], np.int64)
                done += count
                rows = found.rows.numpy()
                scores = found.scores.numpy().reshape(-1)[rows]
                yield ConfidentLogits(asked, asked[rows // found.scores.shape[1]], scores, found.masks)

    def check(self, embedding: Embedding, prompts: Sequence[Prompts]) -> None:
        """Check that prompts can be asked on an embedding.

        Raises
        ------
        PromptError, ModelError
            As :meth:`predict_many`.
        """
        self._check_embedding(embedding)
        size = 4 * self.model.config.grid_size
        for index, prompt in enumerate(prompts):
            _check_prompt(prompt, embedding.frame, size, f"Prompt {index}: " if len(prompts) > 1 else "")

    def _check_embedding(self, embedding: Embedding) -> None:
        if embedding.model_hash != self.model.hash:
            raise ModelError(
                f"This embedding was made by another model than {self.model.name!r}; encode the image again."
            )


def _masks(low_res: torch.Tensor, frame: ResizeFrame) -> NDArray[np.bool_]:
    try:
        with torch.inference_mode():
            return masks_at_image_size(low_res, frame)
    except MemoryError as error:
        raise OutOfMemoryError(
            f"The computer's memory is not enough for {len(low_res)} masks of {frame.original_hw} pixels. Use "
            "multimask=False, iter_predictions (one prediction at a time), or cut the image into pieces."
        ) from error


def _raiser(cancelled: CancelCheck | None) -> Callable[[], None]:
    def check() -> None:
        if cancelled is not None and cancelled():
            raise Cancelled("Cancelled.")

    return check


def _reporter(progress: Progress | None, check: Callable[[], None]) -> Progress:
    def report(done: int, total: int) -> None:
        check()
        if progress is not None:
            progress(done, total)

    return report


def _check_prompt(prompt: Prompts, frame: ResizeFrame, logits_size: int, where: str) -> None:
    if prompt.is_empty:
        raise PromptError(f"{where}There is no prompt; give at least one point, a box or mask_logits.")
    height, width = frame.original_hw
    if prompt.points_yx is not None:
        outside = ~frame.contains(prompt.points_yx)
        if outside.any():
            point = tuple(float(x) for x in prompt.points_yx[outside][0])
            raise PromptError(
                f"{where}Point {point} lies outside the image of {height} x {width} pixels; points are (row, column)."
            )
    if prompt.box_yxyx is not None:
        top, left, bottom, right = (float(x) for x in prompt.box_yxyx)
        if top > height - 0.5 or left > width - 0.5 or bottom < -0.5 or right < -0.5:
            raise PromptError(
                f"{where}Box {(top, left, bottom, right)} lies outside the image of {height} x {width} pixels; "
                "boxes are (top, left, bottom, right)."
            )
    if prompt.mask_logits is not None and prompt.mask_logits.shape != (logits_size, logits_size):
        raise PromptError(
            f"{where}mask_logits has shape {prompt.mask_logits.shape}; this model needs its own low-resolution logits, "
            f"({logits_size}, {logits_size}), as Prediction.logits[i] gives them (not a mask of the image's size)."
        )


def _groups(prompts: Sequence[Prompts]) -> list[list[int]]:
    """Group the indices of prompts that can be decoded together.

    Padding points to equal numbers would change results, as a padding token takes part in attention.
    """
    groups: dict[tuple[int, bool, bool], list[int]] = {}
    for index, prompt in enumerate(prompts):
        points = 0 if prompt.points_yx is None else len(prompt.points_yx)
        key = (points, prompt.box_yxyx is not None, prompt.mask_logits is not None)
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def _collate(prompts: list[Prompts], frame: ResizeFrame) -> PromptBatch:
    points = [frame.points_to_model(p.points_yx) for p in prompts if p.points_yx is not None]
    labels = [p.labels for p in prompts if p.labels is not None]
    boxes = [frame.boxes_to_model(_clipped(p.box_yxyx, frame)) for p in prompts if p.box_yxyx is not None]
    masks = [p.mask_logits[None] for p in prompts if p.mask_logits is not None]
    return PromptBatch(
        np.stack(points).astype(np.float32) if points else None,
        np.stack(labels) if labels else None,
        np.stack(boxes).astype(np.float32) if boxes else None,
        np.stack(masks) if masks else None,
    )


def _clipped(box_yxyx: NDArray[np.float64], frame: ResizeFrame) -> NDArray[np.float64]:
    """Cut off what sticks out of the image by more than a pixel; half-open boxes (0, 0, H, W) stay as they are."""
    height, width = frame.original_hw
    return np.clip(box_yxyx, -1.0, np.array([height, width, height, width], np.float64))
