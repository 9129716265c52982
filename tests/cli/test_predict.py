"""``napari-sam predict``, as a script would call it, on a tiny model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner, Result

from napari_sam import Predictor, Prompts, load_model
from napari_sam.cli.main import app
from tests.cli.conftest import SIDE

HEIGHT, WIDTH = 60, 80


@pytest.fixture
def image(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 80, (HEIGHT, WIDTH), np.uint8)
    pixels[20:40, 30:55] += 120
    path = tmp_path / "image.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    return tmp_path / "out" / "masks.tif"


class Runner:
    """Runs ``predict`` on one image with the tiny checkpoint."""

    def __init__(self, image: Path, checkpoint: Path, output: Path) -> None:
        self.image, self.checkpoint, self.output = image, checkpoint, output

    def __call__(self, *arguments: str, image: Path | None = None) -> Result:
        fixed = [str(image or self.image), "--checkpoint", str(self.checkpoint), "-o", str(self.output)]
        return CliRunner().invoke(app, ["predict", *fixed, *arguments])

    def refused(self, *arguments: str, image: Path | None = None) -> str:
        """Run, expect exit code 2, one clear message and no output; return the message."""
        result = self(*arguments, image=image)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert "Traceback" not in result.stderr
        assert not self.output.exists()
        return result.stderr


@pytest.fixture
def predict(image: Path, checkpoint: Path, masks: Path) -> Runner:
    return Runner(image, checkpoint, masks)


def report(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def test_it_writes_what_the_predictor_gives(predict: Runner, image: Path, checkpoint: Path, masks: Path) -> None:
    result = predict("--point", "30,40", "--point", "5,70,0")
    assert result.exit_code == 0, result.stderr
    assert str(masks) in result.stdout
    written = tifffile.imread(masks)
    predictor = Predictor(load_model(checkpoint=checkpoint))
    embedding = predictor.encode(np.asarray(Image.open(image)))
    expected = predictor.predict(embedding, Prompts([(30, 40), (5, 70)], [1, 0]), multimask=False)
    assert written.dtype == np.uint8
    assert written.shape == (1, HEIGHT, WIDTH)
    assert 0 < written.mean() < 1
    assert np.array_equal(written, expected.masks)


def test_boxes_are_objects_and_candidates_multiply_them(predict: Runner, masks: Path, tmp_path: Path) -> None:
    arguments = ["--box", "10,10,30,30", "--box", "40,60,20,30", "--point", "15,15", "--multimask"]
    result = predict(*arguments, "--json", str(tmp_path / "out.json"))
    assert result.exit_code == 0, result.stderr
    written = tifffile.imread(masks)
    assert written.shape == (6, HEIGHT, WIDTH)
    content = report(tmp_path / "out.json")
    assert [(entry["index"], entry["prompt"], entry["candidate"]) for entry in content["masks"]] == [
        (0, 0, 0),
        (1, 0, 1),
        (2, 0, 2),
        (3, 1, 0),
        (4, 1, 1),
        (5, 1, 2),
    ]
    assert content["prompts"] == [
        {"points_yx": [[15, 15]], "labels": [1], "box_yxyx": [10, 10, 30, 30], "mask": False},
        {"points_yx": [], "labels": [], "box_yxyx": [20, 30, 40, 60], "mask": False},
    ]
    for entry, mask in zip(content["masks"], written, strict=True):
        assert entry["area"] == int(mask.sum())
        rows, columns = np.nonzero(mask)
        bounds = [rows.min(), columns.min(), rows.max(), columns.max()] if len(rows) else None
        assert entry["box_yxyx"] == bounds


def test_the_json_says_how_it_came_about(
    predict: Runner, image: Path, checkpoint: Path, masks: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.json"
    assert predict("--point", "30,40", "--limits", "10,200", "--json", str(out)).exit_code == 0
    content = report(out)
    assert (content["format"], content["version"]) == ("napari-sam/predict", 1)
    assert content["files"] == {"image": str(image), "mask": None, "output": str(masks)}
    assert content["image"] == {"shape": [HEIGHT, WIDTH], "dtype": "uint8", "plane": None}
    assert content["model"]["hash"] == load_model(checkpoint=checkpoint).hash
    assert (content["model"]["device"], content["model"]["precision"]) == ("cpu", "fp32")
    assert content["preprocessing"] == {"channels": [], "limits": [[10, 200]], "limits_from": "given", "notes": []}
    assert content["seconds"].keys() == {"load", "encode", "predict"}


def test_an_earlier_mask_is_a_hint(predict: Runner, masks: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert predict("--point", "30,40", "--json", str(out)).exit_code == 0
    alone = report(out)["masks"][0]
    hint = tmp_path / "hint.png"
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    drawn[20:40, 30:55] = 1
    Image.fromarray(drawn).save(hint)
    assert predict("--point", "30,40", "--mask", str(hint), "--json", str(out)).exit_code == 0
    assert report(out)["masks"][0]["score"] != alone["score"]
    assert report(out)["prompts"][0]["mask"] is True
    masks.rename(tmp_path / "earlier.tif")  # its own output, shape (1, H, W), is a hint too, even without a point
    assert predict("--mask", str(tmp_path / "earlier.tif")).exit_code == 0


def test_logits_are_fed_back_as_they_are(predict: Runner, image: Path, checkpoint: Path, tmp_path: Path) -> None:
    predictor = Predictor(load_model(checkpoint=checkpoint))
    embedding = predictor.encode(np.asarray(Image.open(image)))
    first = predictor.predict(embedding, Prompts([(30, 40)]), multimask=False)
    again = predictor.predict(embedding, Prompts([(30, 40)], mask_logits=first.logits[0]), multimask=False)
    np.save(tmp_path / "logits.npy", first.logits)
    assert predict("--point", "30,40", "--mask", str(tmp_path / "logits.npy")).exit_code == 0
    assert np.array_equal(tifffile.imread(predict.output), again.masks)


def test_a_mask_of_another_shape_is_refused(predict: Runner, tmp_path: Path) -> None:
    np.save(tmp_path / "other.npy", np.zeros((7, 9), bool))
    message = predict.refused("--mask", str(tmp_path / "other.npy"))
    assert "(7, 9)" in message
    assert f"({HEIGHT}, {WIDTH})" in message
    assert f"({SIDE // 4}, {SIDE // 4})" in message


def test_a_mask_file_that_holds_code_is_refused(predict: Runner, tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    assert "objects.npy" in predict.refused("--mask", str(tmp_path / "objects.npy"))


def test_a_plane_of_a_stack_and_channels(predict: Runner, tmp_path: Path) -> None:
    stack = tmp_path / "stack.tif"
    planes = np.random.default_rng(1).integers(0, 4000, (3, HEIGHT, WIDTH), np.uint16)
    tifffile.imwrite(stack, planes, photometric="minisblack", metadata={"axes": "ZYX"})
    assert "plane" in predict.refused("--point", "30,40", image=stack)
    assert predict("--point", "30,40", "--plane", "2", image=stack).exit_code == 0
    channels = tmp_path / "channels.tif"
    tifffile.imwrite(channels, np.moveaxis(planes, 0, -1), photometric="minisblack", metadata={"axes": "YXC"})
    out = tmp_path / "out.json"
    result = predict("--point", "30,40", "--channel", "2", "--channel", "0", "--json", str(out), image=channels)
    assert result.exit_code == 0, result.stderr
    assert report(out)["preprocessing"]["channels"] == [2, 0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "at least one --point"),
        (["--point", "-3,5"], "outside"),
        (["--point=-3,5"], "outside"),
        (["--point", "30,80"], "outside"),
        (["--point", "30"], "--point"),
        (["--point", "30,40,2"], "label"),
        (["--box", "1,2,3"], "--box"),
        (["--box", "100,100,120,120"], "outside"),
        (["--box", "0,0,9,9", "--box", "20,20,30,30", "--point", "50,50"], "none of the 2 boxes"),
        (["--point", "30,40", "--mask", "nosuch.png"], "nosuch.png"),
        (["--point", "30,40", "--limits", "9,1"], "--limits"),
        (["--point", "30,40", "--plane", "x"], "--plane"),
        (["--point", "30,40", "--channel", "1"], "channel"),
        (["--point", "30,40", "--device", "abacus"], "abacus"),
        (["--point", "30,40", "--precision", "fp64"], "fp64"),
        (["--point", "30,40", "--model", "vit_b"], "vit_b"),
        (["--point", "30,40", "--text", "coin"], "--text"),
    ],
)
def test_unusable_arguments_say_what_is_wrong(predict: Runner, arguments: list[str], words: str) -> None:
    assert words in predict.refused(*arguments)


def test_several_boxes_and_a_mask_are_refused(predict: Runner, image: Path) -> None:
    assert "one object" in predict.refused("--box", "0,0,9,9", "--box", "20,20,30,30", "--mask", str(image))


def test_unusable_files_say_what_is_wrong(predict: Runner, tmp_path: Path) -> None:
    text = tmp_path / "text.png"
    text.write_text("no image")
    assert "text.png" in predict.refused("--point", "1,1", image=text)
    assert "nosuch.png" in predict.refused("--point", "1,1", image=tmp_path / "nosuch.png")
    assert "text.png" in predict.refused("--point", "1,1", "--checkpoint", str(text))


def test_no_input_is_overwritten(predict: Runner, image: Path, masks: Path, tmp_path: Path) -> None:
    as_tiff = tmp_path / "image.tif"
    tifffile.imwrite(as_tiff, np.asarray(Image.open(image)))
    before = as_tiff.read_bytes()
    predict.output = as_tiff
    assert predict("--point", "30,40", image=as_tiff).exit_code == 2
    assert as_tiff.read_bytes() == before
    predict.output = masks
    assert "already used" in predict.refused("--point", "30,40", "--json", str(masks))
    assert "already used" in predict.refused("--point", "30,40", "--json", str(image))


@pytest.mark.parametrize("output", ["masks.png", "masks"])
def test_the_output_is_a_tiff(predict: Runner, tmp_path: Path, output: str) -> None:
    predict.output = tmp_path / output
    assert ".tif" in predict.refused("--point", "30,40")


def test_nothing_but_the_outputs_is_left_behind(predict: Runner, masks: Path) -> None:
    masks.parent.mkdir()
    masks.write_bytes(b"an earlier result")
    assert predict("--point", "30,40", "--json", str(masks.with_suffix(".json"))).exit_code == 0
    assert sorted(path.name for path in masks.parent.iterdir()) == ["masks.json", "masks.tif"]
    assert masks.with_suffix(".json").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
