"""Where the time of one run goes: functions are replaced by ones that take the time, without what they call in turn."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import GeneratorType
from typing import Any

REST = "everything else"


class Stopwatch:
    """Wall and CPU seconds by stage; a stage that begins within another stops that one's clock."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self._stages: list[str] = []
        self._since = (0.0, 0.0)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens within as ``name``."""
        self._note()
        self._stages.append(name)
        try:
            yield
        finally:
            self._note()
            self._stages.pop()

    def _note(self) -> None:
        now = time.perf_counter(), time.process_time()
        if self._stages:
            self.wall[self._stages[-1]] += now[0] - self._since[0]
            self.cpu[self._stages[-1]] += now[1] - self._since[1]
        self._since = now


Wrapped = tuple[Any, str, str]
"""An owner (module, class or object), the name of a function of it, and the stage that its time belongs to."""


@contextmanager
def timed(clock: Stopwatch, functions: list[Wrapped]) -> Iterator[None]:
    """Replace functions by timed ones."""
    with replaced([(owner, name, _timed(clock, stage, getattr(owner, name))) for owner, name, stage in functions]):
        yield


@contextmanager
def replaced(members: list[tuple[Any, str, Any]]) -> Iterator[None]:
    """Set attributes of modules, classes and objects, and put back what was there."""
    before = [(owner, name, vars(owner).get(name)) for owner, name, _ in members]
    for owner, name, value in members:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            if value is None:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def _timed(clock: Stopwatch, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with clock.stage(stage):
            result = function(*args, **kwargs)
        return _timed_items(clock, stage, result) if isinstance(result, GeneratorType) else result

    return run


def _timed_items(clock: Stopwatch, stage: str, items: Iterator[Any]) -> Iterator[Any]:
    while True:
        with clock.stage(stage):
            try:
                item = next(items)
            except StopIteration:
                return
        yield item
