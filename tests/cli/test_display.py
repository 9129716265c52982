"""Is there a screen? Asked of real sockets, since Qt would end the process on a display that does not answer."""

from __future__ import annotations

import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_sam.cli.display import has_display

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="abstract socket names are Linux's")


@pytest.fixture
def abstract_server() -> Iterator[str]:
    """A local X server's address, as number of a display."""
    number = "4711"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(f"\0/tmp/.X11-unix/X{number}")
        server.listen()
        yield number


def test_macos_and_windows_always_have_one() -> None:
    assert has_display({}, "darwin")
    assert has_display({}, "win32")


def test_no_variable_means_no_display() -> None:
    assert not has_display({}, "linux")
    assert not has_display({"DISPLAY": ""}, "linux")


def test_wayland_counts() -> None:
    assert has_display({"WAYLAND_DISPLAY": "wayland-0"}, "linux")


@linux_only
@pytest.mark.parametrize("form", [":{}", ":{}.0", "unix:{}"])
def test_a_local_server_that_answers(abstract_server: str, form: str) -> None:
    assert has_display({"DISPLAY": form.format(abstract_server)}, "linux")


@linux_only
def test_a_local_server_that_is_gone() -> None:
    assert not has_display({"DISPLAY": ":4712"}, "linux")


def test_a_server_over_the_network() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if port < 6000:
            pytest.skip("the system gave a port below X's")
        assert has_display({"DISPLAY": f"127.0.0.1:{port - 6000}.0"}, "linux")
    assert not has_display({"DISPLAY": f"127.0.0.1:{port - 6000}.0"}, "linux")


def test_a_display_named_by_the_path_of_its_socket() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "xquartz"
        assert not has_display({"DISPLAY": f"{path}:zero"}, "linux")
        assert not has_display({"DISPLAY": str(path)}, "linux")
        path.touch()
        assert has_display({"DISPLAY": str(path)}, "linux")
