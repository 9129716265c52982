"""A viewer with the Segment widget on a predictor that answers at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.gui.fakes import FakePredictor, FakeZoo


class Bench:
    """One viewer with its widget, and short names for what tests ask of them."""

    def __init__(self, viewer: Any, widget: Any) -> None:
        self.viewer = viewer
        self.widget = widget

    def layer(self, role: str) -> Any:
        from napari_sam.gui.layers import role_of

        (found,) = [layer for layer in self.viewer.layers if role_of(layer) == role]
        return found

    def roles(self) -> list[str]:
        from napari_sam.gui.layers import role_of

        return sorted(role for layer in self.viewer.layers if (role := role_of(layer)) is not None)

    def click(self, *position: float, negative: bool = False) -> None:
        points = self.layer("points")
        points.feature_defaults = {"prompt": ["negative" if negative else "positive"]}
        points.add(list(position))
        assert self.widget.wait(20)

    def box(self, corners: Any) -> None:
        self.layer("boxes").add(np.asarray(corners, float), shape_type="rectangle")
        assert self.widget.wait(20)

    @property
    def proposal(self) -> np.ndarray[Any, Any]:
        return np.asarray(self.layer("proposal").data)

    @property
    def objects(self) -> np.ndarray[Any, Any]:
        return np.asarray(self.layer("objects").data)

    @property
    def status(self) -> str:
        return str(self.widget["status"].value)


@pytest.fixture
def fake() -> FakePredictor:
    return FakePredictor()


@pytest.fixture
def zoo(fake: FakePredictor) -> FakeZoo:
    return FakeZoo(fake)


@pytest.fixture
def image() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 255, (64, 80)).astype(np.uint8)


@pytest.fixture
def open_bench(make_napari_viewer: Any, zoo: FakeZoo) -> Callable[..., Bench]:
    """Return a function that docks the widget in a viewer with one image layer."""

    def open_bench(data: Any = None, viewer: Any = None, prefetch: bool = False, **layer_kwargs: Any) -> Bench:
        from napari_sam.gui.segment_widget import SegmentWidget

        viewer = make_napari_viewer() if viewer is None else viewer
        if data is not None:
            viewer.add_image(data, **layer_kwargs)
        widget = SegmentWidget(viewer, zoo)
        # Off, so that tests can count what is read and encoded.
        widget["prefetch"].value = prefetch
        viewer.window.add_dock_widget(widget, name="Segment")
        assert widget.wait(20)
        return Bench(viewer, widget)

    return open_bench


@pytest.fixture
def bench(open_bench: Callable[..., Bench], image: np.ndarray[Any, Any]) -> Bench:
    """The widget on a small grey image."""
    return open_bench(image, contrast_limits=(0, 255))


@pytest.fixture
def open_window(make_napari_viewer: Any, open_bench: Callable[..., Bench], qtbot: Any) -> Callable[..., Any]:
    """Return a function that opens a real window with an image and the widget, and gives a hand to work in it."""

    def open_window(data: Any, **layer_kwargs: Any) -> Any:
        from tests.gui.hand import Hand

        viewer = make_napari_viewer(show=True)
        viewer.window.resize(1100, 760)
        bench = open_bench(data, viewer, **layer_kwargs)
        return Hand(viewer, bench.widget, qtbot)

    return open_window
