"""A web server on this machine that truncates, stalls and lies as told."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from napari_sam.zoo.cards import ModelCard


@dataclass
class Answer:
    """How one request is answered; the default is how a good server does it."""

    status: int = 200
    body: bytes | None = None  # other content than the server's
    cut_after: int | None = None  # close the connection after so many bytes of the body
    stall_after: int | None = None  # send no more after so many bytes, connection open
    claim: int = 0  # added to the true Content-Length
    no_length: bool = False
    ranges: bool = True
    wrong_range: bool = False  # go on at another place than asked
    odd_range: bool = False  # a Content-Range that means nothing
    drip_after: int | None = None  # from there on, one byte now and then
    pause_s: float = 0.0  # between the sixteenths of the body


@dataclass
class Server:
    """What the server has, what it shall do, and what it was asked."""

    content: bytes
    url: str = ""
    etag: str | None = '"one"'
    plan: list[Answer] = field(default_factory=list)  # one per request; good answers afterwards
    requests: list[dict[str, str]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def card(self, **changes: object) -> ModelCard:
        """Card of a model whose file is what the server has."""
        values: dict[str, object] = {
            "name": "tester",
            "title": "Tester",
            "architecture": "vit_b",
            "filename": "tester.pth",
            "url": self.url,
            "size_bytes": len(self.content),
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "md5": None,
            "xxh128": None,
            "licence": "none",
            "licence_url": "https://example.org",
            "domain": "tests",
            "source": "tests",
            "notes": "",
        }
        return ModelCard(**{**values, **changes})  # type: ignore[arg-type]

    def ranges_asked(self) -> list[str | None]:
        return [request.get("Range") for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    lab: Server

    def do_GET(self) -> None:
        lab = self.lab
        lab.requests.append(dict(self.headers))
        answer = lab.plan.pop(0) if lab.plan else Answer()
        if answer.status != 200:
            self.send_response(answer.status)
            if answer.status == 302:
                self.send_header("Location", lab.url)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = lab.content if answer.body is None else answer.body
        begin = self._begin(answer, len(body))
        if begin is None:
            return
        self._head(answer, begin, len(body))
        self._send(answer, body[begin:])

    def _begin(self, answer: Answer, size: int) -> int | None:
        asked = self.headers.get("Range")
        other_file = self.headers.get("If-Range", self.lab.etag) != self.lab.etag
        if not answer.ranges or asked is None or other_file:
            return 0
        begin = int(asked.removeprefix("bytes=").removesuffix("-"))
        if begin >= size:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        return begin + 7 if answer.wrong_range else begin

    def _head(self, answer: Answer, begin: int, size: int) -> None:
        self.send_response(206 if begin else 200)
        if not answer.no_length:
            self.send_header("Content-Length", str(size - begin + answer.claim))
        if begin:
            span = "apples */7" if answer.odd_range else f"bytes {begin}-{size - 1}/{size}"
            self.send_header("Content-Range", span)
        if self.lab.etag:
            self.send_header("ETag", self.lab.etag)
        self.end_headers()

    def _send(self, answer: Answer, body: bytes) -> None:
        whole = body
        limits = [n for n in (answer.cut_after, answer.stall_after, answer.drip_after) if n is not None]
        body = body[: min(limits)] if limits else body
        step = max(1, len(body) // 16)
        try:
            for i in range(0, len(body), step):
                self.wfile.write(body[i : i + step])
                self.wfile.flush()
                self.lab.closing.wait(answer.pause_s)
            for i in range(len(body), len(whole) if answer.drip_after is not None else 0):
                self.wfile.write(whole[i : i + 1])
                if self.lab.closing.wait(0.05):
                    return
            if answer.stall_after is not None:
                self.lab.closing.wait(60)
        except OSError:
            return  # the client went away

    def log_message(self, *args: object) -> None:
        """Stay quiet."""
