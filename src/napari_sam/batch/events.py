"""What a run tells while it is under way: to a terminal, to a program, to a widget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RunStarted:
    """The inputs have been looked at.

    Attributes
    ----------
    output : str
    inputs, planes : int
        How many there are to do, all in all.
    inputs_done, planes_done : int
        How many of them an earlier run has done.
    """

    output: str
    inputs: int
    planes: int
    inputs_done: int = 0
    planes_done: int = 0


@dataclass(frozen=True)
class PlaneProgress:
    """A plane is being worked at.

    Attributes
    ----------
    input : str
    plane : tuple of int
    done, total : int
        Parts of the plane.
    """

    input: str
    plane: tuple[int, ...]
    done: int
    total: int


@dataclass(frozen=True)
class PlaneEnded:
    """A plane is done, or failed.

    Attributes
    ----------
    input : str
    plane : tuple of int
    seconds : float
    error : str or None
    done, total : int
        Planes of the whole run; those of inputs that failed count as done.
    """

    input: str
    plane: tuple[int, ...]
    seconds: float
    error: str | None
    done: int
    total: int


@dataclass(frozen=True)
class InputEnded:
    """The results of an input are written, or it failed.

    Attributes
    ----------
    input : str
    status : {"done", "failed"}
    error : str or None
    objects : int
    labels : str or None
        Path of its labels.
    done, total : int
        Inputs of the whole run that are done or failed, and all.
    """

    input: str
    status: str
    error: str | None
    objects: int
    labels: str | None
    done: int
    total: int


@dataclass(frozen=True)
class RunEnded:
    """Everything was done, or tried, or the run was stopped.

    Attributes
    ----------
    status : {"done", "failed", "interrupted", "unchanged"}
        failed: some inputs did; unchanged: an earlier run had done everything already.
    inputs_done, inputs_failed : int
    planes_done, planes : int
        Planes that are finished, and all.
    seconds : float
    report : str or None
        Path of the report of the run; an interrupted run has none.
    """

    status: str
    inputs_done: int
    inputs_failed: int
    planes_done: int
    planes: int
    seconds: float
    report: str | None


Event = RunStarted | PlaneProgress | PlaneEnded | InputEnded | RunEnded
EventCallback = Callable[[Event], None]
