"""How the throughput of a batch grows with workers: ``python -m benchmarks.throughput``.

Planes of one stack are segmented by ``napari-sam auto``'s own executors: in this process, and by 1, 2 and 4 worker
processes, each with one torch thread and with as many as the machine has cores. What is compared is the time per plane
once every worker has its model loaded; how long that takes is told beside it. All kinds take turns, so that what else
the machine does hits them alike; a ratio is taken within each round.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import tifffile
import torch

from benchmarks.machine import processor
from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.models import predictor_for
from napari_sam.batch.tasks import Executor, InProcess, PlaneTask
from napari_sam.batch.workers import Workers
from napari_sam.io.images import read_image
from napari_sam.io.samples import sample_path

Kind = tuple[int, int]  # workers (0: this process), threads of each


def main() -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planes", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--points-per-side", type=int, default=8)
    parser.add_argument("--threads", type=int, nargs="+", help="of each process; left out: 1 and all cores")
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    kinds = [(workers, threads) for threads in options.threads or sorted({1, cores}) for workers in (0, 1, 2, 4)]
    job = AutomaticJob().with_values({"points_per_side": options.points_per_side})
    measured: dict[Kind, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    with tempfile.TemporaryDirectory() as folder:
        stack = _write_stack(Path(folder) / "stack.tif", options.planes)
        for number, kind in itertools.product(range(options.rounds), kinds):
            tasks = [
                PlaneTask(0, stack, (z,), job, Path(folder) / f"{number}-{kind[0]}-{kind[1]}-{z}.npz")
                for z in range(options.planes)
            ]
            measured[kind].append(_measure(kind, job, tasks))
            print(f"round {number + 1}, {kind[0]} workers x {kind[1]} threads: {measured[kind][-1]}", file=sys.stderr)
    print(
        f"{processor()}, {cores} cores; {options.planes} planes of coins, {options.points_per_side} points per side\n"
    )
    print(_table(measured, baseline=max(kind for kind in kinds if not kind[0])))
    return 0


def _write_stack(path: Path, planes: int) -> Path:
    image = read_image(sample_path())
    tifffile.imwrite(path, [image] * planes, metadata={"axes": "ZYX"}, compression="zlib", photometric="minisblack")
    return path


def _measure(kind: Kind, job: AutomaticJob, tasks: list[PlaneTask]) -> tuple[float, float]:
    """Return seconds per plane in full swing, and seconds until the first plane is done."""
    workers, threads = kind
    torch.set_num_threads(threads)
    begun = time.perf_counter()
    executor: Executor = Workers(workers) if workers else InProcess(predictor_for(job.model))
    ended = [(time.perf_counter(), outcome) for outcome in executor.run(iter(tasks))]
    if failed := [outcome.error for _, outcome in ended if outcome.error]:
        raise RuntimeError(failed[0])
    times = [at for at, _ in ended]
    warm = max(1, workers)  # each worker has done about one plane
    swing = times[-1] - times[warm - 1]
    return swing / (len(times) - warm), times[0] - begun


def _table(measured: dict[Kind, list[tuple[float, float]]], baseline: Kind) -> str:
    lines = ["| | seconds per plane | planes per second, relative | seconds to the first plane |", "|---|---|---|---|"]
    for (workers, threads), rounds in measured.items():
        relative = [base[0] / one[0] for base, one in zip(measured[baseline], rounds, strict=True)]
        who = f"{workers} worker{'s' * (workers > 1)}" if workers else "no worker: one process"
        lines.append(
            f"| {who}, {threads} thread{'s' * (threads > 1)} each | {statistics.median(one[0] for one in rounds):.2f} "
            f"| {statistics.median(relative):.2f} ({min(relative):.2f} to {max(relative):.2f}) "
            f"| {statistics.median(one[1] for one in rounds):.1f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
