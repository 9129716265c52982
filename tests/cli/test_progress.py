"""The progress line, and Ctrl-C."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator

import pytest

from napari_sam.cli.progress import ProgressLine, interruptible


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_it_rewrites_one_line_and_ends_it() -> None:
    stream = Terminal()
    line = ProgressLine("Downloading x", scale=1e6, unit="MB", stream=stream)
    line(0, 2_000_000_000)
    line(2_000_000_000, 2_000_000_000)
    line.close()
    shown = stream.getvalue()
    assert shown.count("\n") == 1
    assert shown.startswith("\rDownloading x: 0 of 2,000 MB (0 %)")
    assert shown.rstrip().endswith("\rDownloading x: 2,000 of 2,000 MB (100 %)")


def test_an_unknown_total_shows_no_percentage() -> None:
    stream = Terminal()
    ProgressLine("Downloading x", scale=1e6, unit="MB", stream=stream)(5_000_000, 0)
    assert stream.getvalue() == "\rDownloading x: 5 MB"


def test_many_calls_write_little() -> None:
    stream = Terminal()
    line = ProgressLine("Working", stream=stream)
    for done in range(1000):
        line(done, 1000)
    assert stream.getvalue().count("\r") < 100


def test_a_log_file_gets_nothing() -> None:
    stream = io.StringIO()
    line = ProgressLine("Working", stream=stream)
    line(1, 1)
    line.close()
    assert stream.getvalue() == ""


@pytest.fixture
def interrupts() -> Iterator[None]:
    """Ctrl-C raises, even where the tests run in the background and a shell has made them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_the_first_interrupt_asks_and_the_second_insists() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as cancelled:
        assert not cancelled()
        os.kill(os.getpid(), signal.SIGINT)
        assert cancelled()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
