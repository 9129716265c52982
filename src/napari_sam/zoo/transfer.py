"""One HTTP request whose bytes arrive through a queue, so that waiting can be cancelled and a stall noticed.

A thread does the blocking work (name look-up, connection, TLS, reading); the caller polls. A cancelled transfer's
thread writes nothing and ends by itself at its socket's next time-out.
"""

from __future__ import annotations

import http.client
import queue
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from napari_sam.errors import Cancelled

_CHUNK = 1 << 18
_POLL_S = 0.05
_GRACE_S = 5.0  # the caller's clock decides; the thread only has to end some time after it
_MIN_BYTES_PER_S = 256  # slower than this for a whole stall_timeout_s counts as a stall
_RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class TransferError(Exception):
    """A request failed; ``retriable`` if trying again may help."""

    def __init__(self, message: str, retriable: bool, status: int | None = None) -> None:
        super().__init__(message)
        self.retriable = retriable
        self.status = status


@dataclass(frozen=True)
class Reply:
    """What the server promised: bytes from ``start`` on (-1: unclear), of ``total`` (None if it does not say)."""

    start: int
    total: int | None
    validator: str | None


class Transfer:
    """GET ``url`` from byte ``start`` on.

    Parameters
    ----------
    url : str
    start : int
        Bytes already there; 0 asks for the whole file.
    validator : str or None
        ETag or date under which those bytes were served: the server starts again if its file is another one now.
    stall_timeout_s : float
        Seconds of waiting with next to nothing arriving after which the transfer fails.
    user_agent : str
    """

    def __init__(self, url: str, start: int, validator: str | None, stall_timeout_s: float, user_agent: str) -> None:
        headers = {"User-Agent": user_agent, "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
            if validator:
                headers["If-Range"] = validator
        self._request = urllib.request.Request(url, headers=headers)
        self._stall_timeout_s = stall_timeout_s
        self._queue: queue.Queue[Reply | bytes | Exception | None] = queue.Queue(maxsize=16)
        self._abandoned = threading.Event()
        self._thread = threading.Thread(target=self._work, name="napari-sam download", daemon=True)

    def open(self, cancelled: Callable[[], bool]) -> Reply:
        """Send the request and wait for the reply's head."""
        self._thread.start()
        first, _ = self._wait(cancelled, self._stall_timeout_s)
        if not isinstance(first, Reply):
            raise TransferError("the server closed the connection without a reply", retriable=True)
        return first

    def chunks(self, cancelled: Callable[[], bool]) -> Iterator[bytes]:
        """Yield the body; the last chunk may come early if the server cuts the connection."""
        waited, arrived = 0.0, 0
        while True:
            chunk, seconds = self._wait(cancelled, self._stall_timeout_s)
            if not isinstance(chunk, bytes):
                return
            yield chunk
            # Only time spent waiting counts: a slow disk is not a slow server.
            waited, arrived = waited + seconds, arrived + len(chunk)
            if waited > self._stall_timeout_s:
                if arrived < _MIN_BYTES_PER_S * waited:
                    raise TransferError(f"next to nothing arrived for {waited:.0f} s", retriable=True)
                waited, arrived = 0.0, 0

    def abandon(self) -> None:
        """Stop listening; safe to call at any time."""
        self._abandoned.set()

    def _wait(self, cancelled: Callable[[], bool], limit_s: float) -> tuple[Reply | bytes | None, float]:
        begin = time.monotonic()
        while True:
            if cancelled():
                raise Cancelled("the download was cancelled")
            try:
                item = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                if time.monotonic() - begin > limit_s:
                    raise TransferError(f"nothing arrived for {limit_s:g} s", retriable=True) from None
                continue
            if isinstance(item, Exception):
                raise item
            return item, time.monotonic() - begin

    def _work(self) -> None:
        try:
            with urllib.request.urlopen(self._request, timeout=self._stall_timeout_s + _GRACE_S) as response:
                self._put(_reply(response))
                while not self._abandoned.is_set() and (chunk := response.read1(_CHUNK)):
                    self._put(chunk)
            self._put(None)
        except (OSError, http.client.HTTPException, ValueError, TransferError) as error:
            self._put(_explain(error))

    def _put(self, item: Reply | bytes | Exception | None) -> None:
        while not self._abandoned.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return


def _reply(response: http.client.HTTPResponse) -> Reply:
    etag = response.headers.get("ETag")
    strong = etag if etag and not etag.startswith("W/") else None  # If-Range takes strong ones only (RFC 9110, 13.1.5)
    validator = strong or response.headers.get("Last-Modified")
    if response.status == 206:
        unit, _, where = response.headers.get("Content-Range", "").partition(" ")
        span, _, size = where.partition("/")
        begin = span.partition("-")[0]
        if unit != "bytes" or not begin.isdigit():
            return Reply(-1, None, validator)
        return Reply(int(begin), int(size) if size.isdigit() else None, validator)
    length = response.headers.get("Content-Length", "")
    return Reply(0, int(length) if length.isdigit() else None, validator)


def _explain(error: Exception) -> TransferError:
    if isinstance(error, TransferError):
        return error
    if isinstance(error, urllib.error.HTTPError):
        message = f"the server answered {error.code} {error.reason}"
        return TransferError(message, error.code in _RETRY_STATUS, error.code)
    reason = getattr(error, "reason", error)
    if isinstance(reason, ssl.SSLCertVerificationError):
        text = f"the server's certificate was not accepted ({reason.verify_message}); set SSL_CERT_FILE to your CA file"
        return TransferError(text, retriable=False)
    if isinstance(reason, socket.gaierror):
        return TransferError(f"the host's address could not be found ({reason.strerror})", retriable=False)
    if isinstance(reason, TimeoutError):
        return TransferError("the server did not answer in time", retriable=True)
    return TransferError(f"{type(reason).__name__}: {reason}", retriable=not isinstance(error, ValueError))
