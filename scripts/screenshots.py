"""Make the pictures of the documentation: a real napari window with the bundled model, step by step.

    xvfb-run -a -s "-screen 0 1600x1000x24 +extension GLX +render -noreset" python scripts/screenshots.py

Writes PNG files into docs/images, or into the folder given as the only argument.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_sam.gui.demo import PLUGIN, WIDGET
from napari_sam.gui.layers import role_of

SIZE = (1280, 800)
COIN, CELL_SLICE = (125, 206), 12


def settle(milliseconds: int = 300) -> None:
    """Let Qt draw."""
    end = time.monotonic() + milliseconds / 1000
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


class Scene:
    """A window with one sample and the widget."""

    def __init__(self, sample: str, folder: Path) -> None:
        self.folder = folder
        self.viewer = napari.Viewer()
        self.viewer.window.resize(*SIZE)
        self.viewer.open_sample(PLUGIN, sample)
        _, self.widget = self.viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
        self._wait()
        self.viewer.reset_view()
        settle()

    def layer(self, role: str) -> Any:
        """Return the layer with a role."""
        return next(layer for layer in self.viewer.layers if role_of(layer) == role)

    def click(self, *position: float, negative: bool = False) -> None:
        """Add a point as a click does, and wait for the mask."""
        self.widget["prompt"].value = "negative" if negative else "positive"
        self.layer("points").add(list(position))
        self._wait()
        self.widget["prompt"].value = "positive"

    def box(self, top: float, left: float, bottom: float, right: float) -> None:
        """Draw a box and wait for the mask."""
        corners = [[top, left], [top, right], [bottom, right], [bottom, left]]
        self.layer("boxes").add(np.array(corners), shape_type="rectangle")
        self._wait()

    def save(self, name: str) -> None:
        """Write a picture of the whole window."""
        settle()
        pixels = self.viewer.screenshot(canvas_only=False, flash=False)[..., :3]
        target = self.folder / f"{name}.png"
        Image.fromarray(pixels).save(target, optimize=True)
        print(f"{target}  {target.stat().st_size // 1024} KiB  status: {self.widget['status'].value}")

    def close(self) -> None:
        """Close the window."""
        self.viewer.close()
        settle()

    def _wait(self) -> None:
        if not self.widget.wait(300):
            raise SystemExit(f"still pending after 300 s: {self.widget['status'].value}")


def coins(folder: Path) -> None:
    """Click, negative click, candidates, boxes, committed objects."""
    scene = Scene("coins", folder)
    scene.save("open")
    scene.click(*COIN)
    scene.save("click")
    scene.widget.next_candidate()
    scene.save("candidate")
    scene.widget.undo()
    scene.click(COIN[0] + 26, COIN[1] + 12, negative=True)
    scene.save("negative")
    scene.widget.commit()
    for box in ((94, 244, 145, 297), (160, 300, 216, 372), (235, 142, 289, 203)):
        scene.box(*box)
    scene.save("boxes")
    scene.widget.commit()
    for click in ((54, 44), (51, 155), (44, 335), (126, 103)):
        scene.click(*click)
        scene.widget.commit()
        settle(50)
    scene.save("objects")
    scene.widget["advanced"].value = True
    scene.save("advanced")
    scene.close()


def histology(folder: Path) -> None:
    """Click in a colour image."""
    scene = Scene("histology", folder)
    scene.click(256, 256)
    scene.save("histology")
    scene.close()


def stack(folder: Path) -> None:
    """Click in one slice of a stack."""
    scene = Scene("nuclei_stack", folder)
    scene.viewer.dims.set_current_step(0, CELL_SLICE)
    plane = np.asarray(scene.viewer.layers[0].data[CELL_SLICE], float)
    smooth = sum(np.roll(plane, (i, j), (0, 1)) for i in range(-4, 5) for j in range(-4, 5))
    row, column = np.unravel_index(int(smooth[40:-40, 40:-40].argmax()), (plane.shape[0] - 80, plane.shape[1] - 80))
    scene.click(CELL_SLICE, int(row) + 40, int(column) + 40)
    scene.save("stack")
    scene.close()


def main() -> None:
    """Make every picture."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    steps: tuple[Callable[[Path], None], ...] = (coins, histology, stack)
    for step in steps:
        step(folder)


if __name__ == "__main__":
    main()
