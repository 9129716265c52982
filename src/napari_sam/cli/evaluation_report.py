"""What ``napari-sam evaluate`` found: as tables on the terminal, and as JSON, CSV and a plot."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_sam import __version__
from napari_sam.cli.common import write_json
from napari_sam.errors import NapariSamError
from napari_sam.io.whole_file import whole_file

if TYPE_CHECKING:
    from napari_sam.evaluation.clicks import ClicksConfig, ObjectScore
    from napari_sam.evaluation.instances import ImageScores

JSON_VERSION = 1


@dataclass
class Findings:
    """All scores of a run, filled step by step.

    Attributes
    ----------
    data, split : str
        Folder, and its part.
    images : int
        Pairs of that part.
    model : dict, optional
    predictions : str, optional
        Folder of labels that were compared instead of a model's.
    parameters : dict, optional
        Of automatic segmentation.
    thresholds : sequence of float
    instances : list of ImageScores, optional
    clicks_config : ClicksConfig, optional
    clicks : list of ObjectScore, optional
    failures : list of dict
        Source, name, step and error of every pair that was left out.
    """

    data: str
    split: str
    images: int
    model: dict[str, Any] | None = None
    predictions: str | None = None
    parameters: dict[str, Any] | None = None
    thresholds: Sequence[float] = ()
    instances: list[ImageScores] | None = None
    clicks_config: ClicksConfig | None = None
    clicks: list[ObjectScore] | None = None
    failures: list[dict[str, str]] = field(default_factory=list)


def write_outputs(findings: Findings, json: Path | None, csv: Path | None, plot: Path | None) -> bool:
    """Write what was asked for, the plot last; tells on stderr what could not be, and returns whether there was such.

    Raises
    ------
    FileFormatError, OSError
        If JSON or CSV cannot be written.
    """
    if json is not None:
        write_json(json, _without_nan(_report(findings)))
        typer.echo(f"wrote {json}")
    for path, rows in _tables(findings, csv):
        _write_csv(path, rows)
        typer.echo(f"wrote {path}")
    if plot is None:
        return False
    try:
        typer.echo(f"wrote {_draw(findings, plot)}")
    except NapariSamError as error:
        typer.echo(f"napari-sam: {error}", err=True)
        return True
    return False


def print_tables(findings: Findings) -> None:
    """Print a table of the sources for each kind of measure."""
    from napari_sam.evaluation import clicks, instances

    if findings.instances is not None:
        summary = instances.summarise_instances(findings.instances)
        mean = instances.mean_over_sources(summary)
        rows = {source: _instance_row(figures) for source, figures in summary.items()}
        if len(rows) > 1:
            rows["mean of the sources"] = _instance_row(mean)
        _print_table(rows)
    if findings.clicks is not None:
        by_source = clicks.summarise(findings.clicks)
        if len(by_source) > 1:
            by_source["mean of the sources"] = clicks.mean_over_sources(by_source)
        _print_table({source: _click_row(figures) for source, figures in by_source.items()})


def _instance_row(figures: Mapping[str, Any]) -> dict[str, str]:
    first = figures["pooled"][0]
    at = f"@{first['threshold']:g}"
    return {
        "images": str(figures.get("images", "")),
        "objects": str(figures.get("objects", "")),
        **{name + at: _short(first[name]) for name in ("precision", "recall", "f1", "accuracy")},
        "PQ" + at: _short(first["panoptic_quality"]),
        "mSA": _short(figures["msa"]),
        "splits": str(figures.get("splits", "")),
        "merges": str(figures.get("merges", "")),
    }


def _click_row(figures: Mapping[str, float]) -> dict[str, str]:
    clicks = [key for key in figures if key.startswith("clicks_")]
    shown = clicks if len(clicks) <= 5 else [*clicks[:3], clicks[-1]]
    means = {key.replace("clicks_", "IoU@"): _short(figures[key]) for key in shown}
    noc = {f"NoC@{key[4:]}": f"{value:.2f}" for key, value in figures.items() if key.startswith("noc_")}
    return {"objects": f"{figures['objects']:.0f}", **means, "box": _short(figures["box"]), **noc}


def _short(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _print_table(rows: Mapping[str, Mapping[str, str]]) -> None:
    if not rows:
        typer.echo("nothing could be measured")
        return
    columns = list(next(iter(rows.values())))
    widths = [max(len(column), *(len(row.get(column, "")) for row in rows.values())) for column in columns]
    first = max(len(name) for name in (*rows, "source"))
    typer.echo(
        "source".ljust(first) + "".join(f"  {name:>{width}}" for name, width in zip(columns, widths, strict=True))
    )
    for source, row in rows.items():
        cells = (f"  {row.get(name, ''):>{width}}" for name, width in zip(columns, widths, strict=True))
        typer.echo(source.ljust(first) + "".join(cells))


def _report(findings: Findings) -> dict[str, Any]:
    """Build the JSON file; its fields are documented in docs/evaluation.md and only ever added to."""
    return {
        "format": "napari-sam/evaluate",
        "version": JSON_VERSION,
        "napari_sam": __version__,
        "data": {"folder": findings.data, "split": findings.split, "images": findings.images},
        "model": findings.model,
        "predictions": findings.predictions,
        "parameters": findings.parameters,
        "instances": _instances_report(findings),
        "clicks": _clicks_report(findings),
        "failures": findings.failures,
    }


def _instances_report(findings: Findings) -> dict[str, Any] | None:
    from napari_sam.evaluation.instances import image_entry, mean_over_sources, summarise_instances

    if findings.instances is None:
        return None
    summary = summarise_instances(findings.instances)
    return {
        "thresholds": list(findings.thresholds),
        "sources": summary,
        "mean": mean_over_sources(summary),
        "images": [image_entry(image) for image in findings.instances],
    }


def _clicks_report(findings: Findings) -> dict[str, Any] | None:
    from napari_sam.evaluation.clicks import mean_over_sources, summarise

    if findings.clicks is None or findings.clicks_config is None:
        return None
    summary = summarise(findings.clicks)
    return {
        "parameters": dataclasses.asdict(findings.clicks_config),
        "sources": summary,
        "mean": mean_over_sources(summary),
        "objects": [dataclasses.asdict(score) for score in findings.clicks],
    }


def _tables(findings: Findings, path: Path | None) -> Iterable[tuple[Path, list[dict[str, Any]]]]:
    """Name the CSV files and their rows; with both kinds of scores, those of clicks go to ``NAME_clicks.csv``."""
    from napari_sam.evaluation.instances import image_rows

    if path is None:
        return
    if findings.instances is not None:
        yield path, image_rows(findings.instances)
    if findings.clicks is not None:
        both = findings.instances is not None
        yield path.with_stem(f"{path.stem}_clicks") if both else path, [_click_columns(one) for one in findings.clicks]


def _click_columns(score: ObjectScore) -> dict[str, Any]:
    ious = {f"clicks_{number}": value for number, value in enumerate(score.clicks, start=1)}
    return {"source": score.source, "name": score.name, "object_id": score.object_id, **ious, "box": score.box}


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["source", "name"])
        writer.writeheader()
        writer.writerows({name: "" if _is_nan(value) else value for name, value in row.items()} for row in rows)


def _draw(findings: Findings, path: Path) -> Path:
    from napari_sam.evaluation.clicks import summarise
    from napari_sam.evaluation.instances import summarise_instances
    from napari_sam.evaluation.plots import draw

    return draw(
        path,
        None if findings.instances is None else summarise_instances(findings.instances),
        None if findings.clicks is None else summarise(findings.clicks),
        {"instances": findings.predictions or "segment everything", "clicks": "simulated clicks"},
    )


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _without_nan(value: Any) -> Any:
    """Replace what cannot be said (NaN) by null, which JSON has."""
    if isinstance(value, Mapping):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if _is_nan(value) else value
