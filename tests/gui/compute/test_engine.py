from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from napari_sam.errors import Cancelled, OutOfMemoryError
from napari_sam.gui.compute.embeddings import memory_for_embeddings
from napari_sam.gui.compute.engine import Engine, ModelChoice, SegmentJob
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.gui.qt.worker import Token
from napari_sam.gui.view.planes import Plane
from napari_sam.types import Prompts
from tests.gui.fakes import FakePredictor, FakeZoo

IMAGE = np.zeros((20, 30), np.uint8)


def job(**changes: Any) -> SegmentJob:
    values: dict[str, Any] = {
        "model": ModelChoice(),
        "image": "a",
        "plane": Plane((0, 1), (), (20, 30)),
        "limits": None,
        "read": lambda: IMAGE,
        "prompts": (ObjectPrompts(Prompts([[5, 5]])),),
    }
    return SegmentJob(**values | changes)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def engine(zoo: FakeZoo, said: list[str]) -> Engine:
    return Engine(zoo, said.append, said.append)


def test_the_model_is_loaded_and_the_plane_encoded_once(
    engine: Engine, zoo: FakeZoo, fake: FakePredictor, said: list[str]
):
    engine.run(job(prompts=()), Token())
    answer = engine.run(job(), Token())
    assert len(answer.objects[0]) == 3
    assert len(zoo.choices) == len(fake.images) == 1
    assert [text.split()[0] for text in said] == ["Loading", "Reading", "Encoding"]


@pytest.mark.parametrize(
    "change",
    [{"image": "b"}, {"limits": (0.0, 9.0)}, {"plane": Plane((0, 1), (1,), (20, 30))}, {"model": ModelChoice("x")}],
)
def test_whatever_the_embedding_depends_on_encodes_again(engine: Engine, fake: FakePredictor, change: dict[str, Any]):
    engine.run(job(), Token())
    engine.run(job(**change), Token())
    assert len(fake.images) == 2


def test_memory_for_embeddings_is_bounded(zoo: FakeZoo, fake: FakePredictor):
    engine = Engine(zoo, lambda text: None, lambda text: None, max_bytes=2 * IMAGE.nbytes)
    for name in ("a", "b", "c", "c", "b", "a"):
        engine.run(job(image=name), Token())
    assert len(fake.images) == 4, "b and c were still there, a was not"
    engine.run(job(image="b"), Token())
    assert len(fake.images) == 4, "what was used least recently, c, made room for a"


def test_a_plane_that_does_not_fit_into_memory_is_a_clear_error(engine: Engine, fake: FakePredictor):
    def read() -> Any:
        raise MemoryError

    with pytest.raises(OutOfMemoryError, match="20, 30"):
        engine.run(job(read=read), Token())
    assert len(engine.run(job(), Token()).objects) == 1, "the engine goes on"


def test_memory_for_embeddings_depends_on_the_computer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_PHYS_PAGES": 2**20, "SC_PAGE_SIZE": 4096}[name])
    assert memory_for_embeddings() == 2**28, "a sixteenth of 4 GiB"
    monkeypatch.setattr(os, "sysconf", lambda name: 2**20)
    assert memory_for_embeddings() == 2**30


def test_a_cancelled_job_does_not_encode(engine: Engine, fake: FakePredictor):
    token = Token()
    token.cancel()
    with pytest.raises(Cancelled):
        engine.run(job(), token)
    assert fake.images == []


def test_a_superseded_job_encodes_for_its_successor_but_asks_nothing(engine: Engine, fake: FakePredictor):
    token = Token()
    token.supersede()
    with pytest.raises(Cancelled):
        engine.run(job(), token)
    assert len(fake.images) == 1
    assert fake.asked == []
