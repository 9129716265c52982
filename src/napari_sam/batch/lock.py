"""One run at a time in one place. The system frees the lock when a process dies: a stale one never blocks."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from napari_sam.batch.failures import writing
from napari_sam.errors import OutputError


@contextmanager
def held(lock: Path, place: Path) -> Iterator[None]:
    """Hold a lock while the block runs; its file is gone afterwards.

    Parameters
    ----------
    lock : Path
        The file of the lock. Its folder is made if it is missing.
    place : Path
        What it guards, for the message.

    Raises
    ------
    OutputError
        If another run holds it, which is named, or the file cannot be made.
    """
    file_lock = FileLock(lock, timeout=0, thread_local=False)
    holder = lock.with_name(f"{lock.name}.holder")
    with writing(place):
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            file_lock.acquire()
        except Timeout as error:
            who = _describe(holder)
            raise OutputError(f"{place} is in use by another run{who}; wait for it, or stop it.") from error
    try:
        _sign(holder)
        yield
    finally:
        with suppress(OSError):
            holder.unlink()
        with suppress(OSError):  # while it is held: who opened it before finds that it is gone, and makes a new one
            lock.unlink()
        file_lock.release()


def _sign(holder: Path) -> None:
    """Leave a note of who holds the lock; without it the lock is as good."""
    started = datetime.now().astimezone().isoformat(timespec="seconds")
    with suppress(OSError):
        holder.write_text(json.dumps({"process": os.getpid(), "host": socket.gethostname(), "started": started}))


def _describe(holder: Path) -> str:
    try:
        note = json.loads(holder.read_text())
        return f" (process {note['process']} on {note['host']}, since {note['started']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
