"""A whole run: plans it, has its planes done, puts them together, and reports; goes on where an earlier run stopped."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from napari_sam.automatic.link_report import Plane
from napari_sam.batch.assemble import Assembler
from napari_sam.batch.earlier import Earlier, begin_or_go_on
from napari_sam.batch.events import Event, EventCallback, InputEnded, PlaneEnded, PlaneProgress, RunEnded, RunStarted
from napari_sam.batch.failures import FAILURES, explain
from napari_sam.batch.lock import held
from napari_sam.batch.plan import Item, plan_items
from napari_sam.batch.report import failed_entry, write_report, write_whole_table
from napari_sam.batch.request import BatchRequest, Places
from napari_sam.batch.tasks import Executor, PlaneTask, TaskOutcome, with_absolute_paths
from napari_sam.batch.workspace import Workspace
from napari_sam.errors import NapariSamError, OutputError
from napari_sam.predict.predictor import CancelCheck


def run_batch(
    request: BatchRequest,
    executor: Executor,
    model: Mapping[str, Any],
    *,
    on_event: EventCallback | None = None,
    cancelled: CancelCheck | None = None,
) -> dict[str, Any]:
    """Segment everything in many files, unattended.

    An input that fails does not stop the others. A run that was killed at any moment can go on (``request.resume``),
    and gives the same labels, tables and masks as one that was left alone.

    Parameters
    ----------
    request : BatchRequest
    executor : Executor
        Does the planes; its predictors have the model of ``request.job``.
    model : mapping
        What is known of that model, ready for JSON: at least ``name``, ``hash``, ``device`` and ``precision``.
    on_event : callable, optional
        Told how it goes; see :mod:`napari_sam.batch.events`.
    cancelled : callable, optional
        Asked often; True stops the run, and what is done is kept.

    Returns
    -------
    dict
        The report of the run, as ``run.json`` holds it: ``status`` is "done", or "failed" if some inputs failed.

    Raises
    ------
    ParameterError
        If the parameters fit none of the inputs, there are other results in the same place, or the run is another
        than the one to go on with.
    OutputError
        If results cannot be written, or another run is at work in the same place.
    Cancelled
        If ``cancelled`` returned True.
    """
    places = Places.of(request)
    with held(places.lock, places.single or places.root):
        items = plan_items(request, places.root)
        earlier = begin_or_go_on(request, places, items, model)
        tell = on_event or _ignore
        if earlier.report is not None:
            tell(_unchanged(places, earlier.report))
            return earlier.report
        return _Run(request, places, items, executor, earlier, tell).go(cancelled)


@dataclass
class _Run:
    """A run under way."""

    request: BatchRequest
    places: Places
    items: list[Item]
    executor: Executor
    earlier: Earlier
    tell: EventCallback
    entries: dict[int, dict[str, Any]] = field(default_factory=dict)  # of inputs that are done or failed
    missing: dict[int, dict[Plane, None]] = field(default_factory=dict)  # planes without a result, in order
    planes: int = 0  # of all inputs
    ended: int = 0  # planes that are done, or of inputs that failed

    def go(self, cancelled: CancelCheck | None) -> dict[str, Any]:
        started = time.perf_counter()
        self._look_at_what_is_done()
        try:
            for item in self.items:  # whose planes are all there
                if self.missing.get(item.number) == {}:
                    self._assemble(item)
            outcomes = self.executor.run(self._tasks(), progress=self._on_progress, cancelled=cancelled)
            with closing(outcomes):
                for outcome in outcomes:
                    self._take(outcome)
            report = self._report()
        except NapariSamError as error:  # stopped by the user, by a full disk, by workers that are lost
            self._end("interrupted", time.perf_counter() - started)
            kept = f"What is done is kept ({self._kept()} of {self.planes} planes)"
            raise type(error)(f"{error} {kept}: the same command with --resume goes on from there.") from error
        self._end(report["status"], time.perf_counter() - started)
        return report

    def _look_at_what_is_done(self) -> None:
        for item in self.items:
            self.planes += math.prod(map(len, item.layout.ranges)) if item.layout else 0
            done = self._work.read_done(item)
            if done is not None:
                self.entries[item.number] = done
            elif item.layout is not None:
                self.missing[item.number] = dict.fromkeys(self._work.missing(item))
        self.ended = self.planes - sum(map(len, self.missing.values()))
        self.tell(
            RunStarted(
                str(self.places.single or self.places.root),
                len(self.items),
                self.planes,
                len(self.entries),
                self.ended,
            )
        )
        for item in self.items:
            if item.error and item.number not in self.entries:
                self._fail(item, item.error)

    @property
    def _work(self) -> Workspace:
        return self.earlier.work

    def _tasks(self) -> Iterator[PlaneTask]:
        """Yield what is missing; nothing more of an input that has failed meanwhile."""
        job, masks = with_absolute_paths(self.request.job), self.request.json_masks
        for item in self.items:
            if item.number in self.entries:
                continue
            for plane in list(self.missing[item.number]):
                if item.number in self.entries:
                    break
                result = self._work.result(item, plane).absolute()
                prompts = None if item.prompts is None else item.prompts.absolute()
                path = item.path.absolute()
                yield PlaneTask(item.number, path, plane, job, result, masks, prompts, self.request.refine)

    def _take(self, outcome: TaskOutcome) -> None:
        item, task = self.items[outcome.task.item], outcome.task
        if outcome.stops_the_run:
            raise OutputError(outcome.error)
        if not outcome.error:
            del self.missing[item.number][task.plane]
            self.ended += item.number not in self.entries
        self.tell(
            PlaneEnded(
                item.path.as_posix(),
                task.plane,
                outcome.seconds,
                outcome.error or None,
                self.ended,
                self.planes,
            )
        )
        if item.number in self.entries:  # it had failed while this plane was under way
            return
        if outcome.error:
            self._fail(item, outcome.error)
        elif not self.missing[item.number]:
            self._assemble(item)

    def _assemble(self, item: Item) -> None:
        if item.layout is None:
            return
        try:
            entry = Assembler(self.request, self.places, self._work).assemble(item, item.layout)
        except OutputError:
            raise
        except FAILURES as error:
            self._fail(item, explain(error))
            return
        self._work.set_done(item, entry)
        self._set_entry(item, entry)

    def _fail(self, item: Item, error: str) -> None:
        self.ended += len(self.missing.get(item.number, ()))  # nobody will do them
        self._set_entry(item, failed_entry(item, error))

    def _set_entry(self, item: Item, entry: dict[str, Any]) -> None:
        self.entries[item.number] = entry
        self.tell(
            InputEnded(
                item.path.as_posix(),
                entry["status"],
                entry["error"],
                entry["objects"],
                str(self.places.labels(item.name)) if entry["labels"] else None,
                len(self.entries),
                len(self.items),
            )
        )

    def _on_progress(self, task: PlaneTask, done: int, total: int) -> None:
        self.tell(PlaneProgress(self.items[task.item].path.as_posix(), task.plane, done, total))

    def _report(self) -> dict[str, Any]:
        entries = [self.entries[item.number] for item in self.items]
        write_whole_table(self.places, self._work, self.items, entries)
        report = write_report(self.places, self._work, self.earlier.state, entries)
        if report["status"] == "done":
            self._work.remove()
        return report

    def _kept(self) -> int:
        """Count the planes that have a result."""
        return self.planes - sum(map(len, self.missing.values()))

    def _end(self, status: str, seconds: float) -> None:
        failed = sum(entry["status"] == "failed" for entry in self.entries.values())
        self.tell(
            RunEnded(
                status,
                len(self.entries) - failed,
                failed,
                self._kept(),
                self.planes,
                seconds,
                None if status == "interrupted" else str(self.places.report),
            )
        )


def _unchanged(places: Places, report: Mapping[str, Any]) -> RunEnded:
    summary = report["summary"]
    done, planes = summary["done"], summary["planes"]
    return RunEnded("unchanged", done, 0, planes, planes, 0.0, str(places.report))


def _ignore(event: Event) -> None:
    """Tell nobody."""
