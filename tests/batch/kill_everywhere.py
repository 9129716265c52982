"""Kills a run before its first, second, third ... change of the file system, goes on each time, and compares.

Run as a program with a folder of inputs, a folder for results, and how many changes to skip between two kills; prints
how often it killed. Forks: without threads, and without importing everything each time.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from napari_sam.automatic.job import AutomaticJob
from napari_sam.batch.request import BatchRequest
from napari_sam.batch.runner import run_batch
from tests.batch.bright import MODEL, Bright, contents

CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree")


def run(inputs: Path, output: Path, resume: bool, kill_at: int | None) -> int:
    """Run in a process of its own; return its exit status, negative if it was killed."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if kill_at is not None:
        kill_at_change(kill_at)
    job = AutomaticJob().with_values({"link": "z"})
    request = BatchRequest(tuple(sorted(inputs.iterdir())), output, job, json_masks=True, resume=resume)
    report = run_batch(request, Bright(), MODEL)
    os._exit(0 if report["status"] == "done" else 1)


def kill_at_change(number: int) -> None:
    """Kill this process before a change of the file system."""
    count = 0

    def count_changes(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal count
        writes = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & (os.O_WRONLY | os.O_RDWR))
        if writes or event in CHANGES:
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            count += 1

    sys.addaudithook(count_changes)


def main(inputs: Path, results: Path, step: int) -> int:
    expected = results / "expected"
    assert run(inputs, expected, resume=False, kill_at=None) == 0
    number, output = 0, results / "out"
    while run(inputs, output, resume=False, kill_at=number) == -signal.SIGKILL:
        for name, content in contents(output).items():  # whole, or under a temporary name
            assert name.startswith(".") or "/." in name or content == contents(expected)[name], (number, name)
        assert run(inputs, output, resume=True, kill_at=number // 2) in (0, -signal.SIGKILL)  # and once more
        assert run(inputs, output, resume=True, kill_at=None) == 0
        assert contents(output) == contents(expected), number
        assert set(os.listdir(output)) == set(os.listdir(expected)), number
        shutil.rmtree(output)
        number += step
    return number


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))  # noqa: T201
