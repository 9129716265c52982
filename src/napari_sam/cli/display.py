"""Finds out whether there is a screen to open a window on."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path


def has_display(environ: Mapping[str, str] = os.environ, platform: str = sys.platform) -> bool:
    """Return whether a window can be opened.

    Elsewhere than on macOS and Windows this asks the display server, because Qt ends the whole process when a
    display is named that does not answer.
    """
    if platform in ("darwin", "win32"):
        return True
    if environ.get("WAYLAND_DISPLAY"):
        return True
    display = environ.get("DISPLAY", "")
    return bool(display) and _answers(display)


def _answers(display: str, timeout_s: float = 2.0) -> bool:
    host, _, number = display.rpartition(":")
    number = number.partition(".")[0]
    if not number.isdigit():
        return Path(display).exists()  # launchd-style path of a socket
    if host not in ("", "unix"):
        return _connects_over_network(host, 6000 + int(number), timeout_s)
    path = f"/tmp/.X11-unix/X{number}"
    return _connects(path, timeout_s) or _connects(f"\0{path}", timeout_s)  # the second is Linux's abstract name


def _connects(path: str, timeout_s: float) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(timeout_s)
        try:
            probe.connect(path)
        except OSError:
            return False
        return True


def _connects_over_network(host: str, port: int, timeout_s: float) -> bool:
    try:
        socket.create_connection((host, port), timeout_s).close()
    except OSError:
        return False
    return True
