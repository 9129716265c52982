"""The command: every scene in a process and a window of its own, then the tables."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.responsiveness.options import TINY, Options
from benchmarks.responsiveness.tables import markdown

ROOT = Path(__file__).resolve().parents[2]
SCENES = ("loop", "stack", "memory")
SCREEN = "-screen 0 1600x1000x24 +extension GLX +render -noreset"
LIMIT_S = 600


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    options = _parser().parse_args(arguments)
    amounts = _amounts(options)
    if options.report_to is not None:
        _run_here(options.scenes[0], amounts, options.report_to)
        return 0
    try:
        report = {scene: _run_apart(scene, options, amounts) for scene in options.scenes}
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{error}\nA window is needed: a display, or xvfb-run (Debian: xvfb, xauth).", file=sys.stderr)
        return 2
    text = markdown(report, amounts)
    print(text)
    if options.json:
        _write(options.json, json.dumps({"amounts": dataclasses.asdict(amounts), **report}, indent=2) + "\n")
    if options.markdown:
        _write(options.markdown, text)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.responsiveness", description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="small images, few clicks: checks that everything runs")
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=list(SCENES), help="default: all")
    for field in dataclasses.fields(Options):
        name = "--" + field.name.replace("_", "-")
        parser.add_argument(name, type=int, help=f"default {field.default}")
    parser.add_argument("--json", type=Path, help="write everything that was measured")
    parser.add_argument("--markdown", type=Path, help="write the tables")
    parser.add_argument("--report-to", type=Path, help=argparse.SUPPRESS)
    return parser


def _amounts(options: argparse.Namespace) -> Options:
    chosen = {field.name: getattr(options, field.name) for field in dataclasses.fields(Options)}
    given = {name: value for name, value in chosen.items() if value is not None}
    return dataclasses.replace(TINY if options.tiny else Options(), **given)


def _run_here(scene: str, amounts: Options, target: Path) -> None:
    from benchmarks.responsiveness.scenes import SCENES as FUNCTIONS

    _write(target, json.dumps(FUNCTIONS[scene](amounts)))
    # The window is still open: what it is made of would otherwise be torn down in no particular order.
    sys.stdout.flush()
    os._exit(0)


def _run_apart(scene: str, options: argparse.Namespace, amounts: Options) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "report.json"
        sizes = [f"--{name.replace('_', '-')}={value}" for name, value in dataclasses.asdict(amounts).items()]
        command = [*_screen(), sys.executable, "-m", "benchmarks.responsiveness", "--scenes", scene, *sizes]
        # napari's settings, and ours, are not the user's: what is measured does not depend on them.
        folders = dict.fromkeys(("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), folder)
        surroundings = {**os.environ, **folders, "NAPARI_CONFIG": str(Path(folder) / "napari.yaml")}
        subprocess.run([*command, "--report-to", str(target)], check=True, cwd=ROOT, env=surroundings, timeout=LIMIT_S)
        return json.loads(target.read_text(encoding="utf-8"))


def _screen() -> list[str]:
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return []
    found = shutil.which("xvfb-run")
    if found is None:
        raise FileNotFoundError("There is no display, and no xvfb-run.")
    return [found, "-a", "-s", SCREEN]


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
