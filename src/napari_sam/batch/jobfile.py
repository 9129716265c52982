"""The job file: all parameters of a run as TOML, with their help texts as comments."""

from __future__ import annotations

import re
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

import tomli_w

from napari_sam import __version__
from napari_sam.automatic.job import AutomaticJob
from napari_sam.errors import ParameterError
from napari_sam.io.whole_file import whole_file
from napari_sam.parameters import Parameter, check_value, parameters_of

FORMAT = "napari-sam/auto"
VERSION = 1
_WIDTH = 100
_HEAD = """\
# A job of napari-sam, written by version {version}. Run it:  napari-sam auto INPUT... -o OUT --job THIS_FILE
# Every parameter may be left out: its default counts then. An empty text means: not set.
format = "{format}"
version = {number}
"""


def write_job(job: AutomaticJob, path: str | PathLike[str]) -> Path:
    """Write all parameters of a job, each with its help text; :func:`read_job` gives an equal job.

    Parameters
    ----------
    job : AutomaticJob
    path : path
        Overwritten if it exists, whole or not at all.

    Returns
    -------
    Path

    Raises
    ------
    FileFormatError
        If the file cannot be written.
    """
    with whole_file(path) as temporary:
        temporary.write_text(job_text(job), encoding="utf-8")
    return Path(path)


def job_text(job: AutomaticJob) -> str:
    """Return the content of a job file."""
    parts = [_HEAD.format(version=__version__, format=FORMAT, number=VERSION)]
    for section, values in job.values().items():
        parts.append(f"\n[{section}]\n")
        parts.extend(_entry(one, values[one.name]) for one in parameters_of(getattr(job, section)))
    return "".join(parts)


def read_job(path: str | PathLike[str]) -> AutomaticJob:
    """Read a job file.

    Parameters
    ----------
    path : path
        TOML with the sections of :class:`~napari_sam.automatic.job.AutomaticJob`. A parameter may also stand at the
        top, before the first section, as names are unique.

    Returns
    -------
    AutomaticJob
        Parameters that the file leaves out have their defaults.

    Raises
    ------
    ParameterError
        If the file is missing or is not TOML, is of a newer version, or holds an unknown section, an unknown
        parameter or a value that is not allowed: names the file and the line.
    """
    path = Path(path)
    text = _read_text(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"The job file {path} is not valid TOML: {error}.") from error
    reader = _Reader(path, text)
    reader.check_version(content)
    values: dict[str, Any] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            values.update(reader.section(name, value))
        elif name not in ("format", "version"):
            values[name] = reader.value(None, name, value)
    try:
        return AutomaticJob().with_values(values)
    except ParameterError as error:  # parameters that do not go together
        raise ParameterError(f"The job file {path} cannot be used: {error}") from error


class _Reader:
    """Checks what a job file holds, and says in which line it is wrong."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = dict(_line_numbers(text))
        self._sections = {one.name: parameters_of(getattr(AutomaticJob(), one.name)) for one in fields(AutomaticJob)}

    def check_version(self, content: Mapping[str, Any]) -> None:
        if content.get("format", FORMAT) != FORMAT:
            raise self._error(
                None, "format", f"format is {content['format']!r}: this is no job of automatic segmentation."
            )
        version = content.get("version", VERSION)
        if not isinstance(version, int) or version < 1:
            raise self._error(None, "version", f"version is {version!r}, but must be a whole number from 1.")
        if version > VERSION:
            raise self._error(None, "version", f"version {version} is newer than this napari-sam knows; update it.")

    def section(self, name: str, content: Mapping[str, Any]) -> dict[str, Any]:
        """Check one section."""
        if name not in self._sections:
            known = ", ".join(f"[{one}]" for one in self._sections)
            raise self._error(name, None, f"there is no section [{name}]; the sections are {known}.")
        return {parameter: self.value(name, parameter, value) for parameter, value in content.items()}

    def value(self, section: str | None, name: str, value: Any) -> Any:
        """Check one parameter; ``section`` is None at the top of the file."""
        homes = [(home, one) for home, known in self._sections.items() for one in known if one.name == name]
        if not homes:
            raise self._error(section, name, f"there is no parameter called {name!r}.")
        home, one = homes[0]
        if section not in (None, home):
            raise self._error(section, name, f"{name} belongs into the section [{home}], not [{section}].")
        value = None if one.optional and value == "" else value
        try:
            check_value(one, value)
        except ParameterError as error:
            raise self._error(section, name, str(error)) from error
        return value

    def _error(self, section: str | None, name: str | None, problem: str) -> ParameterError:
        line = self._lines.get((section, name))
        where = f"The job file {self._path}" + (f", line {line}" if line else "")
        return ParameterError(f"{where}: {problem}")


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ParameterError(f"The job file {path} does not exist.") from error
    except OSError as error:
        raise ParameterError(f"The job file {path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ParameterError(f"The job file {path} is not a text file in UTF-8.") from error


def _line_numbers(text: str) -> Iterator[tuple[tuple[str | None, str | None], int]]:
    """Yield ((section, parameter), line) of plain entries, ((section, None), line) of headings."""
    section = None
    for number, line in enumerate(text.splitlines(), start=1):
        if heading := re.match(r"\s*\[\s*([\w-]+)\s*\]", line):
            section = heading[1]
            yield (section, None), number
        elif entry := re.match(r"\s*([\w-]+)\s*=", line):
            yield (section, entry[1]), number


def _entry(one: Parameter, value: Any) -> str:
    """Return a parameter's lines: its help text, what is allowed, and its value."""
    comment = textwrap.fill(_described(one), _WIDTH, initial_indent="# ", subsequent_indent="# ")
    return f"{comment}\n{tomli_w.dumps({one.name: '' if value is None else value})}"


def _described(one: Parameter) -> str:
    if one.choices:
        return f"{one.help} One of: {', '.join(one.choices)}."
    ends = [f"{words} {end:g}" for words, end in (("at least", one.low), ("at most", one.high)) if end is not None]
    return f"{one.help} ({', '.join(ends)})" if ends else one.help
