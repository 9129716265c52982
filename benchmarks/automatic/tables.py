"""What was measured, as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import torch

from benchmarks.automatic.growth import Row
from benchmarks.automatic.sides import STAGES, Run
from benchmarks.machine import processor, seconds


def heading(repeats: int, points: int, tiny: bool) -> str:
    """Say how it was measured."""
    warning = " TINY NETWORKS: the figures mean nothing." if tiny else ""
    return (
        f"torch {torch.__version__}, {torch.get_num_threads()} threads, {processor()}; medians of {repeats} interleaved"
        f" runs; {points} x {points} points where nothing else is said.{warning}\n"
    )


def stages_table(model: str, runs: dict[str, list[Run]], points: int) -> str:
    """Table of one model: seconds of each stage on each side, totals, and the ratios to the official generator."""
    lines = [f"{model}: seconds", "", _cells("stage", *runs), _cells(*["---"] * (len(runs) + 1))]
    for stage in STAGES:
        lines.append(
            _cells(stage, *(f"{_median(found, lambda run, s=stage: run.wall[s]):.2f}" for found in runs.values()))
        )
    lines.append(_cells("**total**", *(f"**{_total(found):.2f}**" for found in runs.values())))
    lines.append(_cells("CPU", *(f"{_median(found, lambda run: run.total_cpu):.2f}" for found in runs.values())))
    lines.append(_cells("points asked", *(f"{found[0].asked}" for found in runs.values())))
    lines.append(_cells("masks", *(f"{found[0].masks}" for found in runs.values())))
    return "\n".join([*lines, "", *_ratios(runs, points)]) + "\n"


def growth_table(what: str, rows: list[Row]) -> str:
    """Table of how the cost grows with one amount; the image encoder is left out."""
    lines = [
        f"Without the image encoder, by {what}",
        "",
        _cells(
            what.partition(",")[0], "exact", "fast", "points asked", "masks", "after the network", "official, per point"
        ),
        _cells(*["---"] * 7),
    ]
    for row in rows:
        official = (
            ""
            if row.official is None
            else f"{_work(row.official) / _work(row.exact) * row.exact.asked / row.official.asked:.1f} x"
        )
        after = sum(row.exact.wall[stage] for stage in STAGES[2:])
        lines.append(
            _cells(
                row.amount,
                seconds(_work(row.exact)),
                seconds(_work(row.fast)),
                f"{row.exact.asked} / {row.fast.asked}",
                f"{row.exact.masks} / {row.fast.masks}",
                seconds(after),
                official,
            )
        )
    return "\n".join(lines) + "\n"


def memory_table(peak_mb: dict[str, int]) -> str:
    """Table of the peak memory of processes that segment one image and hold one model."""
    lines = [_cells("peak memory, ViT-B, 1024 x 1024", "MB", "official / ours"), _cells("---", "---", "---")]
    lines += [_cells(side, f"{mb}", f"{peak_mb['official'] / mb:.1f}") for side, mb in peak_mb.items()]
    return "\n".join(lines) + "\n"


def _ratios(runs: dict[str, list[Run]], points: int) -> list[str]:
    """Official over ours; where ours ran with 32 x 32 points, the official time after the encoder is multiplied."""
    lines = [_cells("ratio to the official generator", "wall", "CPU"), _cells("---", "---", "---")]
    official = runs["official"]
    for side, found in runs.items():
        factor = (32 / points) ** 2 if side.endswith("32 x 32") else 1.0
        wall, cpu = (_estimated(official, of, factor) / _median(found, total) for of, total in (_WALL, _CPU))
        note = f" (official: {factor:g} x its time after the encoder)" if factor != 1 else ""
        if side != "official":
            lines.append(_cells(side + note, f"{wall:.1f}", f"{cpu:.1f}"))
    return lines


_WALL: tuple[Callable[[Run], dict[str, float]], Callable[[Run], float]] = (lambda run: run.wall, lambda run: run.total)
_CPU: tuple[Callable[[Run], dict[str, float]], Callable[[Run], float]] = (
    lambda run: run.cpu,
    lambda run: run.total_cpu,
)


def _estimated(runs: list[Run], of: Callable[[Run], dict[str, float]], factor: float) -> float:
    return _median(runs, lambda run: of(run)[STAGES[0]] + factor * sum(of(run)[stage] for stage in STAGES[1:]))


def _work(run: Run) -> float:
    """Seconds without the image encoder."""
    return run.total - run.wall[STAGES[0]]


def _total(runs: list[Run]) -> float:
    return _median(runs, lambda run: run.total)


def _median(runs: list[Run], value: Callable[[Run], float]) -> float:
    return statistics.median(value(run) for run in runs)


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
