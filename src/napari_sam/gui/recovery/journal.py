"""A session's journal, written in a thread of its own.

Whoever has something to say submits a function; it is called in the thread with what the journal says so far, and
gives the entries to add. The Qt thread never waits for the disk. A full or read-only disk switches the journal off,
with one message; what it would say is kept up to date in memory, and written as a whole once the disk is there again.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from napari_sam.errors import NapariSamError
from napari_sam.gui.recovery.codec import Json
from napari_sam.gui.recovery.folder import JournalFile, JournalFolder
from napari_sam.gui.recovery.state import END, RESUMED, JournalState, replay
from napari_sam.io.append_log import AppendLog, Entry, read_log

Make = Callable[[JournalState], Iterable[Json]]

COMPACT_ABOVE = 4 << 20
GROWTH = 4
RETRY_S = 30.0
MAX_WAITING = 10_000


class Journal:
    """The journal of one session.

    Nothing is written before there is something to recover.

    Parameters
    ----------
    file : JournalFile
        Where to write; held until :meth:`close`.
    header : mapping
        First entry, if the file does not exist; else it is read and continued.
    on_trouble : callable
        Called in the thread, once per trouble, with a message for the user.
    """

    def __init__(self, file: JournalFile, header: Entry, on_trouble: Callable[[str], None]) -> None:
        self._file = file
        self._header = header
        self._on_trouble = on_trouble
        self._state: JournalState | None = None
        self._log: AppendLog | None = None
        self._compacted = 0
        self._retry_at = 0.0
        self._is_told = False
        self._missed = False
        self._lock = threading.Lock()
        self._waiting = 0
        self._idle: deque[Iterator[Make]] = deque()
        self._is_closing = False
        self._is_closed = False
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="napari-sam-journal")

    @property
    def name(self) -> str:
        """What the journal is called within its folder."""
        return self._file.name

    @property
    def pending(self) -> bool:
        """Whether something submitted has not been written yet."""
        with self._lock:
            return self._waiting > 0

    def take_missed(self) -> bool:
        """Return whether something was left out since the last call, as too much was waiting."""
        missed, self._missed = self._missed, False
        return missed

    def submit(self, make: Make) -> None:
        """Have ``make`` called in the thread and its entries written."""
        if self._waiting >= MAX_WAITING:
            self._missed = True
        else:
            self._enqueue(self._run, make)

    def submit_idle(self, makes: Iterable[Make]) -> None:
        """Have these called one by one when nothing else waits, and before the journal is closed at the latest."""
        self._enqueue(self._add_idle, iter(makes))

    def sync(self) -> None:
        """Have everything put on the disk, for the case of a power cut."""
        self.submit(self._sync)

    def flush(self, timeout_s: float | None = None) -> bool:
        """Wait until everything submitted is written; return whether it is on the disk."""
        done: list[bool] = []
        self._executor.submit(lambda: done.append(self._is_safe())).result(timeout_s)
        return done[0]

    def close(self, discard: bool = False) -> None:
        """Write what waits, end the journal and release it.

        Parameters
        ----------
        discard : bool
            Remove it: there is nothing to recover. Else it is marked as ended and offered later.
        """
        self._is_closing = True
        self._enqueue(self._end, discard)
        self._executor.shutdown(wait=True)
        self._is_closed = True

    def _enqueue(self, function: Callable[..., None], *arguments: object) -> None:
        with self._lock:
            self._waiting += 1
        try:
            future = self._executor.submit(function, *arguments)
        except RuntimeError:
            if self._is_closed:
                raise
            future = self._do_here(function, *arguments)
        future.add_done_callback(self._on_done)

    def _do_here(self, function: Callable[..., None], *arguments: object) -> Future[None]:
        """Do what no thread takes any more, as Python is on its way out with the viewer still open.

        Threads have ended before that becomes known in the main one; in a thread it can only be idle work, which is
        done when the journal is closed.
        """
        if threading.current_thread() is threading.main_thread():
            function(*arguments)
        future: Future[None] = Future()
        future.set_result(None)
        return future

    # -- in the thread -----------------------------------------------------------------------------------------------

    def _run(self, make: Make) -> None:
        state = self._opened()
        for entry in make(state):
            state.apply(entry)
            self._write(state, entry)
        self._touch()

    def _add_idle(self, makes: Iterator[Make]) -> None:
        self._idle.append(makes)
        if len(self._idle) == 1:
            self._enqueue(self._run_idle)

    def _run_idle(self) -> None:
        make = self._next_idle()
        if make is None:
            return
        self._run(make)
        if not self._is_closing:
            self._enqueue(self._run_idle)

    def _next_idle(self) -> Make | None:
        while self._idle:
            make = next(self._idle[0], None)
            if make is not None:
                return make
            self._idle.popleft()
        return None

    def _finish_idle(self) -> None:
        while (make := self._next_idle()) is not None:
            self._run(make)

    def _opened(self) -> JournalState:
        if self._state is None:
            self._state = self._read() or JournalState(self._header)
        return self._state

    def _read(self) -> JournalState | None:
        if not self._file.path.exists():
            return None
        try:
            state = replay(read_log(self._file.path).entries)
        except NapariSamError as error:
            self._on_trouble(f"The autosave file {self._file.path} cannot be continued: {error}. A new one is begun.")
            self._file.release()
            self._file = JournalFolder(self._file.path.parent).new()
            return None
        if state.ended:
            state.apply({"kind": RESUMED, "time": time.time()})
        return state

    def _write(self, state: JournalState, entry: Entry) -> None:
        try:
            if self._log is None:
                self._begin(state)
            else:
                self._log.append(entry)
                if self._log.size > max(COMPACT_ABOVE, GROWTH * self._compacted):
                    self._rewrite(state)
        except (OSError, NapariSamError) as error:
            self._fail(error)

    def _begin(self, state: JournalState) -> None:
        """Write the first entries, or everything again after trouble."""
        if time.monotonic() < self._retry_at or (not self._file.path.exists() and state.is_empty):
            return
        if not self._file.acquire():
            raise OSError("another session writes the same journal")
        self._log = AppendLog(self._file.path)
        self._rewrite(state)
        if self._is_told:
            self._is_told = False
            self._on_trouble("Autosave is on again: everything so far is safe.")

    def _rewrite(self, state: JournalState) -> None:
        if self._log is not None:
            self._log.replace(state.snapshot())
            self._compacted = self._log.size

    def _fail(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        self._close_log()
        if not self._is_told:
            self._is_told = True
            reason = getattr(error, "strerror", None) or str(error)
            self._on_trouble(
                f"Autosave is off because {self._file.path.parent} cannot be written: {reason}. "
                "You can go on; save your objects yourself. It is tried again now and then."
            )

    def _sync(self, state: JournalState) -> Iterable[Json]:
        if self._log is None:
            self._write(state, {})  # only begins, if it is time to try again
        else:
            try:
                self._log.sync()
            except OSError as error:
                self._fail(error)
        return ()

    def _touch(self) -> None:
        try:
            self._file.touch()
        except OSError as error:
            self._fail(error)

    def _is_safe(self) -> bool:
        self._finish_idle()
        self._sync(self._opened())
        return self._log is not None

    def _end(self, discard: bool) -> None:
        if not discard:
            self._finish_idle()
        state = self._opened()
        # Prompts alone are left in the viewer or given up on purpose; after a crash they are offered, too.
        discard = discard or not state.labels.ids()
        if not discard:
            end = {"kind": END, "time": time.time()}
            state.apply(end)
            self._retry_at = 0.0
            self._write(state, end)
            self._sync(state)
        self._close_log()
        try:
            if discard and self._file.is_held:
                self._file.delete()
            self._file.release()
        except OSError as error:
            self._fail(error)

    def _close_log(self) -> None:
        log, self._log = self._log, None
        if log is not None:
            try:
                log.close()
            except OSError:  # the disk is gone; what it took is there
                return

    def _on_done(self, future: Future[None]) -> None:
        with self._lock:
            self._waiting -= 1
        error = future.exception()
        if error is not None and not self._is_told:
            self._is_told = True
            self._on_trouble(f"Autosave failed: {type(error).__name__}: {error}. Save your objects yourself.")
