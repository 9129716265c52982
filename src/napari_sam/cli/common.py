"""What several subcommands share: the model options, JSON files, and where output may go."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from napari_sam.predict.loaded import LoadedModel

ModelOption = Annotated[
    str | None, typer.Option("--model", "-m", help="Model name, see `napari-sam models list`.", show_default="sam_lite")
]
CheckpointOption = Annotated[
    Path | None,
    typer.Option("--checkpoint", exists=True, dir_okay=False, help="Weights file; its architecture is recognised."),
]
DeviceOption = Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
PrecisionOption = Annotated[str, typer.Option("--precision", help="auto, fp32, bf16 or fp16.")]
JsonOption = Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Also write the result as JSON.")]


def tell(message: str) -> None:
    """Tell the user something on stderr, so that stdout holds results only."""
    typer.echo(f"note: {message}", err=True)


def describe_model(model: LoadedModel) -> dict[str, Any]:
    """Describe a loaded model for a JSON file: name, hash of its weights, device, precision."""
    return {
        "name": model.name,
        "hash": model.hash,
        "device": str(model.device),
        "precision": model.precision,
    }


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None]) -> None:
    """Refuse to overwrite an input, or to write two outputs to one file; create missing folders.

    Raises
    ------
    typer.BadParameter
        If two of the paths are the same file, or an output is a folder.
    """
    taken = {path.resolve() for path in inputs if path is not None}
    for path in outputs:
        if path is None:
            continue
        if path.is_dir():
            raise typer.BadParameter(f"{path} is a folder; name a file in it.")
        if path.resolve() in taken:
            raise typer.BadParameter(f"{path} is already used by this command; choose another name for the output.")
        taken.add(path.resolve())
        path.parent.mkdir(parents=True, exist_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write JSON under a temporary name, then rename it: a killed run leaves the old file or the new one."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        file.write(text)
    try:
        os.chmod(file.name, 0o666 & ~_umask())
        os.replace(file.name, path)
    except OSError:
        with suppress(OSError):
            os.unlink(file.name)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
