"""Options made from parameter dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer
from typer.testing import CliRunner, Result

from napari_sam.cli.options import parameter_options
from napari_sam.parameters import parameter


@dataclass(frozen=True)
class Part:
    keep_all: bool = parameter(True, "Keep everything.")
    weights: str | None = parameter(None, "A file.")


@dataclass(frozen=True)
class Whole:
    side_length: int = parameter(32, "Side.", low=1, high=512)
    share: float = parameter(0.5, "Share.", low=0)
    kind: Literal["one", "two"] = parameter("one", "Which kind.", choices=("one", "two"))
    part: Part = field(default_factory=Part)


class Command:
    """A command with one argument of its own; remembers what it was given."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.values: dict[str, Any] = {}
        self.app = typer.Typer(rich_markup_mode=None)

        @self.app.command()
        @parameter_options(Whole, short={"side_length": "-s"})
        def run(path: Annotated[Path, typer.Argument()], values: dict[str, Any], extra: bool = False) -> None:
            """Do it."""
            self.path, self.values = path, values

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(self.app, arguments, env={"COLUMNS": "300", "TERMINAL_WIDTH": "300"})


@pytest.fixture
def command() -> Command:
    return Command()


def test_only_what_was_typed_is_handed_on(command: Command) -> None:
    assert command("x.tif").exit_code == 0
    assert (command.path, command.values) == (Path("x.tif"), {})
    assert command("x.tif", "--side-length", "32").exit_code == 0
    assert command.values == {"side_length": 32}  # as the default, but typed


def test_every_field_is_an_option_also_those_of_sections(command: Command) -> None:
    typed = ["-s", "7", "--share", "0.25", "--kind", "two", "--no-keep-all", "--weights", "w.pt"]
    assert command("x.tif", *typed).exit_code == 0
    assert command.values == {
        "side_length": 7,
        "share": 0.25,
        "kind": "two",
        "keep_all": False,
        "weights": "w.pt",
    }
    assert command("x.tif", "--keep-all", "--weights", "").exit_code == 0
    assert command.values == {"keep_all": True, "weights": None}


def test_what_is_not_a_number_is_refused(command: Command) -> None:
    result = command("x.tif", "--side-length", "many")
    assert result.exit_code == 2
    assert "--side-length" in result.output


def test_help_tells_defaults_ranges_and_choices(command: Command) -> None:
    text = command("--help").output
    for words in (
        "Side. [default: 32; 1 to 512]",
        "Share. [default: 0.5; at least 0]",
        "one|two",
        "--keep-all",
        "--no-keep-all",
        "Keep everything. [default: yes]",
        "A file. [optional]",
    ):
        assert words in text
