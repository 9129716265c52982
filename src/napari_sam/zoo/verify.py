"""Check the file of a model against what is published about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_sam.errors import CheckpointError
from napari_sam.zoo.cards import get_card
from napari_sam.zoo.hashing import file_digest
from napari_sam.zoo.store import require_model


@dataclass(frozen=True)
class Verification:
    """A model file that is as published.

    Attributes
    ----------
    name : str
    path : Path
    method : str
        ``sha256``, ``xxh128`` or ``md5`` of the whole file; ``read`` where there is no checksum (the bundled model):
        the file was read, and every tensor has the right name, shape and finite values.
    digest : str or None
        The checksum found, lower-case hex.
    """

    name: str
    path: Path
    method: str
    digest: str | None


def verify_model(
    name: str,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Verification:
    """Check the file that :func:`napari_sam.zoo.store.find_model` finds for a model.

    Parameters
    ----------
    name : str
    progress : callable, optional
        Called with (bytes done, bytes in the file).
    cancelled : callable, optional

    Raises
    ------
    ModelError
        If the name is unknown or the model is not on this machine.
    CheckpointError
        If the file is not the published one, or cannot be read.
    Cancelled
        If ``cancelled()`` turned true.
    """
    card, path = get_card(name), require_model(name)
    if card.checksum is None:
        from napari_sam.zoo.checkpoints import load_checkpoint

        load_checkpoint(path)
        return Verification(card.name, path, "read", None)
    algorithm, expected = card.checksum
    digest = file_digest(path, algorithm, progress, cancelled)
    if digest != expected:
        size = path.stat().st_size
        raise CheckpointError(
            f"{path} is not the published file of {card.name}: {algorithm} {digest}, published {expected}; {size:,} "
            f"bytes, published {card.size_text}. It may be damaged, incomplete, another version, or your own "
            f"fine-tuned one. napari-sam models download {card.name} fetches the published one."
        )
    return Verification(card.name, path, algorithm, digest)
