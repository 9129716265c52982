"""The headless journey, its picture and its labels."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from napari_sam.cli import demo as module
from napari_sam.cli.main import app
from napari_sam.cli.picture import NEGATIVE, PALETTE, POSITIVE, ZOOM, draw_objects
from napari_sam.io.samples import sample_path
from napari_sam.types import Prompts


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Folder and printed text of one headless run."""
    folder = tmp_path_factory.mktemp("demo") / "new" / "folder"
    result = CliRunner().invoke(app, ["demo", "--headless", "-o", str(folder)])
    assert result.exit_code == 0, result.output
    return folder, result.stdout


def test_it_writes_a_picture_and_labels_and_says_where(output: tuple[Path, str]) -> None:
    folder, text = output
    assert sorted(path.name for path in folder.iterdir()) == ["demo.png", "labels.tif"]
    for name in ("demo.png", "labels.tif"):
        assert str(folder / name) in text


def test_the_labels_fit_the_image(output: tuple[Path, str]) -> None:
    labels = tifffile.imread(output[0] / "labels.tif")
    image = np.asarray(Image.open(sample_path("coins")))
    assert labels.shape == image.shape
    assert labels.dtype == np.uint16
    assert labels.max() <= len(module.OBJECTS)


def test_the_picture_is_the_image_enlarged(output: tuple[Path, str]) -> None:
    image = Image.open(sample_path("coins"))
    picture = Image.open(output[0] / "demo.png")
    assert picture.size == (image.width * ZOOM, image.height * ZOOM)
    assert picture.mode == "RGB"


def test_every_prompt_lies_in_the_image() -> None:
    height, width = np.asarray(Image.open(sample_path("coins"))).shape
    for prompts in module.OBJECTS:
        for corner in [*(prompts.points_yx if prompts.points_yx is not None else [])]:
            assert 0 <= corner[0] < height
            assert 0 <= corner[1] < width


def test_objects_are_outlined_in_their_colour_and_clicks_are_drawn(tmp_path: Path) -> None:
    image = np.full((40, 60), 100, np.uint8)
    labels = np.zeros((40, 60), np.uint16)
    labels[5:20, 5:25] = 1
    labels[22:38, 30:55] = 2
    objects = [Prompts([(12, 15), (30, 10)], [1, 0]), Prompts(box_yxyx=(22, 30, 37, 54))]
    draw_objects(tmp_path / "picture.png", image, labels, objects)
    picture = np.asarray(Image.open(tmp_path / "picture.png"))

    def at(y: float, x: float) -> tuple[int, ...]:
        return tuple(int(value) for value in picture[int((y + 0.5) * ZOOM), int((x + 0.5) * ZOOM)])

    assert at(12, 15) == POSITIVE
    assert at(30, 10) == NEGATIVE
    assert at(2, 40) == (100, 100, 100)
    assert at(12, 5) == PALETTE[0]
    inside = np.array(at(8, 20))
    assert np.abs(inside - (0.7 * 100 + 0.3 * np.array(PALETTE[0]))).max() <= 1
    assert (255, 255, 255) in {tuple(pixel) for pixel in picture[22 * ZOOM - 2 : 22 * ZOOM + 5, 40 * ZOOM].tolist()}


def test_without_a_display_it_runs_headless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    monkeypatch.setattr(module, "has_display", lambda: False)
    monkeypatch.setattr(module, "_write_journey", written.append)
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path)])
    assert result.exit_code == 0
    assert "No display" in result.stderr
    assert written == [tmp_path]


def test_with_a_display_it_opens_the_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[object] = []
    window = ModuleType("napari_sam.gui.demo")
    window.open_demo = lambda: happened.append("window")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "napari_sam.gui.demo", window)
    monkeypatch.setattr(module, "has_display", lambda: True)
    monkeypatch.setattr(module, "_write_journey", happened.append)
    assert CliRunner().invoke(app, ["demo"]).exit_code == 0
    assert happened == ["window"]
    happened.clear()
    assert CliRunner().invoke(app, ["demo", "-o", str(tmp_path)]).exit_code == 0
    assert happened == [tmp_path, "window"]


def test_without_napari_it_runs_headless_and_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    monkeypatch.setattr(module, "has_display", lambda: True)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    monkeypatch.setattr(module, "_write_journey", written.append)
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path)])
    assert result.exit_code == 0
    assert 'pip install "napari-sam-studio[qt]"' in result.stderr
    assert written == [tmp_path]
