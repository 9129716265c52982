"""Sessions made up without a viewer, for whatever needs a journal to write or read."""

from __future__ import annotations

import dataclasses
import time
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.objects.records import ObjectRecord
from napari_sam.gui.prompting.prompts import MaskPrompt, PromptState
from napari_sam.gui.recovery.state import ImageIdentity, JournalState, header
from napari_sam.gui.view.planes import Plane

IMAGE = ImageIdentity("cells", "/data/cells.tif", (4, 40, 50), "uint16", None, (2.0, 0.5, 0.5), "micrometer")


def a_header(image: ImageIdentity = IMAGE) -> dict[str, Any]:
    return header(image, np.dtype(np.uint16), "0.1.0", time.time())


def planes(shape: tuple[int, ...]) -> list[Plane]:
    return [Plane((1, 2), (z,), shape[1:]) for z in range(shape[0])]  # type: ignore[arg-type]


def random_state(rng: np.random.Generator, shape: tuple[int, ...] = IMAGE.shape) -> PromptState:
    count, shapes = int(rng.integers(0, 5)), int(rng.integers(0, 3))
    chosen = [plane for plane in planes(shape) if rng.random() < 0.3]
    return PromptState(
        points=rng.random((count, 3)) * shape,
        labels=tuple(str(label) for label in rng.choice(["positive", "negative"], count)),
        boxes=tuple(rng.random((4, 3)) * 30 for _ in range(shapes)),
        shape_types=tuple(str(kind) for kind in rng.choice(["rectangle", "ellipse", "path"], shapes)),
        choices=MappingProxyType({plane: int(rng.integers(0, 3)) for plane in chosen}),
        shape_labels=tuple(str(label) for label in rng.choice(["positive", "negative"], shapes)),
        masks=MappingProxyType({plane: random_mask(rng, plane) for plane in chosen if rng.random() < 0.5}),
    )


def random_mask(rng: np.random.Generator, plane: Plane) -> MaskPrompt:
    mask = rng.random((int(rng.integers(1, 9)), int(rng.integers(1, 9)))) < 0.5
    mask[0, 0] = True
    object_id = int(rng.integers(1, 9)) if rng.random() < 0.5 else None
    return MaskPrompt(plane, (3, 4), mask, object_id, "object ö", by_prompts=bool(rng.random() < 0.5))


def random_record(rng: np.random.Generator, number: int, plane: Plane) -> ObjectRecord:
    mask = rng.random((7, 5)) < 0.5
    return ObjectRecord(
        id=number,
        plane=plane,
        prompts=dataclasses.replace(random_state(rng), masks=MappingProxyType({}), choices=MappingProxyType({})),
        choice=1 if rng.random() < 0.5 else None,
        score=float(rng.random()) if rng.random() < 0.5 else None,
        model="sam_lite",
        class_id=4,
        class_name="núcleo",
        top_left=(2, 3),
        shape_hw=(7, 5),
        packed=np.packbits(mask),
        as_proposed=bool(rng.random() < 0.5),
    )


def plain(value: Any) -> Any:
    """Reduce to what can be compared: every field of every dataclass, whatever is added to it later."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.tolist()
    if isinstance(value, MappingProxyType | dict):
        return {repr(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value


def whole(state: JournalState) -> NDArray[np.int64]:
    array = np.zeros(state.image.shape, np.int64)
    for slicer, block in state.labels.blocks():
        array[slicer] = block
    return array


def meaning(state: JournalState) -> Any:
    """Everything a journal says."""
    return whole(state).tolist(), plain(state.prompts), state.records, state.notes, state.reference, state.ended
