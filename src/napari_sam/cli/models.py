"""``napari-sam models``: what models there are, where their files lie, and how to get and check them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from napari_sam.cli.common import JsonOption, check_outputs, write_json
from napari_sam.cli.progress import ProgressLine, interruptible
from napari_sam.errors import Cancelled, NapariSamError

JSON_VERSION = 1

app = typer.Typer(help="List, download, find and verify models.", no_args_is_help=True)


@app.command("list")
def list_models(json_file: JsonOption = None) -> None:
    """List every model: name, size, licence, where it is, what it was trained for."""
    from napari_sam.zoo.cards import CARDS
    from napari_sam.zoo.store import find_model

    check_outputs([json_file], [])
    paths = {name: find_model(name) for name in CARDS}
    rows: list[tuple[str, ...]] = [("NAME", "SIZE", "LICENCE", "WHERE", "TRAINED FOR")]
    for name, card in CARDS.items():
        path = paths[name]
        size = f"{path.stat().st_size / 1e6:,.0f} MB" if path is not None else card.size_text
        rows.append((name, size, card.licence, _where(card.url, path), card.domain))
    for line in _table(rows):
        typer.echo(line)
    if json_file is not None:
        write_json(json_file, _listing(CARDS.values(), paths))


@app.command()
def download(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Models to download.")],
) -> None:
    """Download models into the cache, and check them.

    An interrupted download goes on from where it was. Models that are there already are only checked.
    """
    from napari_sam.zoo.cards import get_card
    from napari_sam.zoo.download import download as fetch

    cards = [get_card(name) for name in names]

    def fetch_one(name: str, cancelled: Callable[[], bool]) -> str:
        card = get_card(name)
        return str(_with_progress(f"Downloading {card.name}", lambda progress: fetch(card, progress, cancelled)))

    _for_each([card.name for card in cards], fetch_one)


@app.command()
def path(
    name: Annotated[str | None, typer.Argument(help="Model; without one, the folder that downloads go to.")] = None,
) -> None:
    """Print where a model's file lies, or the folder that downloads go to."""
    from napari_sam.zoo.store import models_dir, require_model

    typer.echo(models_dir() if name is None else require_model(name))


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Models; without one, all that are on this machine.")
    ] = None,
) -> None:
    """Check model files against the published checksums; files without one are read and checked for damage."""
    from napari_sam.zoo.cards import CARDS, get_card
    from napari_sam.zoo.store import find_model
    from napari_sam.zoo.verify import verify_model

    if names:
        chosen = [get_card(name).name for name in names]
    else:
        chosen = [name for name in CARDS if find_model(name) is not None]

    def verify_one(name: str, cancelled: Callable[[], bool]) -> str:
        found = _with_progress(f"Checking {name}", lambda progress: verify_model(name, progress, cancelled))
        return f"{found.path} ({found.method}: good)"

    _for_each(chosen, verify_one)


def _for_each(names: list[str], work: Callable[[str, Callable[[], bool]], str]) -> None:
    """Do all, name each failure, and exit with 1 if there was one; Ctrl-C ends it."""
    failed = False
    with interruptible() as cancelled:
        for name in names:
            try:
                typer.echo(f"{name}: {work(name, cancelled)}")
            except Cancelled:
                raise
            except NapariSamError as error:
                typer.echo(f"{name}: {error}", err=True)
                failed = True
    if failed:
        raise typer.Exit(1)


def _with_progress(label: str, work: Callable[[Callable[[int, int], None]], Any]) -> Any:
    line = ProgressLine(label, scale=1e6, unit="MB")
    try:
        return work(line)
    finally:
        line.close()


def _where(url: str | None, path: Path | None) -> str:
    if path is None:
        return "not downloaded"
    return "in the package" if url is None else "on this machine"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _listing(cards: Any, paths: dict[str, Path | None]) -> dict[str, Any]:
    models = [{**asdict(card), "path": None if paths[card.name] is None else str(paths[card.name])} for card in cards]
    return {"format": "napari-sam/models", "version": JSON_VERSION, "models": models}
