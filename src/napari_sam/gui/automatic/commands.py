"""What scripts and buttons call: the commands of the Automatic widget, one method each."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sam.automatic.job import AutomaticJob
from napari_sam.errors import ParameterError
from napari_sam.gui.automatic.export import ask_what_to_read, ask_where_to_write
from napari_sam.gui.automatic.parameters import flat
from napari_sam.gui.command_container import CommandContainer

if TYPE_CHECKING:
    import pandas as pd
    from napari.layers import Labels

    from napari_sam.gui.automatic.controls import Controls
    from napari_sam.gui.automatic.steps import Step
    from napari_sam.gui.automatic.subject import Subject


class AutomaticCommands(CommandContainer):
    """The commands; whoever inherits wires them to a viewer.

    Without an image every command does nothing.
    """

    _subject: Subject | None
    _controls: Controls

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether a run is under way."""

    @property
    def result_layer(self) -> Labels | None:
        """The labels layer with the objects of the chosen image, or None."""
        return None if self._subject is None else self._subject.results.layer

    @property
    def features(self) -> pd.DataFrame | None:
        """One line per object of the chosen image; the column ``index`` is its label."""
        return None if self._subject is None else self._subject.results.features

    @property
    def job(self) -> AutomaticJob:
        """The parameters as the controls show them; raises ParameterError where they do not fit together."""
        return AutomaticJob().with_values(self._controls.form.values())

    def select_objects(self, ids: Sequence[int]) -> None:
        """Select objects in the table."""
        self._controls.results.table.select(ids)

    def delete_selected(self) -> None:
        """Delete the objects selected in the table, from all their planes."""
        self.delete_objects(self._controls.results.table.ids)

    def keep_selected(self) -> None:
        """Delete all objects but those selected in the table."""
        subject, chosen = self._subject, self._controls.results.table.ids
        if subject is None or self._must_wait():
            return
        if not chosen:
            self._controls.show_status("Select the objects to keep in the table first.")
            return
        others = set(subject.results.pieces.ids.tolist()) - set(chosen)
        count = subject.results.delete(others, "drop")
        self._controls.show_status(f"{count} objects deleted, {len(chosen)} kept.")

    def delete_objects(self, ids: Sequence[int]) -> None:
        """Delete objects by their labels, from all their planes."""
        if self._subject is None or self._must_wait():
            return
        count = self._subject.results.delete(ids)
        told = f"{count} object{'' if count == 1 else 's'} deleted."
        self._controls.show_status(told if count else "Select the objects to delete in the table first.")

    def undo(self) -> None:
        """Take back the last run on a plane, change of a threshold, or deletion."""
        if self._subject is not None and not self._must_wait():
            step = self._subject.results.undo()
            self._after_step(step, "Taken back", "Nothing to undo.")

    def redo(self) -> None:
        """Do again what was taken back."""
        if self._subject is not None and not self._must_wait():
            step = self._subject.results.redo()
            self._after_step(step, "Done again", "Nothing to redo.")

    def show_object(self, object_id: int) -> None:
        """Select an object, show its plane and bring it to the middle of the canvas."""
        if self._subject is not None:
            self._subject.go_to(object_id)

    def export_job(self, path: str | PathLike[str]) -> Path:
        """Write the parameters, contrast limits included, as a job file for ``napari-sam auto --job``.

        Raises
        ------
        ParameterError, FileFormatError
            If the parameters do not fit together, or the file cannot be written.
        """
        from napari_sam.batch.jobfile import write_job

        return write_job(self.job, path)

    def load_job(self, path: str | PathLike[str]) -> None:
        """Take the parameters from a job file.

        Raises
        ------
        ParameterError
            If the file cannot be used.
        """
        from napari_sam.batch.jobfile import read_job

        self.use_job(read_job(path))

    def use_job(self, job: AutomaticJob) -> None:
        """Take the parameters of a job."""
        self._controls.form.set_values(flat(job))
        self._on_parameters("")

    def export_run(self) -> None:
        """Ask for a name and write the job file."""
        path = ask_where_to_write(self.native)
        if path is None:
            return
        try:
            self.export_job(path)
        except ParameterError as error:
            self._complain(str(error))
        else:
            self._controls.show_status(f"Wrote {path}.")

    def open_job(self) -> None:
        """Ask for a job file and take its parameters."""
        path = ask_what_to_read(self.native)
        if path is None:
            return
        try:
            self.load_job(path)
        except ParameterError as error:
            self._complain(str(error))
        else:
            self._controls.show_status(f"Parameters of {path.name}.")

    def _must_wait(self) -> bool:
        if self.running:
            self._controls.show_status("Cancel the run first, or wait until it is over.")
        return self.running

    @abstractmethod
    def _on_parameters(self, name: str) -> None:
        """Take note of a control that has changed."""

    @abstractmethod
    def _after_step(self, step: Step | None, done: str, nothing: str) -> None:
        """Show what a step of the history did, or that there was none."""

    @abstractmethod
    def _complain(self, text: str) -> None:
        """Tell the user what cannot be done."""
