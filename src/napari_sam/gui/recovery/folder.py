"""Where journals lie, and which of them belong to a session that still runs.

A running session holds a file lock beside its journal, which the operating system takes away from a process that
dies. Where the file system has no locks, the age of the lock file stands in for it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout
from platformdirs import user_state_path

STATE_ENV = "NAPARI_SAM_STATE"
KEEP_DAYS = 30
KEEP_JOURNALS = 50
# Without file locks: a lock file younger than this belongs to a running session, which touches it more often.
ALIVE_S = 120.0
_NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]{8}\.jsonl")


def state_dir() -> Path:
    """Folder for what must survive a crash: ``NAPARI_SAM_STATE``, or the user's state folder. It need not exist."""
    override = os.environ.get(STATE_ENV, "").strip()
    return Path(override).expanduser() if override else user_state_path("napari-sam", appauthor=False)


class JournalFile:
    """One journal on disk and the lock that says whose it is.

    Parameters
    ----------
    path : Path
        The journal; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = path.with_suffix(".lock")
        self._lock: FileLock | None = None
        self._has_no_locks = False

    @property
    def name(self) -> str:
        """What the journal is called within its folder."""
        return self.path.name

    @property
    def is_held(self) -> bool:
        """Whether this object holds the journal."""
        return self._lock is not None or self._has_no_locks

    def acquire(self) -> bool:
        """Take the journal; return False if a running session has it. Raises OSError as opening a file does."""
        if self.is_held:
            return True
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(self._lock_path, timeout=0, thread_local=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        except NotImplementedError:
            return self._acquire_by_age()
        self._lock = lock
        return True

    def touch(self) -> None:
        """Say that the session still runs, where there are no file locks."""
        if self._has_no_locks:
            self._lock_path.touch()

    def release(self) -> None:
        """Give the journal to whoever wants it."""
        if self._lock is not None:
            self._lock.release()
        elif self._has_no_locks:
            self._lock_path.unlink(missing_ok=True)
        self._lock, self._has_no_locks = None, False

    def delete(self) -> None:
        """Remove the journal and release it."""
        self.path.unlink(missing_ok=True)
        # Names are never used twice: nobody else can be about to take this lock for another journal.
        self.release()
        self._lock_path.unlink(missing_ok=True)

    def _acquire_by_age(self) -> bool:
        if self._lock_path.exists() and time.time() - self._lock_path.stat().st_mtime < ALIVE_S:
            return False
        self._has_no_locks = True
        self._lock_path.touch()
        return True


class JournalFolder:
    """The journals of this user.

    Parameters
    ----------
    folder : Path, optional
        ``journals`` in :func:`state_dir` when left out.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path = state_dir() / "journals" if folder is None else folder

    def new(self) -> JournalFile:
        """Return a journal of a name that nobody has used; nothing is written."""
        return JournalFile(self.path / f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid4().hex[:8]}.jsonl")

    def named(self, name: str) -> JournalFile | None:
        """Return the journal of this name, or None if there is none."""
        path = self.path / name
        return JournalFile(path) if _NAME.fullmatch(name) and path.is_file() else None

    def left_behind(self) -> list[JournalFile]:
        """Return the journals of sessions that do not run any more, the newest first."""
        return [file for file in self._files() if _is_free(file)]

    def prune(self, keep_days: float = KEEP_DAYS, keep: int = KEEP_JOURNALS) -> list[str]:
        """Remove journals that nobody asked for in a long time; return their names."""
        removed = []
        for position, file in enumerate(self._files()):
            try:
                is_old = time.time() - file.path.stat().st_mtime > keep_days * 86400
                if (is_old or position >= keep) and file.acquire():
                    file.delete()
                    removed.append(file.name)
            except OSError:  # of another user, or just removed by another session
                continue
        self._sweep()
        return removed

    def _sweep(self) -> None:
        """Remove what killed processes left behind: half-written files, and locks without a journal."""
        try:
            paths = list(self.path.iterdir())
        except OSError:  # never made
            return
        for path in paths:
            is_orphan = path.suffix == ".lock" and not path.with_suffix(".jsonl").exists()
            try:
                if (is_orphan or path.suffix == ".tmp") and time.time() - path.stat().st_mtime > 86400:
                    path.unlink()
            except OSError:
                continue

    def _files(self) -> Iterator[JournalFile]:
        try:
            names = sorted((path.name for path in self.path.iterdir() if _NAME.fullmatch(path.name)), reverse=True)
        except OSError:  # never made
            return
        for name in names:
            yield JournalFile(self.path / name)


def _is_free(file: JournalFile) -> bool:
    try:
        if not file.acquire():
            return False
        file.release()
    except OSError:  # a folder that may be read but not written: whoever reads it cannot hold it either
        return True
    return True
