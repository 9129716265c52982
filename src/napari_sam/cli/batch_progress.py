"""How a batch run is shown: lines of text, with a bar on a terminal, or lines of JSON for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from napari_sam.batch.events import Event, EventCallback, InputEnded, PlaneEnded, PlaneProgress, RunEnded, RunStarted

_NAMES = {RunStarted: "start", PlaneProgress: "progress", PlaneEnded: "plane", InputEnded: "input", RunEnded: "end"}
_INTERVAL_S = 1.0
_WHOLE_RUN_S = 24 * 3600.0


class ProgressKind(StrEnum):
    """Values of ``--progress``."""

    auto = "auto"
    json = "json"
    none = "none"


@contextmanager
def reporter(kind: ProgressKind) -> Iterator[EventCallback]:
    """Give what is to be told how a run goes.

    Parameters
    ----------
    kind : ProgressKind
        auto: results as lines on stdout, failures on stderr, a bar on stderr if that is a terminal. none: without the
        bar. json: every event as a line of JSON on stdout, failures on stderr as well.

    Yields
    ------
    callable
        Takes the events of :mod:`napari_sam.batch.events`.
    """
    if kind is ProgressKind.json:
        yield JsonLines()
    elif kind is ProgressKind.auto and sys.stderr.isatty():
        with _bar() as bar:
            yield TextLines(bar)
    else:
        yield TextLines(None)


class JsonLines:
    """Every event as one line of JSON on stdout; "progress" at most once a second."""

    def __init__(self) -> None:
        self._begun = self._told = time.monotonic()
        self._before = 0

    def __call__(self, event: Event) -> None:
        """Write an event."""
        now = time.monotonic()
        if isinstance(event, PlaneProgress):
            if now - self._told < _INTERVAL_S:
                return
            self._told = now
        content = {"event": _NAMES[type(event)], **asdict(event)}
        if isinstance(event, RunStarted):
            self._begun, self._before = now, event.planes_done
        if isinstance(event, PlaneEnded):
            content["seconds_left"] = self._seconds_left(event, now)
        typer.echo(json.dumps(content))
        _tell_failure(event)

    def _seconds_left(self, event: PlaneEnded, now: float) -> float | None:
        fresh = event.done - self._before
        return round((now - self._begun) / fresh * (event.total - event.done), 1) if fresh > 0 else None


class TextLines:
    """A line for each input; above a bar, where there is one.

    Parameters
    ----------
    bar : Progress, optional
        Shown on stderr.
    """

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._task = bar.add_task("looking at the inputs", total=None) if bar else None
        self._done = 0

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if isinstance(event, RunStarted):
            self._done = event.planes_done
            if event.planes_done or event.inputs_done:
                self._say(f"going on: {event.planes_done} of {event.planes} planes are done")
            self._show(event.planes_done, total=event.planes)
        elif isinstance(event, PlaneProgress):
            self._show(self._done + event.done / max(event.total, 1), _named(event))
        elif isinstance(event, PlaneEnded):
            self._done = event.done
            self._show(event.done, _named(event))
        elif isinstance(event, InputEnded):
            if event.status == "done":
                self._say(f"{event.input}: {_count(event.objects, 'object')} -> {event.labels}")
        else:
            self._end(event)
        _tell_failure(event)

    def _end(self, event: RunEnded) -> None:
        if self._bar is not None:
            self._bar.stop()
        if event.status == "unchanged":
            self._say(f"All results are there already, see {event.report}; --overwrite computes them again.")
        elif event.report is not None:
            total = event.inputs_done + event.inputs_failed
            self._say(
                f"{event.inputs_done} of {_count(total, 'input')} done in {event.seconds:.1f} s -> {event.report}"
            )

    def _show(self, done: float, text: str | None = None, total: int | None = None) -> None:
        if self._bar is None or self._task is None:
            return
        self._bar.update(self._task, completed=done)
        if text is not None:
            self._bar.update(self._task, description=text)
        if total is not None:
            self._bar.update(self._task, total=total, description="")

    def _say(self, text: str) -> None:
        if self._bar is not None and sys.stdout.isatty():  # above the bar; a pipe gets its lines as they are
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            typer.echo(text)


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("planes"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    return Progress(
        *columns,
        console=Console(stderr=True),
        redirect_stdout=False,
        transient=True,
        speed_estimate_period=_WHOLE_RUN_S,  # planes may take minutes
    )


def _named(event: PlaneProgress | PlaneEnded) -> str:
    plane = f" {','.join(map(str, event.plane))}" if event.plane else ""
    return f"{event.input.rsplit('/', 1)[-1]}{plane}"


def _tell_failure(event: Event) -> None:
    if isinstance(event, InputEnded) and event.status == "failed":
        named = f"{event.error}" if event.input in str(event.error) else f"{event.input}: {event.error}"
        typer.echo(f"failed: {named}", err=True)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
