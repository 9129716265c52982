"""Embeddings on disk: one zarr group each, whole or not there.

An entry ``KEY[:2]/KEY.zarr`` holds the arrays ``features`` and ``high_res_0``, ``high_res_1`` ... in fp16, and in its
attributes everything else of the embedding, the key and a digest of the arrays (zarr reads missing chunks as zeros).
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import xxhash

from napari_sam.geometry.frame import ResizeFrame
from napari_sam.predict.device import MessageCallback
from napari_sam.predict.embedding import Embedding, Features
from napari_sam.predict.preprocess import Preprocessing

_FORMAT = "napari-sam-embedding"
_VERSION = 1
_ENTRY = re.compile(r"[0-9a-f]{64}\.zarr")
_TEMPORARY = re.compile(r"\.[0-9a-f]{64}\.[0-9a-f]{32}\.tmp")
_ABANDONED_S = 24 * 3600.0  # a temporary folder this old belongs to a killed run
# Whatever zarr raises for files that are missing, cut off or somebody else's.
_DAMAGE = (OSError, ValueError, KeyError, TypeError, RuntimeError, AttributeError, EOFError)


class EmbeddingStore:
    """A folder of embeddings, bounded in size, shared by any number of processes.

    Parameters
    ----------
    folder : Path
        Made at the first write.
    max_bytes : int
        The least recently used entries are removed beyond this.
    on_message : callable
        Told about damaged entries and failed writes; neither is an error, as everything can be computed again.
    """

    def __init__(self, folder: Path, max_bytes: int, on_message: MessageCallback) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._on_message = on_message

    def path(self, key: str) -> Path:
        """Folder of one entry."""
        return self._folder / key[:2] / f"{key}.zarr"

    def read(self, key: str) -> Embedding | None:
        """Read an entry, or return None if it is not there or not whole."""
        path = self.path(key)
        if not path.exists():
            return None
        try:
            embedding = _read(path, key)
            os.utime(path)  # the age that decides what is removed first
        except _DAMAGE as error:
            reason = str(error) or type(error).__name__
            self._on_message(f"The stored embedding {path} is damaged ({reason}): it is computed again.")
            return None
        return embedding

    def write(self, key: str, embedding: Embedding) -> None:
        """Write an entry to a temporary name and rename it; then keep the folder within its size."""
        path = self.path(key)
        temporary = path.with_name(f".{key}.{uuid4().hex}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(temporary, key, embedding)
            if path.exists():  # damaged, or written by another process meanwhile
                shutil.rmtree(path, ignore_errors=True)
            temporary.rename(path)
        except _DAMAGE as error:
            self._on_message(f"The embedding was not stored in {self._folder}: {error}. It stays in memory.")
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        self._tidy(keep=path)

    def _tidy(self, keep: Path) -> None:
        entries = []
        for path in self._children():
            try:
                modified = path.stat().st_mtime
            except FileNotFoundError:  # removed by another process
                continue
            if _ENTRY.fullmatch(path.name):
                entries.append((modified, _size(path), path))
            elif _TEMPORARY.fullmatch(path.name) and time.time() - modified > _ABANDONED_S:
                shutil.rmtree(path, ignore_errors=True)
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= self._max_bytes:
                return
            if path != keep:
                shutil.rmtree(path, ignore_errors=True)
                total -= size

    def _children(self) -> Iterator[Path]:
        try:
            folders = [path for path in self._folder.iterdir() if len(path.name) == 2 and path.is_dir()]
        except OSError:  # never made, as it cannot be written
            return
        for folder in folders:
            yield from folder.iterdir()


def _write(path: Path, key: str, embedding: Embedding) -> None:
    import zarr

    arrays = {"features": embedding.features}
    arrays |= {f"high_res_{i}": array for i, array in enumerate(embedding.high_res)}
    attributes: dict[str, Any] = {
        "format": _FORMAT,
        "version": _VERSION,
        "key": key,
        "digest": _digest(arrays),
        "high_res": len(embedding.high_res),
        "model_hash": embedding.model_hash,
        "frame": asdict(embedding.frame),
        "preprocessing": asdict(embedding.preprocessing),
    }
    group = zarr.open_group(path, mode="w-", zarr_format=3, attributes=attributes)
    for name, array in arrays.items():
        group.create_array(name, data=array, chunks=array.shape)


def _read(path: Path, key: str) -> Embedding:
    import zarr

    group = zarr.open_group(path, mode="r", zarr_format=3)
    attributes: dict[str, Any] = dict(group.attrs)
    if (attributes.get("format"), attributes.get("version"), attributes.get("key")) != (_FORMAT, _VERSION, key):
        raise ValueError("it is not an embedding of this version and name")
    names = ["features", *(f"high_res_{i}" for i in range(attributes["high_res"]))]
    arrays = {name: _array(group, name) for name in names}
    if _digest(arrays) != attributes["digest"]:
        raise ValueError("its content does not match its checksum")
    features, *high_res = arrays.values()
    frame, record = attributes["frame"], attributes["preprocessing"]
    return Embedding(
        features,
        tuple(high_res),
        ResizeFrame(tuple(frame["original_hw"]), frame["img_size"]),
        attributes["model_hash"],
        Preprocessing(
            tuple(record["channels"]),
            tuple((low, high) for low, high in record["limits"]),
            record["source"],
            tuple(record["notes"]),
        ),
    )


def _array(group: Any, name: str) -> Features:
    array = np.asarray(group[name][...])
    if array.dtype != np.float16 or array.ndim != 3:
        raise ValueError(f"{name} is {array.dtype} of shape {array.shape}, not fp16 of three dimensions")
    return array.copy() if not array.flags.owndata else array


def _digest(arrays: dict[str, Features]) -> str:
    digest = xxhash.xxh3_128()
    for name, array in arrays.items():
        digest.update(f"{name} {array.shape} {array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _size(path: Path) -> int:
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:  # removed by another process
                continue
    return total
