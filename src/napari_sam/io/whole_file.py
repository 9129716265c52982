"""Write a file or a folder whole or not at all: under a temporary name beside it, then renamed."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from uuid import uuid4

from napari_sam.errors import FileFormatError


@contextmanager
def whole_file(path: str | PathLike[str]) -> Iterator[Path]:
    """Give a temporary name to write to; at the end of the block the file gets its own name.

    A reader sees the old file or the new one, never half of one. If anything goes wrong the old one stays, and the
    temporary one is removed.

    Parameters
    ----------
    path : path
        Overwritten if it exists. Missing folders are made.

    Yields
    ------
    Path
        In the same folder.

    Raises
    ------
    FileFormatError
        If the file cannot be written: says why, and what to do. The OSError is its cause.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be written: {write_failure(error)}") from error
    finally:
        _remove(temporary)


@contextmanager
def whole_folder(path: str | PathLike[str]) -> Iterator[Path]:
    """Give a temporary folder to write to; at the end of the block it takes the place of the one of that name.

    Parameters
    ----------
    path : path
        A folder of that name is removed in the end: the caller makes sure that it may be. Missing parents are made.

    Yields
    ------
    Path
        A new, empty folder beside it.

    Raises
    ------
    FileFormatError
        If the folder cannot be written: says why, and what to do. The OSError is its cause.
    """
    path = Path(path)
    temporary, former = (path.with_name(f".{path.name}.{uuid4().hex}.{end}") for end in ("tmp", "old"))
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if path.exists():  # no system renames a folder over one that is not empty
            path.rename(former)
        temporary.rename(path)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be written: {write_failure(error)}") from error
    finally:
        if former.exists() and not path.exists():
            former.rename(path)
        for left in (temporary, former):
            shutil.rmtree(left, ignore_errors=True)


def write_failure(error: OSError) -> str:
    """Tell why something could not be written, and what to do about it."""
    reasons = {
        errno.ENOSPC: "the disk is full; free some space or choose another folder.",
        errno.EDQUOT: "your disk quota is used up; free some space or choose another folder.",
        errno.EACCES: "there is no permission to write there; choose another folder.",
        errno.EPERM: "there is no permission to write there; choose another folder.",
        errno.EROFS: "the disk is read-only; choose another folder.",
        errno.ENOTDIR: "its folder is a file; choose another folder.",
        errno.EEXIST: "its folder is a file; choose another folder.",
        errno.EISDIR: "a folder of that name exists; choose another name.",
        errno.ENAMETOOLONG: "the name is too long; choose a shorter one.",
    }
    return reasons.get(error.errno or 0, f"{error.strerror or error}.")


def _remove(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:  # never made, as its folder cannot be entered; the first error is the one to tell
        return
