"""Our networks against the official ones: same weights, same process, runs interleaved.

``python -m benchmarks`` (or ``make bench``). Speed on a shared machine varies twofold within minutes, so only ratios of
runs that alternate mean something; CPU seconds are reported beside wall seconds. Weights are random (no network is
needed): speed does not depend on them, and equality does not either.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.machine import peak_mb, processor, seconds, write
from benchmarks.official import NotInstalledError
from benchmarks.pairs import Pair, tiny_vit_pair, vit_pair
from napari_sam.geometry.frame import ResizeFrame
from napari_sam.model.sam import ImageContext, Sam
from napari_sam.predict.upscale import masks_at_image_size

IMAGE_HW = (1200, 1800)
Run = Callable[[], Any]


@dataclass(frozen=True)
class Row:
    """One comparison: seconds of both sides, and what our side has to reach."""

    task: str
    official: list[tuple[float, float]]  # (wall, CPU) seconds
    ours: list[tuple[float, float]]
    aim: float

    def ratio(self, kind: int) -> float:
        """Official time over ours: wall (0) or CPU (1) seconds, medians."""
        return self.median(self.official, kind) / self.median(self.ours, kind)

    @staticmethod
    def median(runs: list[tuple[float, float]], kind: int) -> float:
        """Median wall (0) or CPU (1) seconds."""
        return statistics.median(run[kind] for run in runs)


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison; returns the exit status."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        pair = vit_pair(options.tiny)
    except NotInstalledError as error:
        print(error, file=sys.stderr)
        return 2
    if options.peak:
        _run_once(pair, options.peak)
        print(peak_mb())
        return 0
    with torch.inference_mode():
        rows = _vit_rows(pair, options.repeats, options.prompts)
        quality = _quality(pair, options.prompts)
        del pair
        gc.collect()
        rows += _tiny_vit_rows(options.tiny, options.repeats)
    memory = {side: _peak_memory(side, options) for side in ("official", "ours", "ours-bf16")}
    text = _markdown(rows, quality, memory, options)
    print(text)
    if options.json:
        write(options.json, json.dumps(_report(rows, quality, memory, options), indent=2) + "\n")
    if options.markdown:
        write(options.markdown, text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="small networks: checks in seconds that everything runs")
    parser.add_argument("--repeats", type=int, default=3, help="measured runs of each side (default 3)")
    parser.add_argument("--prompts", type=int, default=64, help="prompts in the batch (default 64)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, help="write the tables")
    parser.add_argument("--peak", choices=("official", "ours", "ours-bf16"), help=argparse.SUPPRESS)
    return parser


def _vit_rows(pair: Pair, repeats: int, prompts: int) -> list[Row]:
    pixels = pair.pixels
    official, ours = pair.official, pair.ours

    def bf16() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return ours.encode(pixels).embedding

    encoders = _interleaved(
        [lambda: official.image_encoder(pixels), lambda: ours.encode(pixels), bf16],
        repeats,
    )
    features = ours.encode(pixels)
    points, labels = _points(prompts, ours.config.img_size)
    many = _interleaved(
        [
            lambda: _official_decode(official, features.embedding, points, labels),
            lambda: ours.decode(ours.image_context(features), points, labels),
        ],
        repeats,
    )
    context = ours.image_context(features)
    click = _interleaved(
        [
            lambda: _official_click(official, features.embedding, points[:1], labels[:1]),
            lambda: _our_click(ours, context, points[:1], labels[:1]),
        ],
        5 * repeats,
    )
    return [
        Row("ViT-B encode, fp32", encoders[0], encoders[1], 1.5),
        Row("ViT-B encode, bf16 (official fp32)", encoders[0], encoders[2], 2),
        Row(f"{prompts} one-point prompts, 3 masks each", many[0], many[1], 5),
        Row(f"one click, 3 masks of {IMAGE_HW[0]} x {IMAGE_HW[1]}", click[0], click[1], 2),
    ]


def _tiny_vit_rows(tiny: bool, repeats: int) -> list[Row]:
    try:
        pair = tiny_vit_pair()
    except NotInstalledError as error:
        print(f"TinyViT is left out: {error}", file=sys.stderr)
        return []
    del tiny  # MobileSAM's encoder is one size only, and quick enough
    pixels = pair.pixels
    runs = _interleaved([lambda: pair.official.image_encoder(pixels), lambda: pair.ours.encode(pixels)], repeats)
    return [Row("TinyViT encode, fp32", runs[0], runs[1], 1.5)]


def _official_decode(sam: Any, embedding: Tensor, points: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    sparse, dense = sam.prompt_encoder(points=(points, labels), boxes=None, masks=None)
    decoded: tuple[Tensor, Tensor] = sam.mask_decoder(
        image_embeddings=embedding,
        image_pe=sam.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=True,
    )
    return decoded


def _official_click(sam: Any, embedding: Tensor, points: Tensor, labels: Tensor) -> Tensor:
    low_res, _ = _official_decode(sam, embedding, points, labels)
    frame = ResizeFrame(IMAGE_HW, sam.image_encoder.img_size)
    masks: Tensor = sam.postprocess_masks(low_res, frame.input_hw, IMAGE_HW) > sam.mask_threshold
    return masks


def _our_click(sam: Sam, context: ImageContext, points: Tensor, labels: Tensor) -> Any:
    low_res, _ = sam.decode(context, points, labels)
    return masks_at_image_size(low_res[0], ResizeFrame(IMAGE_HW, sam.config.img_size))


def _points(count: int, size: int) -> tuple[Tensor, Tensor]:
    points = torch.rand(count, 1, 2, generator=torch.Generator().manual_seed(1)) * size
    return points, torch.ones(count, 1, dtype=torch.int32)


def _quality(pair: Pair, prompts: int) -> dict[str, float]:
    """How far results are apart: ours from the official ones in fp32, and our bf16 encoder's masks from fp32."""
    pixels = pair.pixels
    points, labels = _points(prompts, pair.ours.config.img_size)
    embedding = pair.official.image_encoder(pixels)
    exact = pair.ours.encode(pixels)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = pair.ours.encode(pixels)
    logits, scores = _official_decode(pair.official, embedding, points, labels)
    ours, our_scores = pair.ours.decode(pair.ours.image_context(exact), points, labels)
    coarse, _ = pair.ours.decode(pair.ours.image_context(rounded), points, labels)
    return {
        "embedding, largest difference": float((embedding - exact.embedding).abs().max()),
        "embedding, standard deviation": float(embedding.std()),
        "logits, largest difference": float((logits - ours).abs().max()),
        "logits, standard deviation": float(logits.std()),
        "scores, largest difference": float((scores - our_scores).abs().max()),
        "masks, mean IoU with the official ones": _mean_iou(logits, ours),
        "bf16 embedding, relative error (rms)": float((rounded.embedding - exact.embedding).std() / embedding.std()),
        "bf16 encoder's masks, mean IoU with fp32": _mean_iou(ours, coarse),
    }


def _mean_iou(a: Tensor, b: Tensor) -> float:
    positive_a, positive_b = (a > 0).flatten(2), (b > 0).flatten(2)
    union = (positive_a | positive_b).sum(-1)
    iou = (positive_a & positive_b).sum(-1) / union.clamp(min=1)
    return float(torch.where(union == 0, 1.0, iou).mean())


def _interleaved(sides: list[Run], repeats: int) -> list[list[tuple[float, float]]]:
    """(wall, CPU) seconds of each side, one run of every side after the other; the first round is not counted."""
    runs: list[list[tuple[float, float]]] = [[] for _ in sides]
    for round_number in range(repeats + 1):
        for side, found in zip(sides, runs, strict=True):
            wall, cpu = time.perf_counter(), time.process_time()
            side()
            if round_number:
                found.append((time.perf_counter() - wall, time.process_time() - cpu))
    return runs


def _run_once(pair: Pair, side: str) -> None:
    pixels = pair.pixels
    with torch.inference_mode():
        if side == "official":
            pair.official.image_encoder(pixels)
            return
        with torch.autocast("cpu", torch.bfloat16, enabled=side == "ours-bf16"):
            pair.ours.encode(pixels)


def _peak_memory(side: str, options: argparse.Namespace) -> int:
    """Peak resident MB of a process that holds both models and encodes one image with one of them."""
    command = [sys.executable, "-m", "benchmarks", "--peak", side, "--threads", str(options.threads)]
    done = subprocess.run(
        command + ["--tiny"] * options.tiny,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    return int(done.stdout.split()[-1])


def _markdown(rows: list[Row], quality: dict[str, float], memory: dict[str, int], options: argparse.Namespace) -> str:
    lines = [
        f"torch {torch.__version__}, {options.threads} threads, {processor()}; median of {options.repeats} interleaved"
        f" runs{'; TINY NETWORKS, the figures mean nothing' if options.tiny else ''}.",
        "",
        "| task | official | ours | ratio (wall) | ratio (CPU) | aim |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        times = f"{seconds(row.median(row.official, 0))} | {seconds(row.median(row.ours, 0))}"
        lines.append(f"| {row.task} | {times} | {row.ratio(0):.2f} | {row.ratio(1):.2f} | {row.aim:g} |")
    lines += ["", "| quality | value |", "|---|---|"]
    lines += [
        f"| {name} | {value:.3g} |" if value < 0.1 else f"| {name} | {value:.4f} |" for name, value in quality.items()
    ]
    lines += ["", "| peak memory while encoding | MB |", "|---|---|"]
    lines += [f"| {side} | {value} |" for side, value in memory.items()]
    return "\n".join(lines) + "\n"


def _report(
    rows: list[Row], quality: dict[str, float], memory: dict[str, int], options: argparse.Namespace
) -> dict[str, Any]:
    return {
        "torch": torch.__version__,
        "processor": processor(),
        "threads": options.threads,
        "tiny": options.tiny,
        "tasks": [
            {
                "task": row.task,
                "official_s": [wall for wall, _ in row.official],
                "ours_s": [wall for wall, _ in row.ours],
                "ratio_wall": row.ratio(0),
                "ratio_cpu": row.ratio(1),
                "aim": row.aim,
            }
            for row in rows
        ],
        "quality": quality,
        "peak_mb": memory,
    }


if __name__ == "__main__":
    sys.exit(main())
