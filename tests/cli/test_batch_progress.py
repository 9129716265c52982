"""What a terminal shows of a run."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from napari_sam.batch.events import InputEnded, PlaneEnded, PlaneProgress, RunEnded, RunStarted
from napari_sam.cli import batch_progress
from napari_sam.cli.batch_progress import JsonLines, ProgressKind, TextLines, reporter

EVENTS = [
    RunStarted("out", inputs=2, planes=4, inputs_done=0, planes_done=1),
    PlaneProgress("in/[a].tif", (2,), 1, 2),
    PlaneEnded("in/[a].tif", (2,), 3.0, None, 2, 4),
    InputEnded("in/[a].tif", "done", None, 1, "out/[a]_labels.tif", 1, 2),
    InputEnded("in/b.tif", "failed", "in/b.tif cannot be read.", 0, None, 2, 2),
    RunEnded("failed", 1, 1, 4, 4, 12.34, "out/run.json"),
]


def test_lines_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    with reporter(ProgressKind.auto) as tell:  # no terminal here: no bar
        for event in EVENTS:
            tell(event)
    shown = capsys.readouterr()
    assert shown.out.splitlines() == [
        "going on: 1 of 4 planes are done",
        "in/[a].tif: 1 object -> out/[a]_labels.tif",
        "1 of 2 inputs done in 12.3 s -> out/run.json",
    ]
    assert shown.err == "failed: in/b.tif cannot be read.\n"


def test_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    screen = io.StringIO()

    def console(**_: Any) -> Console:
        return Console(file=screen, force_terminal=True, width=120, legacy_windows=False)

    monkeypatch.setattr(batch_progress, "Console", console)
    with batch_progress._bar() as bar:
        tell = TextLines(bar)
        for event in EVENTS[:3]:
            tell(event)
        bar.refresh()
        assert bar.tasks[0].completed == 2
        assert bar.tasks[0].total == 4
        for event in EVENTS[3:]:
            tell(event)
    assert "[a].tif 2" in screen.getvalue()
    assert "2/4" in screen.getvalue()
    assert "in/[a].tif: 1 object" in capsys.readouterr().out  # which is no terminal: as it is


def test_lines_of_json_tell_the_time_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 0.0, 10.0, 20.0, 20.2, 20.3])
    monkeypatch.setattr(batch_progress, "time", SimpleNamespace(monotonic=lambda: next(times)))
    tell = JsonLines()
    for event in EVENTS[:3] + EVENTS[1:2]:
        tell(event)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["start", "progress", "plane", "progress"]
    assert lines[2]["seconds_left"] == 40.0  # one plane in 20 s, two to go
    tell(EVENTS[1])  # too soon after the last one
    assert capsys.readouterr().out == ""
