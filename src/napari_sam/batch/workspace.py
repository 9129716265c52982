"""What a run keeps while it is under way, so that it can go on after it was stopped or killed.

A hidden folder beside the results holds ``state.json`` (what the run is: parameters, model, inputs), and a folder for
each input with a file for each finished plane. When the results of an input have their final names, its ``done.json``
says so, and the planes go. The whole folder goes when every input is done.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_sam.automatic.link_report import Plane
from napari_sam.batch.failures import writing
from napari_sam.batch.plan import Item
from napari_sam.batch.results import is_result
from napari_sam.io.whole_file import whole_file


class Workspace:
    """The hidden folder of a run.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read_state(self) -> dict[str, Any] | None:
        """Return what is known of an earlier run, or None if there was none."""
        return read_json(self.folder / "state.json")

    def begin(self, state: Mapping[str, Any]) -> None:
        """Forget an earlier run, and begin this one.

        Raises
        ------
        OutputError
            If nothing can be written there.
        """
        self.remove()
        self.write_state(state)

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Write what this run is.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        write_json(self.folder / "state.json", state)

    def remove(self) -> None:
        """Remove the folder.

        Raises
        ------
        OutputError
            If that is not allowed.
        """
        with writing(self.folder):
            if self.folder.exists():
                (self.folder / "state.json").unlink(missing_ok=True)  # first: killed now, nothing here counts any more
                shutil.rmtree(self.folder)

    def item_folder(self, item: Item) -> Path:
        """Folder of one input."""
        return self.folder / "inputs" / item.name

    def result(self, item: Item, plane: Plane) -> Path:
        """File of one plane."""
        return self.item_folder(item) / "planes" / f"{'-'.join(map(str, plane)) or 'plane'}.npz"

    def table(self, item: Item) -> Path:
        """Part of the table of objects that belongs to one input."""
        return self.item_folder(item) / "objects.csv"

    def missing(self, item: Item) -> list[Plane]:
        """Return the planes without a result, in the order of the file."""
        planes = item.layout.planes() if item.layout is not None else iter(())
        return [plane for plane in planes if not is_result(self.result(item, plane))]

    def read_done(self, item: Item) -> dict[str, Any] | None:
        """Return the report of an input whose results are finished, or None."""
        return read_json(self.item_folder(item) / "done.json")

    def set_done(self, item: Item, report: Mapping[str, Any]) -> None:
        """Remember that the results of an input are finished; its planes are no longer needed."""
        write_json(self.item_folder(item) / "done.json", report)
        shutil.rmtree(self.item_folder(item) / "planes", ignore_errors=True)

    def publish(self, result: Path, target: Path) -> None:
        """Give a result its final name; a folder of that name goes first, as no system replaces one."""
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            former = self.folder / "former"
            shutil.rmtree(former, ignore_errors=True)
            target.rename(former)
        result.replace(target)

    def forget(self, item: Item) -> None:
        """Drop what was found in an input that has changed."""
        shutil.rmtree(self.item_folder(item), ignore_errors=True)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the content of a JSON file, or None if there is none, or none that can be read."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with writing(path), whole_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
