"""A training run: data in, checkpoints and a log out, resumable to the same numbers.

Batches depend on ``(seed, step)`` only, and a checkpoint holds weights, their running average, the optimiser and the
step: a run that was killed goes on as if it had not been.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_sam.errors import Cancelled, PairError
from napari_sam.io.pairs import ImagePair
from napari_sam.model.sam import Sam
from napari_sam.training.config import TrainConfig
from napari_sam.training.crops import Crop, random_crop
from napari_sam.training.data import load_rgb
from napari_sam.training.loop import train_step


@dataclass(frozen=True)
class LoadedPair:
    """An annotated image in memory; ``stretch`` is the model's contrast stretch (low, gain) of the whole image."""

    source: str
    image: NDArray[np.uint8]
    labels: NDArray[np.int32]
    stretch: tuple[float, float]


class CropSampler:
    """Draws batches of crops; every source has a weight, every image of a source the same chance."""

    def __init__(
        self, pairs: Sequence[ImagePair], sam: Sam, config: TrainConfig, source_weights: Mapping[str, float] | None
    ) -> None:
        self._by_source: dict[str, list[LoadedPair]] = {}
        for pair in pairs:
            self._by_source.setdefault(pair.source, []).append(_load(pair, sam.config.stretch_percentiles))
        weights = np.array([(source_weights or {}).get(s, 1.0) for s in self._by_source])
        if not weights.sum() > 0:
            raise PairError("every source has weight 0: there is nothing to train on")
        self._sources, self._weights = list(self._by_source), weights / weights.sum()
        self._img_size, self._config = sam.config.img_size, config

    def batch(self, step: int) -> list[Crop]:
        """Crops of one step; the same step gives the same crops."""
        rng = np.random.default_rng([self._config.seed, step])
        sizes = self._config.crop_sizes
        size, count = sizes[rng.integers(len(sizes))]
        crops: list[Crop] = []
        for _ in range(200 * count):
            source = self._by_source[self._sources[rng.choice(len(self._sources), p=self._weights)]]
            pair = source[rng.integers(len(source))]
            crop = random_crop(pair.image, pair.labels, pair.stretch, self._img_size, size, self._config.crops, rng)
            if crop is not None:
                crops.append(crop)
            if len(crops) == count:
                return crops
        raise PairError(
            f"no crop shows an object of {self._config.crops.min_area} pixels or more: are the labels empty?"
        )


def _load(pair: ImagePair, percentiles: tuple[float, float] | None) -> LoadedPair:
    image, labels = load_rgb(pair)
    if percentiles is None:
        return LoadedPair(pair.source, image, labels, (0.0, 1.0))
    low, high = np.percentile(image[::2, ::2], percentiles)
    return LoadedPair(pair.source, image, labels, (float(low), 255.0 / max(float(high - low), 16.0)))


class Trainer:
    """Model, optimiser and running average of one run.

    Parameters
    ----------
    sam : Sam
        Trained in place.
    config : TrainConfig
    """

    def __init__(self, sam: Sam, config: TrainConfig) -> None:
        self.sam, self.config, self.step = sam, config, 0
        sam.train()
        _freeze(sam.image_encoder, config.frozen_blocks)
        self.average = {k: v.detach().clone() for k, v in sam.state_dict().items()}
        self.optimizer = torch.optim.AdamW(self._parameter_groups(), weight_decay=config.weight_decay)

    def _parameter_groups(self) -> list[dict[str, Any]]:
        pretrained = self.sam.image_encoder
        trunk = [p for n, p in pretrained.named_parameters() if n.startswith(("stem", "blocks")) and p.requires_grad]
        ids = {id(p) for p in trunk}
        rest = [p for p in self.sam.parameters() if p.requires_grad and id(p) not in ids]
        groups = [(rest, 1.0), (trunk, self.config.encoder_lr_scale)]
        return [{"params": params, "lr": 0.0, "scale": scale} for params, scale in groups if params]

    def run_step(self, crops: Sequence[Crop]) -> dict[str, float]:
        """Take one optimiser step; returns :func:`train_step`'s numbers."""
        rng = np.random.default_rng([self.config.seed, self.step, 1])
        rate = self.config.rate_at(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        self.optimizer.zero_grad()
        numbers = train_step(self.sam, crops, self.config, rng)
        nn.utils.clip_grad_norm_([p for g in self.optimizer.param_groups for p in g["params"]], self.config.clip_norm)
        self.optimizer.step()
        self.step += 1
        self._update_average()
        return numbers

    @torch.no_grad()
    def _update_average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.sam.state_dict().items():
            if value.is_floating_point():
                self.average[name].lerp_(value, 1 - decay)
            else:
                self.average[name].copy_(value)

    def save(self, path: Path) -> None:
        """Write everything needed to go on, under a temporary name first."""
        state = {
            "model": self.sam.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
        }
        temporary = path.with_name(path.name + ".tmp")
        torch.save(state, temporary)
        os.replace(temporary, path)

    def resume(self, path: Path) -> None:
        """Go on from a file that :meth:`save` wrote."""
        state = torch.load(path, map_location=self.sam.device, weights_only=True)
        self.sam.load_state_dict(state["model"])
        self.average = state["average"]
        self.step = state["step"]
        self.optimizer.load_state_dict(state["optimizer"])

    def average_state(self) -> dict[str, Tensor]:
        """Return the running average of the weights: what is evaluated and shipped."""
        return self.average


def _freeze(encoder: nn.Module, blocks: int) -> None:
    if blocks > 0:
        frozen = ("stem", *[f"blocks.{i}." for i in range(blocks)])
        for name, parameter in encoder.named_parameters():
            parameter.requires_grad_(not name.startswith(frozen))


def train(
    trainer: Trainer,
    sampler: CropSampler,
    folder: Path,
    *,
    save_every: int = 200,
    progress: Callable[[int, int, Mapping[str, float]], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> None:
    """Train up to ``config.steps``, writing ``last.ckpt`` and ``log.csv`` into a folder.

    Raises
    ------
    Cancelled
        When ``cancelled()`` becomes true; the run so far is saved.
    """
    folder.mkdir(parents=True, exist_ok=True)
    total, began = trainer.config.steps, time.monotonic()
    for crops in _prefetched(sampler, trainer.step, total):
        numbers = trainer.run_step(crops)
        _log(folder / "log.csv", {"step": trainer.step, "seconds": round(time.monotonic() - began, 1), **numbers})
        if progress is not None:
            progress(trainer.step, total, numbers)
        stop = cancelled is not None and cancelled()
        if stop or trainer.step % save_every == 0 or trainer.step == total:
            trainer.save(folder / "last.ckpt")
        if stop:
            raise Cancelled(f"Training stopped at step {trainer.step} of {total}; {folder / 'last.ckpt'} resumes it.")


def _prefetched(sampler: CropSampler, first: int, last: int) -> Iterator[list[Crop]]:
    """Draw the next batch in a thread while the current one is trained on."""
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(sampler.batch, first)
        for step in range(first, last):
            crops = upcoming.result()
            if step + 1 < last:
                upcoming = pool.submit(sampler.batch, step + 1)
            yield crops


def _log(path: Path, row: Mapping[str, float]) -> None:
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if is_new:
            writer.writeheader()
        writer.writerow({k: round(v, 5) for k, v in row.items()})
