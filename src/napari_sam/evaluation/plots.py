"""Curves of an evaluation as a picture (extra ``plots``: matplotlib)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam.errors import OutputError
from napari_sam.io.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Summary = Mapping[str, Mapping[str, Any]]

FORMATS = ("png", "pdf", "svg")
_HEIGHT = 4.4  # inches
_WIDTH = 5.6


def draw(path: Path, instances: Summary | None, clicks: Summary | None, targets: Mapping[str, str]) -> Path:
    """Draw accuracy (AP) over the IoU threshold, and mean IoU over the number of clicks, a line for each source.

    Parameters
    ----------
    path : Path
        PNG, PDF or SVG, by its suffix.
    instances : mapping, optional
        ``summarise_instances(...)``.
    clicks : mapping, optional
        ``summarise(...)`` of :mod:`napari_sam.evaluation.clicks`.
    targets : mapping of str to str
        Title of each of the two panels, "instances" and "clicks".

    Returns
    -------
    Path

    Raises
    ------
    OutputError
        If matplotlib is not installed, or the suffix is another.
    FileFormatError
        If the file cannot be written.
    """
    try:
        from matplotlib.figure import Figure  # without pyplot: no window, no state
    except ImportError as error:
        raise OutputError(
            "No plot was drawn: matplotlib is not installed. Install it with: pip install 'napari-sam-studio[plots]'"
        ) from error
    if path.suffix[1:].lower() not in FORMATS:
        raise OutputError(f"No plot was drawn: {path} must end in .{', .'.join(FORMATS)}.")
    panels = [(kind, summary) for kind, summary in (("instances", instances), ("clicks", clicks)) if summary]
    figure = Figure(figsize=(_WIDTH * max(len(panels), 1), _HEIGHT), layout="constrained")
    for number, (kind, summary) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), number)
        (_draw_instances if kind == "instances" else _draw_clicks)(axes, summary)
        axes.set(ylim=(0, 1), title=targets.get(kind, ""))
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    with whole_file(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=150)
    return path


def _draw_instances(axes: Axes, summary: Summary) -> None:
    curves = {
        source: ([one["threshold"] for one in figures["pooled"]], [one["accuracy"] for one in figures["pooled"]])
        for source, figures in summary.items()
    }
    _draw_curves(axes, curves)
    axes.set(xlabel="IoU threshold", ylabel="accuracy (AP) = TP / (TP + FP + FN)")


def _draw_clicks(axes: Axes, summary: Summary) -> None:
    curves = {}
    for source, figures in summary.items():
        numbers = sorted(int(key.removeprefix("clicks_")) for key in figures if key.startswith("clicks_"))
        curves[source] = (numbers, [figures[f"clicks_{number}"] for number in numbers])
    _draw_curves(axes, curves)
    most = max(numbers[-1] for numbers, _ in curves.values())
    axes.set(xlabel="clicks", ylabel="mean IoU", xticks=range(1, most + 1, 1 + most // 12))


def _draw_curves(axes: Axes, curves: Mapping[str, tuple[list[Any], list[float]]]) -> None:
    for source, (x, y) in curves.items():
        axes.plot(x, y, marker="o", markersize=4, label=source)
    if len(curves) > 1:
        x = next(iter(curves.values()))[0]
        columns = zip(*(y for _, y in curves.values()), strict=True)
        known = [[value for value in column if value == value] for column in columns]  # not NaN
        means = [sum(values) / len(values) if values else float("nan") for values in known]
        axes.plot(x, means, color="black", linewidth=2.5, label="mean of the sources")
