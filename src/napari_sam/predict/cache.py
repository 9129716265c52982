"""Embeddings that need not be computed again: in memory, and on disk where a folder is given."""

from __future__ import annotations

import threading
from collections import OrderedDict
from os import PathLike
from pathlib import Path

import numpy as np

from napari_sam.predict.device import MessageCallback, log_message
from napari_sam.predict.embedding import Embedding
from napari_sam.predict.store import EmbeddingStore

_GIB = 1 << 30


class EmbeddingCache:
    """The most recently used embeddings; safe to use from several threads, and on disk from several processes.

    Parameters
    ----------
    max_bytes : int
        Memory for features; the least recently used embedding goes first. One that is larger alone is not kept.
    folder : path, optional
        Where to keep embeddings on disk, for example :func:`napari_sam.predict.cache.default_folder`. Nothing is
        written when left out.
    max_disk_bytes : int
        Disk space for the folder; the least recently used entry goes first.
    on_message : callable
        Told when an entry on disk is damaged or cannot be written. Logged when left out.

    Notes
    -----
    With a folder, features are rounded to fp16 at once, in memory too: the masks of an image are the same whether
    its embedding was computed now or last week.
    """

    def __init__(
        self,
        max_bytes: int = _GIB,
        folder: str | PathLike[str] | None = None,
        max_disk_bytes: int = 10 * _GIB,
        on_message: MessageCallback = log_message,
    ) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, Embedding] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()
        self._store = None if folder is None else EmbeddingStore(Path(folder).expanduser(), max_disk_bytes, on_message)

    @property
    def nbytes(self) -> int:
        """Memory of the features held now, in bytes."""
        return self._nbytes

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, key: str) -> bool:
        """Return whether an embedding is in memory; this does not count as a use of it."""
        with self._lock:
            return key in self._entries

    def get(self, key: str) -> Embedding | None:
        """Return an embedding, or None if it is neither in memory nor whole on disk.

        Parameters
        ----------
        key : str
            From :func:`napari_sam.predict.fingerprint.embedding_key`.
        """
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key]
        embedding = None if self._store is None else self._store.read(key)
        if embedding is not None:
            self._remember(key, embedding)
        return embedding

    def put(self, key: str, embedding: Embedding) -> Embedding:
        """Keep an embedding; use the returned one, which is what :meth:`get` will return."""
        if self._store is not None and _fits_fp16(embedding):
            embedding = embedding.astype(np.float16)
            self._store.write(key, embedding)
        self._remember(key, embedding)
        return embedding

    def clear_memory(self) -> None:
        """Forget what is in memory; the disk keeps its entries."""
        with self._lock:
            self._entries.clear()
            self._nbytes = 0

    def _remember(self, key: str, embedding: Embedding) -> None:
        with self._lock:
            replaced = self._entries.pop(key, None)
            self._nbytes -= 0 if replaced is None else replaced.nbytes
            if embedding.nbytes > self._max_bytes:
                return
            self._entries[key] = embedding
            self._nbytes += embedding.nbytes
            while self._nbytes > self._max_bytes:
                _, oldest = self._entries.popitem(last=False)
                self._nbytes -= oldest.nbytes


def default_folder() -> Path:
    """Folder for embeddings in the user's cache; nothing is written there unless a cache is made with it."""
    from napari_sam.zoo.store import cache_dir

    return cache_dir() / "embeddings"


def _fits_fp16(embedding: Embedding) -> bool:
    largest = float(np.finfo(np.float16).max)
    return all(float(np.abs(array).max(initial=0)) < largest for array in (embedding.features, *embedding.high_res))
