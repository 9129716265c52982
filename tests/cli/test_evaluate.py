"""``napari-sam evaluate``, as a script would call it."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner, Result

from napari_sam import Predictor, load_model
from napari_sam.automatic.job import AutomaticJob
from napari_sam.automatic.stack import segment_stack
from napari_sam.cli.main import app
from napari_sam.evaluation.metrics import score_labels

HW = (60, 80)
EASY = ["--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"]


def truth() -> np.ndarray:
    labels = np.zeros(HW, np.uint16)
    labels[10:25, 10:30], labels[35:55, 45:70] = 1, 2
    return labels


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    rng = np.random.default_rng(0)
    for source, names in {"cells": ["a", "b", "c"], "stones": ["a"]}.items():
        (folder / source).mkdir(parents=True)
        for name in names:
            pixels = rng.integers(0, 60, HW, np.uint8) + (truth() > 0).astype(np.uint8) * 120
            Image.fromarray(pixels).save(folder / source / f"{name}_img.png")
            Image.fromarray(truth()).save(folder / source / f"{name}_lab.png")
    splits = {"cells": {"train": ["c"], "val": ["a", "b"]}, "stones": {"val": ["a"]}}
    (folder / "splits.json").write_text(json.dumps(splits))
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def evaluated(*arguments: object, json_file: Path) -> dict[str, Any]:
    result = run(*arguments, "--json", json_file)
    assert result.exit_code == 0, result.output
    content: dict[str, Any] = json.loads(json_file.read_text())
    return content


def test_labels_of_any_tool_are_compared_without_a_model(data: Path, tmp_path: Path) -> None:
    found = tmp_path / "found"
    half = truth() * (truth() == 1)
    for name, labels in {"cells/a_img_cp_masks.tif": truth(), "cells/b_labels.tif": half}.items():
        (found / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(found / name, labels)
    (found / "stones").mkdir()
    Image.fromarray(truth()).save(found / "stones" / "a.png")
    report = evaluated("--data", data, "--predictions", found, json_file=tmp_path / "scores.json")
    assert report["format"] == "napari-sam/evaluate"
    assert report["version"] == 1
    assert report["model"] is None
    assert report["predictions"] == str(found)
    assert report["data"] == {"folder": str(data), "split": "val", "images": 3}
    assert report["failures"] == []
    cells = report["instances"]["sources"]["cells"]
    assert cells["images"] == 2
    assert cells["pooled"][0] == {
        "threshold": 0.5, "tp": 3, "fp": 0, "fn": 1, "n_true": 4, "n_pred": 3, "precision": 1.0, "recall": 0.75,
        "f1": pytest.approx(6 / 7), "accuracy": 0.75, "mean_matched_score": 1.0, "mean_true_score": 0.75,
        "panoptic_quality": pytest.approx(6 / 7),
    }  # fmt: skip
    assert report["instances"]["sources"]["stones"]["msa"] == 1
    assert report["instances"]["mean"]["msa"] == pytest.approx((0.75 + 1) / 2)
    assert [image["name"] for image in report["instances"]["images"]] == ["a", "b", "a"]


def test_segmenting_everything_is_what_the_stack_function_gives(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    model = ["--checkpoint", checkpoint, "--automatic", "--thresholds", "0.1,0.5"]
    report = evaluated("--data", data, *model, *EASY, json_file=tmp_path / "scores.json")
    parameters = {"points_per_side": 3, "pred_iou_thresh": 0, "stability_score_thresh": 0}
    job = AutomaticJob().with_values({**parameters, "checkpoint": str(checkpoint)})
    labels = segment_stack(data / "cells/b_img.png", job, predictor=Predictor(load_model(checkpoint=checkpoint)))
    expected = score_labels(truth(), labels, (0.1, 0.5))
    written = report["instances"]["images"][1]
    assert (written["source"], written["name"]) == ("cells", "b")
    assert [entry["n_pred"] for entry in written["thresholds"]] == [one.n_pred for one in expected.matchings]
    assert written["msa"] == pytest.approx(expected.msa)
    assert report["parameters"]["automatic"]["points_per_side"] == 3
    assert report["instances"]["thresholds"] == [0.1, 0.5]
    assert report["model"]["hash"]
    assert report["clicks"] is None


def test_clicks_table_and_plot(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    table, plot = tmp_path / "out" / "scores.csv", tmp_path / "out" / "scores.png"
    report = evaluated(
        "--data", data, "--checkpoint", checkpoint, "--clicks", 3, "--csv", table, "--plot", plot,
        json_file=tmp_path / "out" / "scores.json",
    )  # fmt: skip
    figures = report["clicks"]["sources"]["cells"]
    assert figures["objects"] == 4
    assert {"clicks_1", "clicks_2", "clicks_3", "box", "noc_80", "noc_85", "noc_90"} <= set(figures)
    assert 1 <= figures["noc_90"] <= 3
    assert report["clicks"]["parameters"]["clicks"] == 3
    assert len(report["clicks"]["objects"]) == 6
    assert report["instances"] is None
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["a", "a", "b", "b", "a", "a"]
    assert float(rows[0]["clicks_3"]) == report["clicks"]["objects"][0]["clicks"][2]
    with Image.open(plot) as drawn:
        assert drawn.size[0] > 400


def test_both_kinds_have_a_table_each(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    table = tmp_path / "scores.csv"
    model = ["--checkpoint", checkpoint, "--automatic", "--clicks", 1, "--split", "train", *EASY]
    result = run("--data", data, *model, "--csv", table, "--plot", tmp_path / "scores.svg")
    assert result.exit_code == 0, result.output
    with table.open() as file:
        assert len(list(csv.DictReader(file))) == 10  # one image, ten thresholds
    with (tmp_path / "scores_clicks.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2
    assert "f1@0.5" in result.stdout
    assert "NoC@90" in result.stdout
    assert (tmp_path / "scores.svg").read_text().startswith("<?xml")


def test_bad_pairs_are_named_and_the_rest_is_measured(data: Path, checkpoint: Path, tmp_path: Path) -> None:
    (data / "cells" / "a_lab.png").unlink()
    (data / "stones" / "a_img.png").write_bytes(b"not an image")
    path = tmp_path / "scores.json"
    result = run("--data", data, "--checkpoint", checkpoint, "--automatic", "--clicks", 1, *EASY, "--json", path)
    assert result.exit_code == 1
    assert "cells/a was left out" in result.stderr
    assert "stones/a was left out" in result.stderr
    assert "Traceback" not in result.output
    report = json.loads(path.read_text())
    assert {(one["source"], one["name"], one["step"]) for one in report["failures"]} == {
        ("cells", "a", "labels"), ("stones", "a", "labels"), ("cells", "a", "clicks"), ("stones", "a", "clicks"),
    }  # fmt: skip
    assert [image["name"] for image in report["instances"]["images"]] == ["b"]
    assert report["clicks"]["sources"]["cells"]["objects"] == 2


def test_missing_predictions_are_named(data: Path, tmp_path: Path) -> None:
    found = tmp_path / "found"
    found.mkdir()
    refused = run("--data", data, "--predictions", found)
    assert refused.exit_code == 2
    assert "cells and stones both have an image a" in refused.stderr
    result = run("--data", data, "--predictions", found, "--split", "train", "--json", tmp_path / "scores.json")
    assert result.exit_code == 1
    assert "no label image of cells/c" in result.stderr
    assert json.loads((tmp_path / "scores.json").read_text())["instances"]["sources"] == {}


def test_without_matplotlib_the_numbers_are_written_all_the_same(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    found = tmp_path / "found"
    found.mkdir()
    tifffile.imwrite(found / "c_labels.tif", truth())
    arguments = ["--data", data, "--predictions", found, "--split", "train", "--json", tmp_path / "scores.json"]
    result = run(*arguments, "--csv", tmp_path / "scores.csv", "--plot", tmp_path / "scores.png")
    assert result.exit_code == 1
    assert "pip install 'napari-sam-studio[plots]'" in result.stderr
    assert json.loads((tmp_path / "scores.json").read_text())["instances"]["mean"]["msa"] == 1
    assert (tmp_path / "scores.csv").exists()
    assert not (tmp_path / "scores.png").exists()


def test_what_cannot_be_said_is_null(tmp_path: Path) -> None:
    data = tmp_path / "plain"
    for part in ("images", "labels"):
        (data / part).mkdir(parents=True)
        tifffile.imwrite(data / part / "x.tif", np.zeros(HW, np.uint16))
    report = evaluated("--data", data, "--predictions", data / "labels", json_file=tmp_path / "scores.json")
    assert report["data"]["split"] == "all"
    assert report["instances"]["sources"]["plain"]["msa"] is None
    assert report["instances"]["sources"]["plain"]["pooled"][0]["f1"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--predictions", ".", "--automatic"], "without a model"),
        (["--thresholds", "0.5,1.5"], "IOU,IOU"),
        (["--preset", "tiny"], "no preset called 'tiny'"),
        (["--split", "test"], "no split 'test'"),
        (["--points-per-side", "0"], "points_per_side"),
    ],
)
def test_unusable_arguments(data: Path, arguments: list[str], message: str) -> None:
    result = run("--data", data, *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.output
