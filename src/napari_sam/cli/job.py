"""The job of a command: from a job file, a preset, and what was typed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_sam.automatic.job import AutomaticJob


def chosen_job(path: Path | None, preset: str | None, values: dict[str, Any]) -> AutomaticJob:
    """Return the defaults, overruled by a job file, overruled by a preset, overruled by what was typed.

    Parameters
    ----------
    path : Path, optional
        A job file.
    preset : str, optional
        Name of a preset.
    values : dict
        Parameters by name.

    Raises
    ------
    ParameterError
        If the file or a value cannot be used, or there is no such preset.
    """
    job = AutomaticJob()
    if path is not None:
        from napari_sam.batch.jobfile import read_job

        job = read_job(path)
    if preset is not None:
        from napari_sam.automatic.presets import apply_preset

        job = apply_preset(job, preset)
    return job.with_values(values)
