"""The command as a whole: exit codes, messages, a quick start."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

import napari_sam
from napari_sam import errors
from napari_sam.cli.main import app, exit_code


def test_version() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.output.strip() == f"napari-sam {napari_sam.__version__}"


@pytest.mark.parametrize("command", [[], ["demo"], ["predict"], ["models"], ["models", "download"], ["benchmark"]])
def test_every_command_explains_itself(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_python_m_is_the_same_command_and_its_help_loads_nothing_heavy() -> None:
    code = (
        "import runpy, sys\n"
        "sys.argv = ['napari_sam', 'predict', '--help']\n"
        "try:\n"
        "    runpy.run_module('napari_sam', run_name='__main__')\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "heavy = {'torch', 'napari', 'qtpy', 'scipy', 'zarr', 'tifffile', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "napari-sam predict" in done.stdout


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.PromptError("x"), 2),
        (errors.ImageError("x"), 2),
        (errors.ModelError("x"), 2),
        (errors.CheckpointError("x"), 2),
        (errors.FileFormatError("x"), 2),
        (errors.DownloadError("x"), 1),
        (errors.OutOfMemoryError("x"), 1),
        (OSError("x"), 1),
        (errors.Cancelled("x"), 130),
    ],
)
def test_exit_codes(error: errors.NapariSamError | OSError, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize("arguments", [["nosuch"], ["predict"], ["demo", "--nosuch"], ["models", "download"]])
def test_unusable_arguments_exit_with_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr
