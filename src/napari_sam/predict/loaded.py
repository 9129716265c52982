"""A model in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch

from napari_sam.model.config import SamConfig
from napari_sam.model.sam import Sam


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model in memory, on its device.

    Attributes
    ----------
    sam : Sam
        The network, in evaluation mode.
    name : str
        Name asked for, or the architecture recognised in the checkpoint.
    device : torch.device
    precision : {"fp32", "bf16", "fp16"}
        Of the image encoder's weights and arithmetic; everything else is fp32.
    hash : str
        Hash of the weights in fp32; embeddings carry it.
    path : Path, optional
        File the weights came from.
    """

    sam: Sam = field(repr=False)
    name: str
    device: torch.device
    precision: str
    hash: str
    path: Path | None = None

    @property
    def config(self) -> SamConfig:
        """Sizes of the network."""
        return self.sam.config
