"""Runs a model's encoder and decoder on its device, and copes when memory runs out.

On out of memory the prompt batch is halved; when even one prompt does not fit, that half of the model (encoder or
decoder) continues on the processor, with a message. Results do not depend on the batch beyond rounding.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_sam.errors import ModelError, OutOfMemoryError
from napari_sam.model.common import Progress
from napari_sam.model.efficientnet_lite import ImageFeatures
from napari_sam.model.fast_decoder import ConfidentMasks
from napari_sam.model.sam import ImageContext, Sam
from napari_sam.predict.device import (
    PRECISIONS,
    MessageCallback,
    free_cached_memory,
    is_out_of_memory,
    log_message,
    synchronize,
)
from napari_sam.predict.embedding import Embedding, Features
from napari_sam.predict.loaded import LoadedModel

_BATCH = {"cpu": 8}  # on a processor a larger batch streams its activations through memory and is slower per prompt
_GPU_BATCH = 64
_MAX_CONTEXTS = 2  # the image shown and the one before

Result = TypeVar("Result")


class PromptBatch(NamedTuple):
    """N prompts of the same structure, in the model's frame (x, y).

    ``points`` (N, P, 2) and ``labels`` (N, P), ``boxes`` (N, 4), ``masks`` (N, 1, h, w); None where there are none.
    """

    points: NDArray[np.float32] | None
    labels: NDArray[np.int32] | None
    boxes: NDArray[np.float32] | None
    masks: NDArray[np.float32] | None

    def tensors(self, part: slice, device: torch.device) -> list[Tensor | None]:
        """Return some of the prompts as tensors on a device."""
        return [None if array is None else torch.from_numpy(array[part]).to(device) for array in self]


class _Place(NamedTuple):
    sam: Sam
    device: torch.device
    precision: str


class Executor:
    """One model on its device, safe to use from several threads.

    Parameters
    ----------
    model : LoadedModel
    on_message : callable
        Told when memory ran out and what was done about it.
    """

    def __init__(self, model: LoadedModel, on_message: MessageCallback = log_message) -> None:
        self._on_message = on_message
        self._lock = threading.RLock()
        self._encoder = self._decoder = _Place(model.sam, model.device, model.precision)
        self._batch = _BATCH.get(model.device.type, _GPU_BATCH)
        self._contexts: WeakKeyDictionary[Embedding, tuple[Sam, ImageContext]] = WeakKeyDictionary()

    @property
    def prompt_batch(self) -> int:
        """Prompts decoded at a time; smaller after memory ran out."""
        return self._batch

    def encode(self, rgb: NDArray[np.uint8], progress: Progress | None = None) -> tuple[Features, tuple[Features, ...]]:
        """Run the image encoder.

        Parameters
        ----------
        rgb : ndarray of uint8, shape (h, w, 3)
            Resized for the model.
        progress : callable, optional
            Told (done, total) between the encoder's blocks, from the start again where memory ran out; what it raises
            ends the pass.

        Returns
        -------
        embedding : ndarray of float32, shape (C, h, w)
        high_res : tuple of ndarray of float32

        Raises
        ------
        OutOfMemoryError
            If not even the computer's memory is enough.
        ModelError
            If the result is not finite.
        """
        while True:
            place = self._encoder
            features = _unless_out_of_memory(partial(_encode, place, rgb, progress))
            if features is not None:
                break
            self._relieve_encoder(place)
        if not np.isfinite(features[0]).all():
            advice = 'use precision="fp32"' if place.precision != "fp32" else "the weights may be damaged"
            raise ModelError(f"The image encoder gave values that are not finite in {place.precision}: {advice}.")
        return features

    def decode(
        self, embedding: Embedding, batch: PromptBatch, count: int, multimask: bool, cancelled: Callable[[], None]
    ) -> Iterator[tuple[Tensor, NDArray[np.float32]]]:
        """Decode prompts of one structure, yielding one batch after the other.

        Parameters
        ----------
        embedding : Embedding
        batch : PromptBatch
        count : int
            Number of prompts in ``batch``.
        multimask : bool
        cancelled : callable
            Called between batches; raises to stop.

        Yields
        ------
        logits : Tensor of float32 on the CPU, shape (n, M, h, w)
        scores : ndarray of float32, shape (n, M)
        """
        decode = partial(self._decode, embedding, batch, multimask, float("-inf"), None)
        for found in self._in_batches(decode, count, count, cancelled):
            yield found.masks.unflatten(0, found.scores.shape), found.scores.numpy()

    def decode_confident(
        self,
        embedding: Embedding,
        batch: PromptBatch,
        count: int,
        multimask: bool,
        cancelled: Callable[[], None],
        iou_floor: float,
        most: int | None = None,
    ) -> Iterator[ConfidentMasks]:
        """Decode prompts of one structure, yielding the masks above ``iou_floor`` of one batch after the other.

        Logits in the padding are any number far below zero.

        Parameters
        ----------
        embedding, batch, count, multimask, cancelled
            As in :meth:`decode`.
        iou_floor : float
            Masks whose predicted IoU is at or below this are left out.
        most : int, optional
            Prompts decoded at a time, at most.

        Yields
        ------
        ConfidentMasks
            Of float32 on the CPU, for n prompts.
        """
        rows, columns = embedding.frame.logits_hw(4 * self._decoder.sam.config.grid_size)
        used_hw = rows + 1, columns + 1  # the last pixels of the image are interpolated with the next logits
        decode = partial(self._decode, embedding, batch, multimask, iou_floor, used_hw)
        return self._in_batches(decode, count, most or count, cancelled)

    def _in_batches(
        self, decode: Callable[[_Place, slice], ConfidentMasks], count: int, most: int, cancelled: Callable[[], None]
    ) -> Iterator[ConfidentMasks]:
        start = 0
        while start < count:
            cancelled()
            place, size = self._decoder, min(self._batch, count - start, most)
            decoded = _unless_out_of_memory(partial(decode, place, slice(start, start + size)))
            if decoded is None:
                self._relieve_decoder(place, size)
                continue
            yield decoded
            start += size

    def _decode(
        self,
        embedding: Embedding,
        batch: PromptBatch,
        multimask: bool,
        iou_floor: float,
        used_hw: tuple[int, int] | None,
        place: _Place,
        part: slice,
    ) -> ConfidentMasks:
        with torch.inference_mode():
            context = self._context(place.sam, embedding)
            points, labels, boxes, masks = batch.tensors(part, place.sam.device)
            found = place.sam.decode_confident(context, points, labels, boxes, masks, multimask, iou_floor, used_hw)
            return ConfidentMasks(found.masks.float().cpu(), found.rows.cpu(), found.scores.float().cpu())

    def _context(self, sam: Sam, embedding: Embedding) -> ImageContext:
        with self._lock:
            owner, context = self._contexts.pop(embedding, (None, None))
            if owner is not sam or context is None:
                context = sam.image_context(_features_on(sam.device, embedding))
                while len(self._contexts) >= _MAX_CONTEXTS:
                    self._contexts.pop(next(iter(self._contexts)), None)
            self._contexts[embedding] = (sam, context)  # last: the most recently used
            return context

    def _relieve_encoder(self, place: _Place) -> None:
        with self._lock:
            self._contexts.clear()
            free_cached_memory(place.device)
            if place.device.type == "cpu":
                raise OutOfMemoryError(
                    "The computer's memory is not enough to encode the image. Close other programs or use a smaller "
                    "model (sam_lite, vit_t)."
                )
            if self._encoder is place:
                self._encoder = self._on_cpu(place)
                self._on_message(
                    f"The memory of {place.device} is not enough to encode the image: continuing on the processor, "
                    "which is slower. A smaller model (sam_lite, vit_t) may fit."
                )

    def _relieve_decoder(self, place: _Place, size: int) -> None:
        with self._lock:
            self._contexts.clear()
            free_cached_memory(place.device)
            if size > 1:
                self._batch = min(self._batch, size // 2)
                self._on_message(f"The memory of {place.device} ran out: decoding {self._batch} prompts at a time.")
            elif place.device.type == "cpu":
                raise OutOfMemoryError(
                    "The computer's memory is not enough to decode one prompt. Close other programs and try again."
                )
            elif self._decoder is place:
                self._decoder = self._on_cpu(place)
                self._batch = _BATCH["cpu"]
                self._on_message(
                    f"The memory of {place.device} is not enough for one prompt: continuing on the processor."
                )

    def _on_cpu(self, place: _Place) -> _Place:
        for other in (self._encoder, self._decoder):
            if other.device.type == "cpu":
                return other
        return _Place(_copy_to_cpu(place.sam), torch.device("cpu"), "fp32")


def _unless_out_of_memory(compute: Callable[[], Result]) -> Result | None:
    """Compute, or return None when memory ran out.

    The error is dropped here, before anything is tried again: its traceback would keep the tensors alive.
    """
    try:
        return compute()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        return None


def _encode(
    place: _Place, rgb: NDArray[np.uint8], progress: Progress | None = None
) -> tuple[Features, tuple[Features, ...]]:
    with torch.inference_mode():
        pixels = place.sam.preprocess(torch.tensor(rgb).permute(2, 0, 1))
        told = None if progress is None else partial(_tell_when_done, place.device, progress)
        features = place.sam.encode(pixels.to(PRECISIONS[place.precision]), told)
        return _to_numpy(features.embedding), tuple(_to_numpy(feature) for feature in features.high_res)


def _tell_when_done(device: torch.device, progress: Progress, done: int, total: int) -> None:
    # A GPU is handed all blocks at once and works them off later: progress and cancel would come at the very end.
    synchronize(device)
    progress(done, total)


def _to_numpy(feature: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = feature[0].float().cpu().contiguous().numpy()
    return array


def _features_on(device: torch.device, embedding: Embedding) -> ImageFeatures:
    def load(array: Features) -> Tensor:
        return torch.tensor(array, dtype=torch.float32)[None].to(device)

    return ImageFeatures(load(embedding.features), tuple(load(array) for array in embedding.high_res))


def _copy_to_cpu(sam: Sam) -> Sam:
    """Copy a network to the processor, in fp32, without a second copy on its device and without disturbing it."""

    def here(tensor: Tensor) -> Tensor:
        return tensor.detach().to("cpu", torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)

    replaced: dict[int, object] = {id(p): nn.Parameter(here(p), p.requires_grad) for p in sam.parameters()}
    replaced |= {id(b): here(b) for b in sam.buffers()}
    return copy.deepcopy(sam, replaced)
