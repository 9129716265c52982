"""Our automatic mask generator against the official one: same weights, same image, same process, runs interleaved.

``python -m benchmarks.automatic`` (or ``make bench-auto``). The networks have random weights and compute everything,
but their answers are replaced by those of a scene (benchmarks/automatic/scene.py); the time of doing that is subtracted
on both sides. ``--rand`` leaves the answers as they are: speckles, the worst case for what follows the network.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.automatic.growth import Sides, by_grid, by_masks, by_size, make_scene
from benchmarks.automatic.sides import Run, Side, official_side, our_side, picture
from benchmarks.automatic.tables import growth_table, heading, memory_table, stages_table
from benchmarks.machine import peak_mb, write
from benchmarks.official import NotInstalledError, import_official
from benchmarks.pairs import TINY, Pair, in_bf16, official_vit, our_vit, tiny_vit_pair, vit_pair
from napari_sam.automatic.config import AutomaticConfig
from napari_sam.geometry.frame import ResizeFrame
from napari_sam.predict.upscale import Upscaler

MODELS = ("ViT-B", "MobileSAM")
PARTS = ("stages", "growth", "memory")
MEMORY = ("official", "exact", "fast")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    if options.peak:
        _once(options.peak, options)
        print(peak_mb())
        return 0
    try:
        import_official()
    except NotInstalledError as error:
        print(error, file=sys.stderr)
        return 2
    _say(heading(options.repeats, options.points, options.tiny))
    report: dict[str, object] = {}
    for name in options.models:
        pair = vit_pair(options.tiny) if name == "ViT-B" else tiny_vit_pair()
        sides = _sides(pair, name)
        if "stages" in options.parts:
            runs = _interleaved(sides, pair.ours.config.img_size, options, _config(pair, options))
            _say(stages_table(name, runs, options.points))
            report[name] = {side: [asdict(run) for run in found] for side, found in runs.items()}
        if "growth" in options.parts and name == options.models[-1]:
            _growth(pair, sides, options)
        del pair, sides
        gc.collect()
    if "memory" in options.parts:
        memory = {side: _peak(side, options) for side in MEMORY}
        _say(memory_table(memory))
        report["peak_mb"] = memory
    if options.json:
        write(options.json, json.dumps(report, indent=2) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.automatic", description=__doc__)
    parser.add_argument("--points", type=int, default=16, help="points per side that both are asked (default 16)")
    parser.add_argument("--repeats", type=int, default=2, help="measured runs of each side (default 2)")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="tables to make")
    parser.add_argument("--rand", action="store_true", help="the answers of random weights instead of a scene")
    parser.add_argument("--densest", type=int, default=32, help="densest grid of the growth table (default 32, or 64)")
    parser.add_argument("--largest", type=int, default=4096, help="largest image of the growth table (default 4096)")
    parser.add_argument("--tiny", action="store_true", help="a small network: checks that everything runs")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="write everything that was measured")
    parser.add_argument("--peak", choices=MEMORY, help=argparse.SUPPRESS)
    return parser


def _sides(pair: Pair, name: str) -> dict[str, Side]:
    sides = {"official": official_side(pair.official), "exact": our_side(pair.ours)}
    # What load_model chooses for ViT-B where the processor computes with bf16.
    sides["fast"] = our_side(in_bf16(copy.deepcopy(pair.ours))) if name == "ViT-B" else sides["exact"]
    return sides


def _interleaved(
    sides: dict[str, Side], size: int, options: argparse.Namespace, config: AutomaticConfig
) -> dict[str, list[Run]]:
    """Run each side in turn, and ours with the official default grid too."""
    image, scene = picture((size, size)), None if options.rand else make_scene(size, (size, size))
    runs: dict[str, list[Run]] = {side: [] for side in sides}
    default = replace(config, points_per_side=32)
    sides["exact"](image, scene, replace(config, points_per_side=2))  # the first run of anything is slower
    for _ in range(options.repeats):
        for side, run in sides.items():
            runs[side].append(run(image, scene, replace(config, mode="fast" if side == "fast" else "exact")))
        if options.points != default.points_per_side:
            for side in ("exact", "fast"):
                runs.setdefault(f"{side}, 32 x 32", []).append(sides[side](image, scene, replace(default, mode=side)))
    return runs


def _config(pair: Pair, options: argparse.Namespace) -> AutomaticConfig:
    """Return the official default thresholds; for speckles those that keep about 30 % of the masks."""
    if not options.rand:
        return AutomaticConfig(points_per_side=options.points)
    size = pair.ours.config.img_size
    upscaler = Upscaler(ResizeFrame((size, size), size), size // 4)
    with torch.inference_mode():
        context = pair.ours.image_context(pair.ours.encode(pair.pixels))
        points = torch.rand(16, 1, 2, generator=torch.Generator().manual_seed(1)) * size
        low_res, ious = pair.ours.decode(context, points, torch.ones(16, 1, dtype=torch.int32))
        offset = float(low_res.std()) * 0.02
        stability = np.median([_stability(mask, upscaler, offset) for mask in low_res.flatten(0, 1)])
    return AutomaticConfig(
        points_per_side=options.points,
        pred_iou_thresh=max(float(ious.quantile(0.4)), 1e-6),
        stability_score_thresh=float(stability),
        stability_score_offset=offset,
        skip_iou_thresh=float(ious.quantile(0.4)),
        skip_stability_thresh=float(stability),
    )


def _stability(mask: Tensor, upscaler: Upscaler, offset: float) -> float:
    values = [tile.values for tile in upscaler.above(mask, -offset)]
    raised, lowered = (sum(int((tile > cut).sum()) for tile in values) for cut in (offset, -offset))
    return raised / max(lowered, 1)


def _growth(pair: Pair, sides: dict[str, Side], options: argparse.Namespace) -> None:
    grown = Sides(sides["official"], sides["exact"], pair.ours.config.img_size)
    _say(growth_table("image size, 16 x 16 points", by_size(grown, options.largest)))
    _say(growth_table("grid, 1024 x 1024 pixels", by_grid(grown, options.densest)))
    _say(growth_table("objects in the scene, 16 x 16 points, 1024 x 1024 pixels", by_masks(grown)))


def _once(side: str, options: argparse.Namespace) -> None:
    """Segment one image with 64 points, as one side does it, with no other model in memory."""
    if side == "official":
        run = official_side(official_vit(options.tiny))
    else:
        model = our_vit(options.tiny)
        run = our_side(in_bf16(model) if side == "fast" else model)
    size = TINY.img_size if options.tiny else 1024
    config = AutomaticConfig(points_per_side=8, mode="fast" if side == "fast" else "exact")
    run(picture((size, size)), make_scene(size, (size, size)), config)


def _peak(side: str, options: argparse.Namespace) -> int:
    """Peak resident MB of a process that does nothing else."""
    command = [sys.executable, "-m", "benchmarks.automatic", "--peak", side, "--threads", str(options.threads)]
    folder = Path(__file__).parent.parent.parent
    done = subprocess.run(command + ["--tiny"] * options.tiny, capture_output=True, text=True, check=True, cwd=folder)
    return int(done.stdout.split()[-1])


def _say(text: str) -> None:
    print(text, flush=True)
