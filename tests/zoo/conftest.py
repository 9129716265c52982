"""Fixtures of the zoo's tests."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from tests.zoo.hostile_server import Handler, Server


@pytest.fixture
def server() -> Iterator[Server]:
    lab = Server(random.Random(1).randbytes(400_000))
    handler = type("Handler", (Handler,), {"lab": lab})
    web = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    lab.url = f"http://127.0.0.1:{web.server_address[1]}/files/tester.pth"
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield lab
    lab.closing.set()
    web.shutdown()
    thread.join()
    web.server_close()
