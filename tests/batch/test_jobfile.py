"""Job files: what is written is read again, and what is wrong is named with its line."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from napari_sam.automatic.job import AutomaticJob
from napari_sam.batch.jobfile import job_text, read_job, write_job
from napari_sam.errors import FileFormatError, ParameterError
from napari_sam.parameters import parameters_of


def other_job() -> AutomaticJob:
    """A job in which every parameter differs from its default."""
    special = {"channels": "2,0", "limits": "-3,20.5", "tile_size": 640}
    values: dict[str, object] = {}
    for section in fields(AutomaticJob):
        for one in parameters_of(getattr(AutomaticJob(), section.name)):
            if one.choices:
                values[one.name] = one.choices[-1] if one.choices[-1] != one.default else one.choices[0]
            elif one.type is bool:
                values[one.name] = not one.default
            elif one.name in special:
                values[one.name] = special[one.name]
            elif one.type is str:
                values[one.name] = 'C:\\models\\"my" wäights.pt'
            else:
                values[one.name] = one.default + 1 if one.high is None or one.default + 1 <= one.high else one.high / 3
    return AutomaticJob().with_values(values)


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "job.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("job", [AutomaticJob(), other_job()], ids=["defaults", "all different"])
def test_a_job_is_read_as_it_was_written(job: AutomaticJob, tmp_path: Path) -> None:
    path = write_job(job, tmp_path / "new" / "job.toml")
    assert read_job(path) == job
    assert [one.name for one in path.parent.iterdir()] == ["job.toml"]


def test_every_parameter_is_written_with_its_help() -> None:
    text = job_text(AutomaticJob())
    content = tomllib.loads(text)
    comments = " ".join(line.removeprefix("# ") for line in text.splitlines() if line.startswith("#"))
    for section in fields(AutomaticJob):
        known = parameters_of(getattr(AutomaticJob(), section.name))
        assert list(content[section.name]) == [one.name for one in known]
        assert all(one.help in comments for one in known)


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    assert read_job(file(tmp_path, "")) == AutomaticJob()
    job = read_job(file(tmp_path, "[automatic]\npoints_per_side = 16\n[model]\ncheckpoint = ''\n"))
    assert job == AutomaticJob().with_values({"points_per_side": 16})


def test_sections_may_be_left_out(tmp_path: Path) -> None:
    job = read_job(file(tmp_path, "points_per_side = 16\nlink = 'z'\n[labels]\nmin_area = 5\n"))
    assert job == AutomaticJob().with_values({"points_per_side": 16, "link": "z", "min_area": 5})


def test_numbers_of_numpy_are_written_as_numbers(tmp_path: Path) -> None:
    job = AutomaticJob().with_values({"points_per_side": np.int64(9), "pred_iou_thresh": np.float32(0.9)})
    assert read_job(write_job(job, tmp_path / "job.toml")) == job


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[automatic]\n\npoints_per_side = 0\n", r"line 3: points_per_side is 0, but must be at least 1"),
        ("[automatic]\npoints_per_side = true\n", "line 2: points_per_side is True, but must be a whole number"),
        ("[automatic]\nmode = 'slow'\n", "line 2: mode is 'slow', but must be one of 'exact', 'fast'"),
        ("# x\n[automatic]\npoint_per_side = 3\n", "line 3: there is no parameter called 'point_per_side'"),
        ("nonsense = 3\n", "line 1: there is no parameter called 'nonsense'"),
        ("\n[automatics]\nmode = 'exact'\n", r"line 2: there is no section \[automatics\]; the sections are \[model\]"),
        ("[stack]\nmin_area = 3\n", r"line 2: min_area belongs into the section \[labels\], not \[stack\]"),
        ("[stack]\nlink = \n", "is not valid TOML.*line 2"),
        ("version = 99\n", "line 1: version 99 is newer"),
        ("format = 'napari-sam/predict'\n", "line 1: format is 'napari-sam/predict'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, problem: str, tmp_path: Path) -> None:
    path = file(tmp_path, text)
    with pytest.raises(ParameterError, match=problem) as caught:
        read_job(path)
    assert str(path) in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="does not exist"):
        read_job(tmp_path / "missing.toml")
    with pytest.raises(ParameterError, match="cannot be read"):
        read_job(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParameterError, match="not a text file"):
        read_job(tmp_path / "binary")
    with pytest.raises(FileFormatError, match="its folder is a file"):
        write_job(AutomaticJob(), tmp_path / "binary" / "job.toml")
