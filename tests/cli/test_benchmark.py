"""``napari-sam benchmark``: that it measures and reports, not how fast anything is."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from napari_sam.cli.main import app


def test_it_reports_every_step(checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "benchmark.json"
    arguments = ["--checkpoint", str(checkpoint), "--repeats", "2", "--prompts", "3", "--json", str(out)]
    result = CliRunner().invoke(app, ["benchmark", *arguments])
    assert result.exit_code == 0, result.output
    content = json.loads(out.read_text())
    assert (content["format"], content["version"]) == ("napari-sam/benchmark", 1)
    assert (content["repeats"], content["prompts"]) == (2, 3)
    assert content["machine"]["threads"] >= 1
    assert content["seconds"].keys() == {"load", "encode", "click", "second_click", "3_prompts"}
    for step, seconds in content["seconds"].items():
        assert 0 < seconds["min"] <= seconds["median"] <= seconds["max"]
        assert step in result.stdout
