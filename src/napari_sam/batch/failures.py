"""Errors of writing: they end a run, whatever was being written, as the next file would fail as well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_sam.errors import FileFormatError, NapariSamError, OutputError
from napari_sam.io.whole_file import write_failure

# What a damaged file, a strange image or too little memory can raise in a reader, numpy or torch. Whatever one input
# does, the others go on and it is named; interrupts and the end of the process are no such errors.
FAILURES = (
    NapariSamError,
    OSError,
    MemoryError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what goes wrong when results are written into an OutputError.

    Parameters
    ----------
    path : Path
        What is being written, for the message.

    Raises
    ------
    OutputError
        If the disk is full, read-only, or gone.
    """
    try:
        yield
    except FileFormatError as error:  # a writer's own words for an OSError; others are about the content
        if isinstance(error.__cause__, OSError):
            raise OutputError(str(error)) from error.__cause__
        raise
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {write_failure(error)}") from error


def explain(error: BaseException) -> str:
    """Return the message of an error, with its kind where it is not one of ours."""
    return str(error) if isinstance(error, NapariSamError) else f"{type(error).__name__}: {error}"
