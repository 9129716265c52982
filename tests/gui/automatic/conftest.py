"""A viewer with the Automatic widget on a segmenter that answers at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import checkpoint  # noqa: F401 - a fixture
from tests.gui.automatic.fakes import FakeFactory, FakeSegmenter


class Bench:
    """One viewer with its widget, and short names for what tests ask of them."""

    def __init__(self, viewer: Any, widget: Any) -> None:
        self.viewer = viewer
        self.widget = widget

    def run(self, scope: str | None = None, **values: Any) -> None:
        if scope is not None:
            self.widget["scope"].value = scope
        self.set(**values)
        self.widget.run()
        assert self.widget.wait(30), self.status

    def set(self, **values: Any) -> None:
        for name, value in values.items():
            self.widget[name].value = value
        assert self.widget.wait(20), self.status

    @property
    def layer(self) -> Any:
        return self.widget.result_layer

    @property
    def labels(self) -> np.ndarray[Any, Any]:
        return np.asarray(self.layer.data)

    @property
    def ids(self) -> list[int]:
        return self.widget.features["index"].tolist()

    @property
    def status(self) -> str:
        return str(self.widget["status"].value)


@pytest.fixture
def fake() -> FakeSegmenter:
    return FakeSegmenter()


@pytest.fixture
def factory(fake: FakeSegmenter) -> FakeFactory:
    return FakeFactory(fake)


@pytest.fixture
def image() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 255, (64, 80)).astype(np.uint8)


@pytest.fixture
def stack() -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 4000, (5, 48, 56)).astype(np.uint16)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user was told in napari's notifications."""
    texts: list[str] = []
    for name in ("show_error", "show_warning"):
        monkeypatch.setattr(f"napari_sam.gui.automatic.automatic_widget.{name}", texts.append)
    return texts


@pytest.fixture
def open_bench(make_napari_viewer: Any, factory: FakeFactory) -> Callable[..., Bench]:
    """Return a function that docks the widget in a viewer with one image layer."""

    def open_bench(data: Any = None, viewer: Any = None, **layer_kwargs: Any) -> Bench:
        from napari_sam.gui.automatic.automatic_widget import AutomaticWidget

        viewer = make_napari_viewer() if viewer is None else viewer
        if data is not None:
            viewer.add_image(data, **layer_kwargs)
        widget = AutomaticWidget(viewer, factory)
        widget["points_per_side"].value = 4
        viewer.window.add_dock_widget(widget, name="Automatic")
        assert widget.wait(20)
        return Bench(viewer, widget)

    return open_bench


@pytest.fixture
def bench(open_bench: Callable[..., Bench], image: np.ndarray[Any, Any]) -> Bench:
    """The widget on a small grey image."""
    return open_bench(image, contrast_limits=(0, 255))
