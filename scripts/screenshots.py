"""Make the pictures of the documentation: a real napari window with the bundled model, scene by scene.

    xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX +render -noreset" python scripts/screenshots.py [SCENE ...]

Writes PNG files into docs/images; ``--folder FOLDER`` writes them somewhere else. Without names every scene is made.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QPoint
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from skimage import data

from napari_sam.gui.layers import role_of

PLUGIN, WIDGET, AUTOMATIC = "napari-sam-studio", "Segment", "Automatic"
WINDOW = (1280, 800)
COIN = (125, 206)
COINS = ((54, 44), (51, 155), (44, 335), (126, 103), (120, 270))
LARGE, SMALL = ((51, 155), (44, 335), (120, 270)), ((125, 206), (126, 103), (57, 100))
SLICE, TOUCHING, NUCLEUS = 9, (117, 109), (157, 148)
CRASHED = 7
COLORS = 128
GAP = 8
Picture = np.ndarray[Any, np.dtype[np.uint8]]


def settle(milliseconds: int = 300) -> None:
    """Let Qt draw."""
    end = time.monotonic() + milliseconds / 1000
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def side_by_side(*pictures: Picture) -> Picture:
    """Join pictures of one height, with white between them."""
    gap = np.full((pictures[0].shape[0], GAP, 3), 255, np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)]
    return np.concatenate(parts[1:], axis=1)


def above(*pictures: Picture) -> Picture:
    """Put pictures one above the other, on white."""
    width = max(picture.shape[1] for picture in pictures)
    rows: list[Picture] = []
    for picture in pictures:
        row = np.full((picture.shape[0] + GAP, width, 3), 255, np.uint8)
        row[: picture.shape[0], : picture.shape[1]] = picture
        rows.append(row)
    return np.concatenate(rows)[:-GAP]


def even(*pictures: Picture) -> list[Picture]:
    """Make pictures equally high, with white below."""
    height = max(picture.shape[0] for picture in pictures)
    below = [((0, height - picture.shape[0]), (0, 0), (0, 0)) for picture in pictures]
    return [np.pad(picture, pad, constant_values=255) for picture, pad in zip(pictures, below, strict=True)]


class Scene:
    """A window with one image and the widget."""

    def __init__(self, folder: Path, sample: str = "", widget: str = WIDGET, **image: Any) -> None:
        self.folder = folder
        self.viewer = napari.Viewer()
        self.viewer.window.resize(*WINDOW)
        if sample:
            self.viewer.open_sample(PLUGIN, sample)
        else:
            self.viewer.add_image(**image)
        _, self.widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, widget)
        self.wait()
        settle()
        self.viewer.reset_view()
        settle()

    def layer(self, role: str) -> Any:
        """Return the layer with a role."""
        return next(layer for layer in self.viewer.layers if role_of(layer) == role)

    def wait(self) -> None:
        """Wait until nothing is pending."""
        if not self.widget.wait(600):
            raise SystemExit(f"still pending after 600 s: {self.widget['status'].value}")

    def click(self, *position: float, negative: bool = False) -> None:
        """Add a point as a click does, and wait for the mask."""
        self.widget["prompt"].value = "negative" if negative else "positive"
        self.layer("points").add(list(position))
        self.wait()
        self.widget["prompt"].value = "positive"

    def draw(self, vertices: Any, kind: str = "rectangle") -> None:
        """Draw a shape, a box by two corners, and wait for the mask."""
        corners = np.asarray(vertices, float)
        if kind == "rectangle":
            (top, left), (bottom, right) = corners
            corners = np.array([[top, left], [top, right], [bottom, right], [bottom, left]])
        self.layer("boxes").add(corners, shape_type=kind)
        self.wait()

    def point_at(self, *position: float) -> None:
        """Move the mouse over a position of a two-dimensional image."""
        canvas = self.viewer.window._qt_viewer.canvas  # there is no public way from data to the canvas
        x, y = canvas.view.scene.transform.map([position[1], position[0]])[:2]
        for nudge in (-6, -3, 0):
            QTest.mouseMove(canvas.native, QPoint(round(float(x)) + nudge, round(float(y))))
            settle(60)
        self.wait()
        settle(400)

    def window(self) -> Picture:
        """Return a picture of the whole window."""
        settle()
        return np.asarray(self.viewer.screenshot(canvas_only=False, flash=False))[..., :3]

    def canvas(self, centre: Sequence[float], zoom: float, height: int = 240, width: int = 300) -> Picture:
        """Return a picture of the canvas around a world position."""
        self.viewer.scene.camera.center = tuple(centre)
        self.viewer.scene.camera.zoom = zoom
        settle()
        pixels = np.asarray(self.viewer.screenshot(canvas_only=True, flash=False))[..., :3]
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        return pixels[top : top + height, left : left + width]

    def grab(self, native: Any) -> Picture:
        """Return a picture of a part of the widget."""
        settle()
        with tempfile.TemporaryDirectory() as folder:
            native.grab().save(f"{folder}/part.png")
            return np.asarray(Image.open(f"{folder}/part.png").convert("RGB"))

    def panel(self, first: str, last: str = "") -> Picture:
        """Return a picture of the widget from one control down to another."""
        body = next(part for part in self.widget if part.name == "body").native
        pixels = self.grab(body)
        upper, lower = (self.widget[name].native for name in (first, last or first))
        top = upper.mapTo(body, QPoint(0, 0)).y()
        bottom = lower.mapTo(body, QPoint(0, 0)).y() + lower.height()
        return pixels[max(top - 4, 0) : bottom + 4]

    def save(self, name: str, picture: Picture) -> None:
        """Write a picture with few colours."""
        target = self.folder / f"{name}.png"
        few = Image.fromarray(picture).quantize(COLORS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(target, optimize=True)
        print(f"{target}  {target.stat().st_size // 1024} KiB  status: {self.widget['status'].value}")

    def close(self) -> None:
        """Close the window."""
        self.viewer.close()
        settle()


def click(folder: Path) -> None:
    """Click a coin, and show what the mouse shows before it."""
    scene = Scene(folder, "coins")
    scene.save("open", scene.window())
    scene.click(*COIN)
    scene.save("click", scene.window())
    scene.widget.clear()
    scene.widget["hover"].value = True
    scene.canvas((0, 120, 255), 3)
    scene.point_at(120, 270)
    scene.save("preview", scene.canvas((0, 120, 255), 3))
    scene.close()


def touching(folder: Path) -> None:
    """Two nuclei that touch: candidates, and a negative click."""
    scene = Scene(folder, "nuclei_stack")
    scene.viewer.dims.set_current_step(0, SLICE)
    scene.click(SLICE, *TOUCHING)
    look = (0, 25.5, 22), 18
    shown = []
    for index in range(3):
        scene.widget.pick_candidate(index)
        scene.wait()
        shown.append(scene.canvas(*look, 200, 200))
    scene.save("candidates", above(side_by_side(*shown), scene.panel("candidate_1", "candidate_3")))
    scene.widget.clear()
    scene.click(SLICE, *TOUCHING)
    before = scene.canvas(*look, 200, 200)
    scene.click(SLICE, TOUCHING[0] + 15, TOUCHING[1], negative=True)
    scene.save("negative", side_by_side(before, scene.canvas(*look, 200, 200)))
    scene.close()


def shapes(folder: Path) -> None:
    """Boxes, an outline, and a label made by something else."""
    scene = Scene(folder, "coins")
    for box in (((94, 244), (145, 297)), ((153, 312), (221, 381)), ((169, 253), (217, 301))):
        scene.draw(box)
    scene.save("boxes", scene.canvas((0, 154, 292), 2.4, 320, 440))
    scene.widget.clear()
    turn = np.linspace(0, 2 * np.pi, 40)[:-1]
    wobble = 1 + 0.06 * np.sin(5 * turn)
    around = np.stack([120 + 29 * wobble * np.sin(turn), 270 + 30 * wobble * np.cos(turn)], axis=1)
    scene.draw(around, "polygon")
    lasso = scene.canvas((0, 120, 270), 4, 260, 260)
    scene.widget.clear()
    # What a threshold makes of a coin on an uneven background: holes, and a ragged border.
    picture = np.asarray(scene.viewer.layers[0].data)
    rough = np.zeros(picture.shape, np.uint8)
    window = np.s_[92:149, 242:299]
    rough[window] = picture[window] > 150
    scene.viewer.add_labels(rough, name="threshold")
    label = scene.canvas((0, 120, 270), 4, 260, 260)
    scene.widget.use_label(scene.viewer.layers["threshold"], 1)
    scene.wait()
    scene.viewer.layers["threshold"].visible = False
    scene.save("outline", side_by_side(lasso, label, scene.canvas((0, 120, 270), 4, 260, 260)))
    scene.close()


def objects(folder: Path) -> None:
    """Commit objects, open one again, commit classes."""
    scene = Scene(folder, "coins")
    for at in (COIN, *COINS):
        scene.click(*at)
        scene.widget.commit()
        settle(50)
    settle(600)
    view = (0, 90, 192), 1.4, 270, 540
    table = scene.grab(scene.widget["objects"].native.parentWidget())
    scene.save("objects", side_by_side(*even(scene.canvas(*view), table)))
    scene.widget.edit_object(1)
    scene.wait()
    scene.click(COIN[0] + 18, COIN[1] - 4)
    scene.save("edit", scene.canvas((0, *COIN), 4, 240, 300))
    scene.widget.clear()
    while scene.widget["undo"].enabled:
        scene.widget.undo()
        scene.wait()
    scene.widget["mode"].value = "semantic"
    for number, name, places in ((1, "large", LARGE), (2, "small", SMALL)):
        scene.widget["class_id"].value = number
        scene.widget["class_name"].value = name
        for at in places:
            scene.click(*at)
            scene.widget.commit()
    settle(600)
    scene.save("classes", scene.canvas(*view))
    scene.close()


def stack(folder: Path) -> None:
    """One nucleus through three slices."""
    scene = Scene(folder, "nuclei_stack")
    for step, at in enumerate((SLICE - 1, SLICE, SLICE + 1)):
        scene.viewer.dims.set_current_step(0, at)
        scene.wait()
        scene.click(at, *NUCLEUS)
        scene.widget.commit()
        if step == 0:
            scene.widget.continue_object(1)
    shown = []
    for at in (SLICE - 1, SLICE, SLICE + 1):
        scene.viewer.dims.set_current_step(0, at)
        scene.wait()
        shown.append(scene.canvas((0, 31, 29), 14, 200, 220))
    scene.save("stack", side_by_side(*shown))
    scene.close()


def spoiled(folder: Path) -> None:
    """Show a hot pixel, and what the model sees of the image around it."""
    camera = data.coins().astype(np.uint16) * 4
    camera[150, 30] = 65535
    scene = Scene(folder, data=camera, name="camera", contrast_limits=(0, 65535))
    scene.widget["model_view"].value = True
    settle(600)
    before = above(scene.panel("model_picture", "open_model_view"), scene.grab(scene.widget["warning_box"].native))
    scene.widget.set_contrast()
    scene.wait()
    settle(600)
    scene.save("model_view", side_by_side(*even(before, scene.panel("model_picture", "open_model_view"))))
    scene.close()


def large(folder: Path) -> None:
    """One coin among thousands."""
    coins = data.coins()
    scene = Scene(folder, data=np.tile(coins, (16, 16)), name="slide")
    whole = scene.canvas(scene.viewer.scene.camera.center, scene.viewer.scene.camera.zoom, 300, 300)
    at = (9 * coins.shape[0] + COINS[4][0], 7 * coins.shape[1] + COINS[4][1])
    scene.canvas((0, *at), 3)
    scene.click(*at)
    scene.save("large", side_by_side(whole, scene.canvas((0, *at), 3, 300, 300)))
    scene.close()


def automatic(folder: Path) -> None:
    """Segment all coins: while it runs, what it finds, coloured by score."""
    scene = Scene(folder, "coins", AUTOMATIC)
    scene.widget["preset"].value = "few-large"
    scene.widget.run()
    end = time.monotonic() + 120
    while scene.widget["progress"].value < 40 and scene.widget.pending and time.monotonic() < end:
        settle(50)
    scene.save("automatic_running", scene.grab(scene.widget.native))
    scene.wait()
    scene.widget.select_objects(scene.widget.features["index"].tolist()[:1])
    scene.viewer.reset_view()
    scene.save("automatic", scene.window())
    scene.widget["color_by"].value = "predicted IoU"
    settle(600)
    scene.save("automatic_score", scene.canvas(scene.viewer.scene.camera.center, 1.4, 400, 520))
    scene.close()


def recovery(folder: Path) -> None:
    """Ask the question after a crash."""
    crash = [sys.executable, __file__, "--folder", str(folder), "crash"]
    if subprocess.run(crash, check=False).returncode != CRASHED:
        raise SystemExit("The session that was to crash ended otherwise.")
    scene = Scene(folder, "coins")
    scene.save("recovery", scene.grab(scene.widget["recovery_banner"].native))
    scene.close()


def crash(folder: Path) -> None:
    """Commit three objects, and be gone without a word."""
    scene = Scene(folder, "coins")
    for at in COINS[:3]:
        scene.click(*at)
        scene.widget.commit()
    settle(2500)
    os._exit(CRASHED)


SCENES: dict[str, Callable[[Path], None]] = {
    scene.__name__: scene for scene in (click, touching, shapes, objects, stack, spoiled, large, automatic, recovery)
}


def main() -> None:
    """Make the scenes that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenes", nargs="*", help=f"some of {', '.join(SCENES)}; all without any")
    parser.add_argument("--folder", type=Path, default=Path(__file__).parents[1] / "docs" / "images")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if arguments.scenes == ["crash"]:
        crash(arguments.folder)
    with tempfile.TemporaryDirectory() as state:
        # Neither the user's autosaves nor those of one scene shall turn up in another.
        for name in arguments.scenes or SCENES:
            os.environ["NAPARI_SAM_STATE"] = f"{state}/{name}"
            SCENES[name](arguments.folder)


if __name__ == "__main__":
    main()
