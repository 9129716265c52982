"""What is there already in the place of a run: nothing, a run to go on with, or results that must not be lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_sam.batch.failures import writing
from napari_sam.batch.identity import differences, identity
from napari_sam.batch.plan import Item
from napari_sam.batch.report import FORMAT, VERSION, timestamp
from napari_sam.batch.request import BatchRequest, Places
from napari_sam.batch.workspace import Workspace, read_json
from napari_sam.errors import ParameterError

_SHOWN = 4


@dataclass(frozen=True)
class Earlier:
    """Where a run begins.

    Attributes
    ----------
    work : Workspace
        Holds what is done.
    state : mapping
        When the run began, and what it is.
    report : dict or None
        Of an earlier run that has done everything already.
    """

    work: Workspace
    state: Mapping[str, Any]
    report: dict[str, Any] | None = None


def begin_or_go_on(request: BatchRequest, places: Places, items: Sequence[Item], model: Mapping[str, Any]) -> Earlier:
    """Decide what becomes of an earlier run in the same place, and prepare the workspace.

    A run that was stopped is gone on with if ``request.resume``. One that is complete and the same has nothing left to
    do. Everything else that is there is replaced only if ``request.overwrite``.

    Raises
    ------
    ParameterError
        If something is there that would be lost, or that is another run than the one to go on with.
    OutputError
        If nothing can be written there.
    """
    _check_inputs_stay(_results(request, places, items), items)
    work, now = Workspace(places.work), identity(request, items, model)
    place = places.single or places.root
    state = None if request.overwrite else work.read_state()
    if state is not None:
        return _go_on(request, place, work, state, now, items)
    results = _results(request, places, items)
    report = None if request.overwrite else _known_report(places.report)
    if report is not None:
        _check_same(place, now, _identity_in(report))
        if report["status"] == "done" and all(path.exists() for path in results):
            work.remove()  # a run that was killed at its very end has left it
            return Earlier(work, {}, report)
        raise ParameterError(f"Some results of the run in {place} are gone; --overwrite computes all of them again.")
    if not request.overwrite:
        _check_free(results)
    state = {"format": FORMAT, "version": VERSION, "started": timestamp(), "identity": now}
    with writing(place):
        places.report.unlink(missing_ok=True)  # they tell of an earlier run
        places.table.unlink(missing_ok=True)
    work.begin(state)
    return Earlier(work, state)


def _go_on(
    request: BatchRequest,
    place: Path,
    work: Workspace,
    state: dict[str, Any],
    now: Mapping[str, Any],
    items: Sequence[Item],
) -> Earlier:
    if not request.resume:
        raise ParameterError(
            f"{place} holds a run that is not complete, begun {state.get('started')}: --resume goes on with it, "
            "--overwrite begins anew."
        )
    if state.get("version") != VERSION:
        raise ParameterError(f"The run in {place} was begun by another version of napari-sam; --overwrite begins anew.")
    unfinished = [item for item in items if work.read_done(item) is None]
    _check_same(place, now, state["identity"], [item.key for item in unfinished])
    before = state["identity"]["inputs"]
    for item in unfinished:
        if item.fingerprint != before[item.key]["fingerprint"]:  # repaired, perhaps
            work.forget(item)
    state = {**state, "identity": now}
    work.write_state(state)
    return Earlier(work, state)


def _check_same(place: Path, now: Mapping[str, Any], before: Mapping[str, Any], may_change: Sequence[str] = ()) -> None:
    found = differences(now, before, may_change)
    if not found:
        return
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    raise ParameterError(
        f"{place} holds another run: {'; '.join(found[:_SHOWN])}{more}. Choose another place, or give what was given "
        "then; --overwrite replaces it."
    )


def _check_inputs_stay(results: Sequence[Path], items: Sequence[Item]) -> None:
    inputs = {item.path.resolve() for item in items}
    for path in results:
        if path.resolve() in inputs:
            raise ParameterError(f"{path} is an input; the results would replace it. Choose another place for them.")


def _check_free(results: Sequence[Path]) -> None:
    taken = [path for path in results if path.exists()]
    if taken:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise ParameterError(f"{taken[0]}{more} exists already; --overwrite replaces it, or choose another place.")


def _results(request: BatchRequest, places: Places, items: Sequence[Item]) -> list[Path]:
    labels = [places.labels(item.name) for item in items]
    masks = [places.masks(item.name) for item in items] if request.json_masks else []
    return [*labels, *masks, places.table, places.report]


def _known_report(path: Path) -> dict[str, Any] | None:
    report = read_json(path)
    known = report is not None and (report.get("format"), report.get("version")) == (FORMAT, VERSION)
    return report if known else None


def _identity_in(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a run was, from its report."""
    inputs = {one["location"]: {"name": one["name"], "fingerprint": one["fingerprint"]} for one in report["items"]}
    return {**report, "inputs": inputs}
