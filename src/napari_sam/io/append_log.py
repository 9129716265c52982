"""An append-only log of JSON entries that survives a kill at any moment.

Every line carries a checksum of its entry. A line that was cut off, or damaged later, is left out when the log is
read; all others count. Lines are handed to the operating system at once, so that only a power cut can lose what the
process wrote; ``sync`` guards against that too.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import xxhash

from napari_sam.errors import FileFormatError

Entry = Mapping[str, Any]

_HEAD, _MIDDLE, _TAIL = b'{"sum":"', b'","entry":', b"}\n"
_SUM_LENGTH = 16
_MAX_BYTES = 1 << 31


def encode_line(entry: Entry) -> bytes:
    """Return an entry as one line of JSON with a checksum."""
    payload = json.dumps(entry, separators=(",", ":")).encode("ascii")
    return _HEAD + _checksum(payload) + _MIDDLE + payload + _TAIL


def decode_line(line: bytes) -> dict[str, Any]:
    """Read one line; raises ValueError where it is not exactly what was written."""
    start = len(_HEAD) + _SUM_LENGTH + len(_MIDDLE)
    payload = line[start : -len(_TAIL)]
    if line[:start] != _HEAD + _checksum(payload) + _MIDDLE or not line.endswith(_TAIL):
        raise ValueError("the line does not match its checksum")
    entry = json.loads(payload)
    if not isinstance(entry, dict):
        raise ValueError("the line does not hold an entry")
    return entry


@dataclass(frozen=True)
class LogContent:
    """What could be read of a log.

    Attributes
    ----------
    entries : tuple of dict
        Every entry that is whole, in order.
    damaged : tuple of int
        Numbers, from 1, of lines that are not; a line that was cut off at the end is not among them.
    torn : bool
        Whether the last line was cut off: the process ended while it was written.
    size : int
        Bytes up to the end of the last whole line: where a new one may be appended.
    """

    entries: tuple[dict[str, Any], ...]
    damaged: tuple[int, ...]
    torn: bool
    size: int


def read_log(path: Path) -> LogContent:
    """Read a log, leaving out what is cut off or damaged.

    Raises
    ------
    FileFormatError
        If the file cannot be read at all.
    """
    entries, damaged, torn, size = [], [], False, 0
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise FileFormatError(f"{path} is larger than {_MAX_BYTES >> 30} GiB: it is not a log of this package.")
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                size += len(line)
                try:
                    entries.append(decode_line(line))
                except ValueError:
                    torn = not line.endswith(b"\n")
                    if torn:
                        size -= len(line)
                    else:
                        damaged.append(number)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror or error}.") from error
    return LogContent(tuple(entries), tuple(damaged), torn, size)


class AppendLog:
    """Writes a log, one entry at a time.

    Not thread-safe: one thread writes. Opening an existing log cuts a torn last line off and goes on after it.

    Parameters
    ----------
    path : Path
        Made if it does not exist, readable by this user only; so is its folder.
    sync_s : float
        At most this often a write waits for the disk; ``sync`` always does.

    Raises
    ------
    OSError
        From every method, if the disk is full, read-only, or gone. The log stays whole, without the entry in question.
    """

    def __init__(self, path: Path, sync_s: float = 1.0) -> None:
        self.path = path
        self._sync_s = sync_s
        self._synced = time.monotonic()
        self._dirty = False
        self._file = -1
        self._size = 0
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        whole = read_log(path).size if path.exists() else 0
        self._open()
        if self._size > whole:
            self._cut(whole)

    @property
    def size(self) -> int:
        """Length of the log in bytes."""
        return self._size

    def append(self, entry: Entry) -> None:
        """Add an entry: in the hands of the operating system when this returns."""
        line = encode_line(entry)
        try:
            _write_all(self._file, line)
        except OSError:
            self._cut(self._size)
            raise
        self._size += len(line)
        self._dirty = True
        if time.monotonic() - self._synced >= self._sync_s:
            self.sync()

    def replace(self, entries: Iterable[Entry]) -> None:
        """Put other entries in place of all: the old log or the new one is there at every moment, never neither."""
        temporary = self.path.with_name(f".{self.path.name}.{uuid4().hex}.tmp")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
            try:
                for entry in entries:
                    _write_all(handle, encode_line(entry))
                os.fsync(handle)
            finally:
                os.close(handle)
            self.close()
            temporary.replace(self.path)
        finally:
            _remove(temporary)
            if self._file < 0:
                self._open()
        self._dirty = False

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        if self._dirty and self._file >= 0:
            os.fsync(self._file)
            self._dirty = False
        self._synced = time.monotonic()

    def close(self) -> None:
        """Close the file; everything written is in it."""
        if self._file >= 0:
            handle, self._file = self._file, -1
            os.close(handle)

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        self._file = os.open(self.path, flags, 0o600)
        self._size = os.fstat(self._file).st_size

    def _cut(self, size: int) -> None:
        os.ftruncate(self._file, size)
        self._size = size


def _write_all(handle: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(handle, view) :]


def _checksum(payload: bytes) -> bytes:
    return xxhash.xxh3_64_hexdigest(payload).encode("ascii")


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:  # never made, as its folder cannot be entered; the first error is the one to tell
        return
