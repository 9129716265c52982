"""The report as Markdown."""

from __future__ import annotations

from typing import Any

from benchmarks.responsiveness.options import Options

LOOP_AIM, CLICK_AIM, FIRST_MASK_AIM = 50, 120, 3


def markdown(report: dict[str, Any], amounts: Options) -> str:
    """Return the tables of the scenes that ran."""
    parts = [_loop(report["loop"], amounts)] if "loop" in report else []
    parts += [_stack(report["stack"])] if "stack" in report else []
    parts += [_memory(report["memory"])] if "memory" in report else []
    return "\n\n".join(parts) + "\n"


def _loop(found: dict[str, Any], amounts: Options) -> str:
    lines = [
        f"Longest pause of the event loop, {amounts.size} x {amounts.size} pixels",
        "",
        f"| phase | longest outside of drawing (aim {LOOP_AIM}) | of that CPU | p99 | p50 | over 50 ms "
        "| longest with drawing |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_phase(name, summary) for name, summary in found["phases"].items()]
    lines += [_phase(f"*baseline: {name}*", summary) for name, summary in found["baselines"].items()]
    lines += ["", "| worst moment of a phase | what it was |", "|---|---|"]
    lines += [f"| {name} | {summary['culprit']} |" for name, summary in found["phases"].items() if summary]
    lines += [
        "",
        "Longest pauses for Python's garbage: " + ", ".join(f"{pause:.0f} ms" for pause in found["garbage_ms"]),
    ]
    lines += ["", f"| click to mask (aim {CLICK_AIM} ms) | median | 90 % | longest |", "|---|---|---|---|"]
    names = {"to_layer_ms": "in the layer", "to_screen_ms": "on the screen", "to_final_ms": "final mask"}
    for kind, clicks in found["clicks"].items():
        for key, name in names.items():
            times = clicks[key]
            lines.append(f"| {kind} object: {name} | {_ms(times['p50'])} | {_ms(times['p90'])} | {_ms(times['max'])} |")
    hits = ", ".join(f"{clicks['hits']} of {clicks['clicks']} ({kind})" for kind, clicks in found["clicks"].items())
    return "\n".join([*lines, "", f"Masks that cover the pixel that was clicked: {hits}."])


def _phase(name: str, found: dict[str, Any]) -> str:
    if not found:
        return f"| {name} | | | | | | |"
    figures = [found[key] for key in ("max_ms", "cpu_in_max_ms", "p99_ms", "p50_ms")]
    cells = [*(_ms(figure) for figure in figures), str(found["over_50_ms"]), _ms(found["max_with_drawing_ms"])]
    return f"| {name} | {' | '.join(cells)} |"


def _stack(found: dict[str, Any]) -> str:
    lines = [
        f"From opening a lazy stack of {found['gigabytes']:.1f} GB to the first mask (aim {FIRST_MASK_AIM} s)",
        "",
        "| | image open | ready for the click | mask on the screen |",
        "|---|---|---|---|",
    ]
    for key, name in (
        ("cold_dask_s", "dask, torch not yet imported"),
        ("warm_dask_s", "dask, model loaded"),
        ("warm_zarr_s", "zarr on disk, model loaded"),
    ):
        steps = found[key]
        times = " | ".join(f"{steps[step]:.2f} s" for step in ("image", "ready_for_the_click", "mask_on_screen"))
        lines.append(f"| {name} | {times} |")
    lines += ["", "| moving through the slices | longest outside of drawing | p99 |", "|---|---|---|"]
    lines += [f"| {name} | {_ms(one['max_ms'])} | {_ms(one['p99_ms'])} |" for name, one in found["scroll"].items()]
    return "\n".join(lines)


def _memory(found: dict[str, Any]) -> str:
    side, visits = found["side"], found["visits"]
    lines = [
        f"Memory after visiting slices of {side} x {side} pixels, a click in every fourth; "
        f"{found['budget_mb']} MiB allowed for embeddings",
        "",
        "| slices visited | resident MiB | of that embeddings |",
        "|---|---|---|",
    ]
    lines += [f"| {one['visited']} | {one['resident_mb']:.0f} | {one['embeddings_mb']:.0f} |" for one in visits]
    half = len(visits) // 2
    slices = max(visits[-1]["visited"] - visits[half]["visited"], 1)
    grown = (visits[-1]["resident_mb"] - visits[half]["resident_mb"]) * 1024 / slices
    return "\n".join([*lines, "", f"Growth per slice in the second half: {grown:.0f} KiB."])


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:.0f} ms"
