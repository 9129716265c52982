"""Checksums of files, in the algorithms that publishers of weights use."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import xxhash

from napari_sam.errors import Cancelled
from napari_sam.zoo.cards import ModelCard

_CHUNK = 4 << 20


class _Hash(Protocol):
    def update(self, data: bytes, /) -> object: ...

    def hexdigest(self) -> str: ...


def new_hash(algorithm: str) -> _Hash:
    """Start a hash.

    Parameters
    ----------
    algorithm : {"sha256", "xxh128", "md5"}
        MD5 only detects damage here; a published sha256 or xxh128 is always preferred.
    """
    if algorithm == "xxh128":
        return xxhash.xxh3_128()
    return hashlib.new(algorithm, usedforsecurity=algorithm != "md5")


def file_digest(
    path: Path,
    algorithm: str,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> str:
    """Hash a file.

    Parameters
    ----------
    path : Path
    algorithm : str
        As for :func:`new_hash`.
    progress : callable, optional
        Called with (bytes done, bytes in the file).
    cancelled : callable, optional
        Polled every few megabytes.

    Returns
    -------
    str
        Lower-case hex.

    Raises
    ------
    Cancelled
        If ``cancelled()`` turned true.
    """
    digest, done, total = new_hash(algorithm), 0, path.stat().st_size
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            if cancelled is not None and cancelled():
                raise Cancelled(f"checking {path.name} was cancelled")
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
    return digest.hexdigest()


def mismatch(path: Path, card: ModelCard, cancelled: Callable[[], bool] | None = None) -> str | None:
    """Compare a file with its card's size and strongest checksum.

    Returns
    -------
    str or None
        What is wrong, or None if everything that is published fits.
    """
    size = path.stat().st_size
    if card.size_bytes is not None and size != card.size_bytes:
        return f"it has {size:,} bytes, but {card.name} has {card.size_bytes:,}"
    if card.checksum is None:
        return None
    algorithm, expected = card.checksum
    found = file_digest(path, algorithm, cancelled=cancelled)
    return None if found == expected else f"its {algorithm} is {found}, but {card.name}'s is {expected}"
