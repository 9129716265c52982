from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

import pytest

from napari_sam.errors import Cancelled
from napari_sam.gui.qt.worker import Lane, LatestWins, Token


@dataclass(frozen=True)
class Task:
    key: str
    number: int


class Recorder:
    """Runs tasks that wait for a gate, as an encoder that polls does."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.started: list[Task] = []
        self.delivered: list[tuple[Task, Future[int]]] = []

    def run(self, task: Task, token: Token) -> int:
        self.started.append(task)
        while not self.gate.is_set():
            if token.cancelled():
                raise Cancelled("cancelled")
            time.sleep(0.001)
        if token.superseded():
            raise Cancelled("superseded")
        return task.number

    def deliver(self, task: Task, future: Future[int]) -> None:
        self.delivered.append((task, future))

    def results(self) -> list[int | None]:
        return [None if future.exception() else future.result() for _, future in self.delivered]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def queue(recorder: Recorder):
    queue = LatestWins(recorder.run, recorder.deliver, name="test-latest-wins")
    yield queue
    queue.close()


def test_only_the_newest_waiting_job_is_run(queue: LatestWins, recorder: Recorder):
    for number in range(5):
        queue.submit(Task("a", number))
        until(lambda: bool(recorder.started))
    recorder.gate.set()
    until(lambda: not queue.busy)
    assert [task.number for task in recorder.started] == [0, 4]
    assert recorder.results() == [None, 4]


def test_another_key_cancels_the_running_computation(queue: LatestWins, recorder: Recorder):
    queue.submit(Task("a", 0))
    until(lambda: bool(recorder.started))
    queue.submit(Task("b", 1))
    until(lambda: len(recorder.started) == 2)
    recorder.gate.set()
    until(lambda: not queue.busy)
    assert isinstance(recorder.delivered[0][1].exception(), Cancelled)
    assert recorder.delivered[1][1].result() == 1


def test_cancel_drops_the_running_and_the_waiting_job(queue: LatestWins, recorder: Recorder):
    queue.submit(Task("a", 0))
    until(lambda: bool(recorder.started))
    queue.submit(Task("a", 1))
    queue.cancel()
    until(lambda: not queue.busy)
    assert [task.number for task in recorder.started] == [0]
    assert recorder.results() == [None]


def test_an_error_is_delivered_and_the_queue_goes_on(recorder: Recorder):
    def run(task: Task, token: Token) -> int:
        return 1 // task.number

    queue: LatestWins[Task, int] = LatestWins(run, recorder.deliver)
    queue.submit(Task("a", 0))
    until(lambda: not queue.busy)
    queue.submit(Task("a", 1))
    until(lambda: not queue.busy)
    queue.close()
    assert recorder.results() == [None, 1]


def test_close_ends_the_thread_and_delivers_nothing(recorder: Recorder):
    queue = LatestWins(recorder.run, recorder.deliver, name="test-close")
    queue.submit(Task("a", 0))
    until(lambda: bool(recorder.started))
    queue.close()
    queue.submit(Task("a", 1))
    until(lambda: not any(thread.name.startswith("test-close") for thread in threading.enumerate()))
    assert recorder.delivered == []
    assert len(recorder.started) == 1


class TestLanes:
    def test_what_was_asked_for_is_served_before_everything_else(self, queue: LatestWins, recorder: Recorder):
        queue.submit(Task("a", 0))
        until(lambda: bool(recorder.started))
        queue.submit(Task("c", 2), Lane.AHEAD)
        queue.submit(Task("b", 9), Lane.HOVER)
        queue.submit(Task("b", 1), Lane.HOVER)
        queue.submit(Task("a", 3))
        recorder.gate.set()
        until(lambda: queue.idle)
        assert [task.number for task in recorder.started] == [0, 3, 1, 2]
        assert recorder.results() == [None, 3, 1, 2]

    @pytest.mark.parametrize("lane", [Lane.AHEAD, Lane.HOVER])
    def test_less_urgent_work_is_stopped_at_once(self, queue: LatestWins, recorder: Recorder, lane: Lane):
        queue.submit(Task("a", 0), lane)
        until(lambda: bool(recorder.started))
        assert not queue.busy
        assert not queue.idle
        queue.submit(Task("b", 1))
        assert queue.busy
        until(lambda: len(recorder.started) == 2)
        assert isinstance(recorder.delivered[0][1].exception(), Cancelled)

    def test_work_in_advance_that_is_now_asked_for_goes_on(self, queue: LatestWins, recorder: Recorder):
        queue.submit(Task("a", 0), Lane.AHEAD)
        until(lambda: bool(recorder.started))
        queue.submit(Task("a", 1))
        time.sleep(0.02)
        assert len(recorder.started) == 1, "the computation both need is not thrown away"
        recorder.gate.set()
        until(lambda: queue.idle)
        assert recorder.results() == [None, 1]

    def test_less_urgent_work_disturbs_nobody(self, queue: LatestWins, recorder: Recorder):
        queue.submit(Task("a", 0))
        until(lambda: bool(recorder.started))
        queue.submit(Task("b", 1), Lane.HOVER)
        recorder.gate.set()
        until(lambda: queue.idle)
        assert recorder.results() == [0, 1]

    def test_the_most_urgent_waiting_job_comes_next(self):
        tokens: list[Token] = []
        gate = threading.Event()

        def run(task: Task, token: Token) -> int:
            tokens.append(token)
            gate.wait(10)
            return task.number

        queue: LatestWins[Task, int] = LatestWins(run, lambda task, future: None)
        queue.submit(Task("a", 0), Lane.AHEAD)
        until(lambda: bool(tokens))
        queue.submit(Task("a", 1))
        queue.submit(Task("a", 2), Lane.HOVER)
        assert tokens[0].successor == Task("a", 1)
        gate.set()
        until(lambda: queue.idle)
        queue.close()

    def test_a_token_knows_who_comes_next(self):
        token = Token()
        assert token.successor is None
        token.supersede(Task("a", 1))
        assert token.superseded()
        assert not token.cancelled()
        assert token.successor == Task("a", 1)
