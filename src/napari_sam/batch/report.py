"""The report of a run, ``run.json``, and the table of all its objects, ``objects.csv``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from napari_sam.batch.failures import writing
from napari_sam.batch.plan import Item, describe_item
from napari_sam.batch.request import Places
from napari_sam.batch.table import read_table, write_table
from napari_sam.batch.workspace import Workspace, write_json

FORMAT = "napari-sam/auto-run"
VERSION = 1


def timestamp() -> str:
    """Return the time, in UTC, as a report holds it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def failed_entry(item: Item, error: str) -> dict[str, Any]:
    """Return the entry of an input that failed."""
    return {
        **describe_item(item),
        "status": "failed",
        "error": error,
        "seconds": 0.0,
        "objects": 0,
        "planes": 0,
        "labels": None,
        "masks": None,
        "links": None,
    }


def write_report(
    places: Places, work: Workspace, state: Mapping[str, Any], entries: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Write the report of a run; its fields are documented in docs/batch.md and only ever added to.

    Parameters
    ----------
    places : Places
    work : Workspace
    state : mapping
        When the run began, and what it is: parameters, model, versions, outputs.
    entries : sequence of dict
        One for each input, in order.

    Returns
    -------
    dict
        Its content.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    done = [entry for entry in entries if entry["status"] == "done"]
    report = {
        "format": FORMAT,
        "version": VERSION,
        "status": "done" if len(done) == len(entries) else "failed",
        "started": state["started"],
        "finished": timestamp(),
        **{name: state["identity"][name] for name in ("versions", "model", "parameters", "outputs")},
        "summary": {
            "items": len(entries),
            "done": len(done),
            "failed": len(entries) - len(done),
            "planes": sum(entry["planes"] for entry in done),
            "objects": sum(entry["objects"] for entry in done),
            "seconds": round(sum(entry["seconds"] for entry in done), 3),
        },
        "table": places.table.name,
        "items": list(entries),
    }
    temporary = work.folder / places.report.name
    write_json(temporary, report)
    with writing(places.report):
        work.publish(temporary, places.report)
    return report


def write_whole_table(
    places: Places, work: Workspace, items: Sequence[Item], entries: Sequence[Mapping[str, Any]]
) -> None:
    """Write the table of the objects of all inputs, in order; planes have a column for every dimension of any input.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    done = [item for item, entry in zip(items, entries, strict=True) if entry["status"] == "done"]
    layouts = [item.layout for item in done if item.layout is not None]
    axes = list(dict.fromkeys(name for layout in layouts for name in layout.axis_names()))
    temporary = work.folder / places.table.name
    with writing(places.table):
        write_table(temporary, axes, _all_rows(work, done))
        work.publish(temporary, places.table)


def _all_rows(work: Workspace, done: Sequence[Item]) -> Iterator[dict[str, Any]]:
    for item in done:
        yield from read_table(work.table(item))
