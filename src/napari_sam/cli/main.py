"""The ``napari-sam`` command: registers the subcommands and turns errors into messages and exit codes.

Exit codes: 0 everything was done; 1 something failed although the arguments were usable (a download, a full disk, too
little memory); 2 the arguments cannot be used (a file, a model or a prompt that makes no sense); 130 interrupted.
"""

from __future__ import annotations

import errno
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from napari_sam import __version__
from napari_sam.cli.auto import auto
from napari_sam.cli.benchmark import benchmark
from napari_sam.cli.demo import demo
from napari_sam.cli.evaluate import evaluate
from napari_sam.cli.models import app as models_app
from napari_sam.cli.predict import predict
from napari_sam.errors import Cancelled, DownloadError, NapariSamError, OutOfMemoryError, OutputError, WorkerError

FAILED = 1
UNUSABLE = 2
INTERRUPTED = 130


def exit_code(error: NapariSamError | OSError) -> int:
    """Tell whether the work failed or the arguments were unusable, as an exit code."""
    if isinstance(error, Cancelled):
        return INTERRUPTED
    if isinstance(error, DownloadError | OutOfMemoryError | OutputError | WorkerError | OSError):
        return FAILED
    cause = error.__cause__
    disk_is_full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    return FAILED if disk_is_full else UNUSABLE


class _Commands(TyperGroup):
    """A command group whose errors are one line on stderr instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen subcommand."""
        try:
            return super().invoke(ctx)
        except (NapariSamError, OSError) as error:
            if isinstance(error, OSError) and error.errno == errno.EPIPE:
                raise  # `napari-sam models list | head`: the command line library ends quietly
            typer.echo(f"napari-sam: {error}", err=True)
            raise typer.Exit(exit_code(error)) from error


# Plain help and messages: no boxes that break lines in a log or a test.
app = typer.Typer(
    name="napari-sam",
    cls=_Commands,
    help="Segment Anything: click a thing, get its mask.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command()(demo)
app.command()(predict)
app.command()(auto)
app.command()(evaluate)
app.add_typer(models_app, name="models")
app.command()(benchmark)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"napari-sam {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Segment Anything: click a thing, get its mask."""
