"""``napari-sam demo``: the first journey, in napari or, without a display, as a picture and a label image."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from napari_sam.cli.display import has_display
from napari_sam.types import Prompts

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_FOLDER = Path("napari-sam-demo")
# One entry per coin: what somebody would click or draw, in rows and columns of the bundled image.
OBJECTS = (
    Prompts([(54, 44)]),
    Prompts([(51, 155)]),
    Prompts([(53, 276)]),
    Prompts([(44, 335)]),
    Prompts([(126, 103)]),
    Prompts([(125, 206)]),
    Prompts(box_yxyx=(94, 244, 145, 297)),
    Prompts([(125, 337)]),
    Prompts([(197, 44)]),
    Prompts([(196, 102)]),
    Prompts([(193, 213), (193, 240)], [1, 0]),
    Prompts([(187, 347)]),
    Prompts([(260, 46)]),
    Prompts(box_yxyx=(235, 142, 289, 203)),
    Prompts([(264, 244)]),
    Prompts([(264, 301)]),
)


@dataclass(frozen=True, eq=False)
class Journey:
    """What the headless demo did.

    Attributes
    ----------
    image : ndarray of uint8, shape (H, W)
    labels : ndarray of uint16, shape (H, W)
        0 is background; object ``i`` of ``OBJECTS`` has label ``i + 1``.
    encode_s, click_s : float
        Seconds for encoding the image, and on average for one click.
    model : str
    """

    image: NDArray[np.uint8]
    labels: NDArray[np.uint16]
    encode_s: float
    click_s: float
    model: str


def demo(
    headless: Annotated[
        bool, typer.Option("--headless", help="Open no window, even where there is a display.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            file_okay=False,
            help="Folder for demo.png and labels.tif.",
            show_default=f"{DEFAULT_FOLDER} without a window",
        ),
    ] = None,
) -> None:
    """Click coins, get their masks: in napari where there is a display, else as a picture and a label image.

    Without a display, or with --headless, it writes demo.png and labels.tif and prints both paths.
    """
    if headless or not _can_open_window():
        _write_journey(output or DEFAULT_FOLDER)
        return
    if output is not None:
        _write_journey(output)
    from napari_sam.gui.demo import open_demo

    typer.echo("Opening napari: click a coin, press G to commit its mask, click the next one.")
    open_demo()


def run_journey() -> Journey:
    """Click every object of ``OBJECTS`` on the bundled image and commit the best candidate of each."""
    import numpy as np

    from napari_sam.io.images import read_image
    from napari_sam.io.samples import sample_path
    from napari_sam.predict.load import load_model
    from napari_sam.predict.predictor import Predictor

    image = np.asarray(read_image(sample_path("coins")))
    predictor = Predictor(load_model())
    started = time.perf_counter()
    embedding = predictor.encode(image)
    encoded = time.perf_counter()
    labels = np.zeros(image.shape, np.uint16)
    for number, prompts in enumerate(OBJECTS, start=1):
        is_one_click = prompts.points_yx is not None and len(prompts.points_yx) == 1
        prediction = predictor.predict(embedding, prompts, multimask=is_one_click)
        free = labels == 0  # as in the widget, a commit never eats an object that is already there
        labels[prediction.masks[prediction.best] & free] = number
    click_s = (time.perf_counter() - encoded) / len(OBJECTS)
    return Journey(image, labels, encoded - started, click_s, predictor.model.name)


def _write_journey(folder: Path) -> None:
    from napari_sam.cli.picture import draw_objects
    from napari_sam.io.labels import write_labels

    journey = run_journey()
    folder.mkdir(parents=True, exist_ok=True)
    picture, labels = folder / "demo.png", folder / "labels.tif"
    draw_objects(picture, journey.image, journey.labels, OBJECTS)
    write_labels(labels, journey.labels)
    typer.echo(
        f"{len(OBJECTS)} objects with {journey.model}: image encoded in {journey.encode_s:.2f} s, "
        f"{journey.click_s * 1000:.0f} ms per click"
    )
    typer.echo(f"picture: {picture.resolve()}")
    typer.echo(f"labels:  {labels.resolve()}")


def _can_open_window() -> bool:
    if not has_display():
        typer.echo("No display: running headless.", err=True)
        return False
    if find_spec("napari") is None:
        typer.echo(
            'napari is not installed: running headless. For the window: pip install "napari-sam-studio[qt]"', err=True
        )
        return False
    return True
