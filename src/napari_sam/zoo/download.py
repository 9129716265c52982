"""Bring a model's file into the user's cache: resumed, checked, cancellable, safe with several processes."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

import napari_sam
from napari_sam.errors import Cancelled, DownloadError
from napari_sam.zoo.cards import ModelCard, get_card
from napari_sam.zoo.hashing import mismatch
from napari_sam.zoo.partial import Origin, PartFile
from napari_sam.zoo.store import CACHE_ENV, models_dir, require_model, without_network
from napari_sam.zoo.transfer import Reply, Transfer, TransferError

_PROGRESS_STEPS = 200
_GOOD_PROGRESS = 1 << 20  # bytes beyond the furthest point so far that make a failed try not count
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(frozen=True)
class DownloadConfig:
    """How patient a download is.

    Attributes
    ----------
    stall_timeout_s : float
        Seconds with next to nothing arriving after which the connection is given up and tried again.
    retries : int
        Further tries after a failed one, each from where the last ended. Tries that brought a megabyte don't count.
    backoff_s : float
        Pause before the first retry; doubled for each further one, at most a minute.
    """

    stall_timeout_s: float = 30.0
    retries: int = 4
    backoff_s: float = 1.0


def download(
    card: ModelCard | str,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    *,
    folder: Path | None = None,
    config: DownloadConfig | None = None,
) -> Path:
    """Download a model, or go on with an interrupted download; do nothing if a good file is there already.

    The bytes go to ``FILE.part``; only when size and checksum are right does the file get its name. Several
    processes may call this at once: one downloads, the others wait for it.

    Parameters
    ----------
    card : ModelCard or str
    progress : callable, optional
        Called with (bytes done, bytes in all); the second is 0 while unknown.
    cancelled : callable, optional
        Polled about twenty times a second, also while waiting for the server.
    folder : Path, optional
        Where to put the file; the cache by default.
    config : DownloadConfig, optional

    Returns
    -------
    Path

    Raises
    ------
    Cancelled
        If ``cancelled()`` turned true; what has arrived is kept for the next time.
    DownloadError
        If the server cannot be reached, serves something else than published, or the disk is full or read-only. The
        message says what to do.
    """
    card = get_card(card) if isinstance(card, str) else card
    if card.url is None:
        return require_model(card.name)
    if not card.url.lower().startswith(("http://", "https://")):
        raise DownloadError(f"{card.name}: {card.url} is not a web address")
    target = (models_dir() if folder is None else folder) / card.filename
    job = _Download(card, card.url, target, progress or _ignore, cancelled or _never, config or DownloadConfig())
    with _disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _exclusive(job):
            if not target.is_file() or mismatch(target, card, job.cancelled) is not None:
                job.run()
    return target


class _Download:
    """One call of :func:`download`, in the hands of the process that holds the lock."""

    def __init__(
        self,
        card: ModelCard,
        url: str,
        target: Path,
        progress: Callable[[int, int], None],
        cancelled: Callable[[], bool],
        config: DownloadConfig,
    ) -> None:
        self.card = card
        self.url = url
        self.part = PartFile(target)
        self.progress = progress
        self.cancelled = cancelled
        self.config = config

    def run(self) -> None:
        """Fetch and check; a file put together from pieces that turns out wrong is fetched once more from the start."""
        pieces = self._fetch()
        wrong = mismatch(self.part.path, self.card, self.cancelled)
        if wrong is not None and pieces > 1:
            self.part.discard()
            self._fetch()
            wrong = mismatch(self.part.path, self.card, self.cancelled)
        if wrong is not None:
            looks = _looks_like(self.part.path)
            self.part.discard()
            raise DownloadError(
                f"{self.url} did not serve the published file of {self.card.name}: {wrong}{looks}. Nothing was kept. "
                f"A proxy or login page may stand between, or the file was replaced. {without_network(self.card)}"
            )
        self.part.finish()

    def _fetch(self) -> int:
        """Transfer until the file is whole, with retries; returns from how many pieces it was put together."""
        failures, furthest, pieces = 0, self.part.size(), 1 if self.part.size() else 0
        while True:
            pieces += 1
            try:
                self._transfer()
            except TransferError as error:
                if self.part.size() > furthest + _GOOD_PROGRESS:
                    failures = 0
                furthest = max(furthest, self.part.size())
                failures += 1
                if not error.retriable or failures > self.config.retries:
                    raise self._give_up(error) from error
                self._pause(min(self.config.backoff_s * 2 ** (failures - 1), 60.0))
            else:
                return pieces

    def _transfer(self) -> None:
        """One request, appended to the part file; raises TransferError unless the file is whole afterwards."""
        origin = self.part.origin(self.url)
        start = self.part.size() if origin is not None else 0
        if origin is not None and start == origin.total:
            return
        validator = origin.validator if origin is not None else None
        agent = f"napari-sam-studio/{napari_sam.__version__}"
        transfer = Transfer(self.url, start, validator, self.config.stall_timeout_s, agent)
        try:
            self._receive(transfer, self._open(transfer), origin)
        finally:
            transfer.abandon()

    def _open(self, transfer: Transfer) -> Reply:
        try:
            return transfer.open(self.cancelled)
        except TransferError as error:
            if error.status == 416:  # range not satisfiable: the part file does not fit what the server has
                self.part.discard()
                raise TransferError("the server's file is shorter than the part that was there", True) from error
            raise

    def _receive(self, transfer: Transfer, reply: Reply, origin: Origin | None) -> None:
        self._check_promise(reply.total)
        total = self.card.size_bytes if reply.total is None else reply.total
        continues = reply.start > 0 and origin is not None and reply.start == self.part.size()
        if continues and origin is not None and origin.total not in (None, total):
            continues = False
        if not continues:
            self.part.begin(Origin(self.url, reply.validator, total))
            if reply.start != 0:
                raise TransferError("the server went on at another place than asked", retriable=True)
        self._check_space(total)
        done = self._append(transfer, total)
        if total is not None and done != total:
            raise TransferError(f"the connection ended after {done:,} of {total:,} bytes", retriable=True)
        self.progress(done, done)

    def _append(self, transfer: Transfer, total: int | None) -> int:
        done = reported = self.part.size()
        step = (total or self.card.size_bytes or 200 << 20) // _PROGRESS_STEPS
        with self.part.path.open("ab", buffering=0) as file:
            for chunk in transfer.chunks(self.cancelled):
                done += _write_all(file.write, chunk)
                if done - reported > step:
                    self.progress(done, total or self.card.size_bytes or 0)
                    reported = done
        return done

    def _check_promise(self, total: int | None) -> None:
        expected = self.card.size_bytes
        if total is not None and expected is not None and total != expected:
            text = f"the server offers {total:,} bytes, but {self.card.name} has {expected:,}: it is another file"
            raise TransferError(text, retriable=False)

    def _check_space(self, total: int | None) -> None:
        needed = (total or 0) - self.part.size()
        free = shutil.disk_usage(self.part.target.parent).free
        if needed > free:
            raise OSError(errno.ENOSPC, f"{needed:,} more bytes are needed, {free:,} are free")

    def _pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.cancelled():
                raise Cancelled("the download was cancelled")
            time.sleep(min(left, 0.05))

    def _give_up(self, error: TransferError) -> DownloadError:
        kept = self.part.size()
        again = f" {kept:,} bytes are kept: the next download goes on from there." if kept else ""
        return DownloadError(
            f"{self.card.name} could not be downloaded from {self.url}: {error}.{again} Check the network (behind a "
            f"proxy, set HTTPS_PROXY) and try again. {without_network(self.card)}"
        )


@contextmanager
def _exclusive(job: _Download) -> Iterator[None]:
    """Hold the lock of one target file; the system frees it when a process dies, so a stale one never blocks."""
    lock = FileLock(job.part.target.with_name(job.part.target.name + ".lock"))
    while True:
        try:
            lock.acquire(timeout=0.1)
        except Timeout:
            if job.cancelled():
                raise Cancelled("the download was cancelled") from None
            job.progress(job.part.size(), job.card.size_bytes or 0)
        else:
            break
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _disk_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise DownloadError(
                f"The disk of {target.parent} is full ({error.strerror}). Make room and try again: what has arrived "
                f"is kept. Another folder can be named by {CACHE_ENV}."
            ) from error
        raise DownloadError(
            f"{target.parent} cannot be written ({error.strerror or error}). Make it writable, or name another folder "
            f"by {CACHE_ENV}."
        ) from error


def _write_all(write: Callable[[memoryview], int | None], chunk: bytes) -> int:
    left = memoryview(chunk)
    while left:
        left = left[write(left) or 0 :]
    return len(chunk)


def _looks_like(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(256).lstrip().lower()
    return " (it is a web page)" if head.startswith((b"<!doctype", b"<html")) else ""


def _ignore(done: int, total: int) -> None:
    """Report nothing."""


def _never() -> bool:
    return False
