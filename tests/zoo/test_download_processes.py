"""Several processes and interrupted ones."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from napari_sam.errors import Cancelled
from napari_sam.zoo.download import DownloadConfig, download
from tests.zoo.hostile_server import Answer, Server

QUICK = DownloadConfig(stall_timeout_s=10, retries=3, backoff_s=0.01)
SIZE = 400_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


_CHILD = """
import sys
from pathlib import Path
from napari_sam.zoo.cards import ModelCard
from napari_sam.zoo.download import download
url, sha256, folder = sys.argv[1:]
card = ModelCard("tester", "", "vit_b", "tester.pth", url, None, sha256, None, None, "", "", "", "", "")
print(download(card, folder=Path(folder)), "torch" in sys.modules)
"""


def _child(server: Server, folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", _CHILD, server.url, str(server.card().sha256), str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_at_once_download_once(server: Server, folder: Path) -> None:
    server.plan = [Answer(pause_s=0.1)]
    children = [_child(server, folder) for _ in range(2)]
    outputs = [child.communicate(timeout=60)[0].split() for child in children]
    assert outputs == [[str(folder / "tester.pth"), "False"]] * 2, "the same file, without importing torch"
    assert (folder / "tester.pth").read_bytes() == server.content
    assert server.ranges_asked() == [None]


def test_a_killed_process_leaves_a_part_and_no_lock(server: Server, folder: Path) -> None:
    server.plan = [Answer(stall_after=200_000)]
    child = _child(server, folder)
    part = folder / "tester.pth.part"
    end = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size == 200_000) and time.monotonic() < end:
        time.sleep(0.02)
    child.kill()
    child.communicate()
    assert not (folder / "tester.pth").exists()
    assert download(server.card(), folder=folder, config=QUICK).read_bytes() == server.content
    assert server.ranges_asked() == [None, "bytes=200000-"]


def test_waiting_for_another_download_can_be_cancelled(server: Server, folder: Path) -> None:
    server.plan = [Answer(stall_after=200_000)]
    stop = threading.Event()
    patient = DownloadConfig(stall_timeout_s=60)

    def first() -> None:
        with pytest.raises(Cancelled):
            download(server.card(), cancelled=stop.is_set, folder=folder, config=patient)

    thread = threading.Thread(target=first)
    thread.start()
    while not server.requests:
        time.sleep(0.01)
    seen: list[tuple[int, int]] = []
    with pytest.raises(Cancelled):
        download(
            server.card(),
            lambda done, total: seen.append((done, total)),
            lambda: len(seen) > 1,
            folder=folder,
            config=patient,
        )
    stop.set()
    thread.join()
    assert {total for _, total in seen} == {SIZE}, "the one who waits sees the progress of the other"
