"""``napari-sam models``, against a server on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pytest
from typer.testing import CliRunner, Result

from napari_sam.cli.main import app
from napari_sam.zoo import cards

CONTENT = os.urandom(1 << 20)


class Server(BaseHTTPRequestHandler):
    """Serves CONTENT; from /slow, half of it, and then nothing more for a long while."""

    def __init__(self, release: threading.Event, *arguments: object) -> None:
        self.release = release
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.send_header("ETag", '"one"')
        self.end_headers()
        if self.path == "/slow":
            self.wfile.write(CONTENT[: len(CONTENT) // 2])
            self.wfile.flush()
            self.release.wait(60)
            return
        self.wfile.write(CONTENT)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def address() -> Iterator[str]:
    release = threading.Event()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Server, release))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    release.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def card(name: str, url: str, content: bytes = CONTENT) -> cards.ModelCard:
    """A card for a file of the server."""
    digest = hashlib.sha256(content).hexdigest()
    return replace(
        cards.CARDS["vit_b"],
        name=name,
        filename=f"{name}.pth",
        url=url,
        size_bytes=None,
        sha256=digest,
        md5=None,
        xxh128=None,
    )


@pytest.fixture
def offered(address: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three models: a good one, one the server does not have, one whose file is another than published."""
    offers = [card("good", f"{address}/good"), card("gone", f"{address}/missing"), card("other", f"{address}/x", b"?")]
    named = {one.name: one for one in (cards.CARDS["sam_lite"], *offers)}
    monkeypatch.setattr(cards, "CARDS", MappingProxyType(named))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["models", *arguments])


def test_the_list_names_every_model_and_where_it_is() -> None:
    result = run("list")
    assert result.exit_code == 0
    for name in cards.CARDS:
        assert f"\n{name} " in result.stdout
    assert "in the package" in result.stdout
    assert "not downloaded" in result.stdout


def test_the_list_as_json(tmp_path: Path) -> None:
    assert run("list", "--json", str(tmp_path / "models.json")).exit_code == 0
    content = json.loads((tmp_path / "models.json").read_text())
    assert (content["format"], content["version"]) == ("napari-sam/models", 1)
    by_name = {model["name"]: model for model in content["models"]}
    assert by_name.keys() == cards.CARDS.keys()
    assert Path(by_name["sam_lite"]["path"]).is_file()
    assert by_name["vit_b"]["path"] is None
    assert by_name["vit_b"]["sha256"] == cards.CARDS["vit_b"].sha256


def test_the_path_of_a_model_and_of_the_downloads(cache: Path) -> None:
    assert run("path").stdout.strip() == str(cache / "models")
    assert Path(run("path", "sam_lite").stdout.strip()).is_file()


def test_the_path_of_a_model_that_is_not_here_says_how_to_get_it(cache: Path) -> None:
    result = run("path", "vit_b")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "napari-sam models download vit_b" in result.stderr
    assert "NAPARI_SAM_MODELS" in result.stderr


@pytest.mark.parametrize("command", ["download", "path", "verify"])
def test_an_unknown_model_is_an_unusable_argument(command: str) -> None:
    result = run(command, "vit_bb")
    assert result.exit_code == 2
    assert "vit_b" in result.stderr


@pytest.mark.usefixtures("offered")
def test_download_then_verify_then_damage(cache: Path) -> None:
    result = run("download", "good")
    assert result.exit_code == 0, result.stderr
    file = cache / "models" / "good.pth"
    assert str(file) in result.stdout
    assert file.read_bytes() == CONTENT
    assert run("verify", "good").exit_code == 0
    file.write_bytes(CONTENT[:-1] + b"?")
    result = run("verify", "good")
    assert result.exit_code == 1
    assert "not the published file" in result.stderr


@pytest.mark.usefixtures("offered")
def test_every_failure_is_named_and_the_rest_is_done(cache: Path) -> None:
    result = run("download", "gone", "other", "good")
    assert result.exit_code == 1
    assert "gone: " in result.stderr
    assert "other: " in result.stderr
    assert (cache / "models" / "good.pth").read_bytes() == CONTENT
    assert not (cache / "models" / "other.pth").exists()


@pytest.mark.usefixtures("offered")
def test_verify_without_a_name_checks_what_is_here(cache: Path) -> None:
    run("download", "good")
    result = run("verify")
    assert result.exit_code == 0, result.stderr
    assert "sam_lite: " in result.stdout
    assert "good: " in result.stdout
    assert "gone" not in result.stdout


def test_ctrl_c_keeps_what_has_arrived(address: str, cache: Path) -> None:
    code = (
        "import sys\n"
        "from dataclasses import replace\n"
        "from napari_sam.cli.main import app\n"
        "from napari_sam.zoo import cards\n"
        "slow = replace(cards.CARDS['vit_b'], url=sys.argv.pop(), size_bytes=None)\n"
        "cards.CARDS = {'vit_b': slow}\n"
        "app(['models', 'download', 'vit_b'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, f"{address}/slow"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    part = cache / "models" / f"{cards.CARDS['vit_b'].filename}.part"
    end = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 0) and time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert stdout == ""
    assert "Traceback" not in stderr
    assert part.stat().st_size > 0
