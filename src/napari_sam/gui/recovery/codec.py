"""Prompts, masks and object records as plain values for JSON, and back, exactly."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.objects.records import Key, ObjectRecord
from napari_sam.gui.prompting.prompts import MaskPrompt, PromptState
from napari_sam.gui.view.planes import Plane

Json = dict[str, Any]


def plane_to_json(plane: Plane) -> list[list[int]]:
    """Return a plane as [axes, index, shape]."""
    return [[int(value) for value in part] for part in (plane.axes, plane.index, plane.shape_hw)]


def plane_from_json(value: Any) -> Plane:
    """Read what :func:`plane_to_json` gave."""
    (first, second), index, (height, width) = value
    return Plane((int(first), int(second)), tuple(int(at) for at in index), (int(height), int(width)))


def state_to_json(state: PromptState) -> Json:
    """Return every prompt and choice."""
    return {
        "points": state.points.tolist(),
        "labels": list(state.labels),
        "boxes": [box.tolist() for box in state.boxes],
        "shape_types": list(state.shape_types),
        "shape_labels": list(state.shape_labels),
        "choices": [[plane_to_json(plane), int(choice)] for plane, choice in state.choices.items()],
        "masks": [_mask_to_json(mask) for mask in state.masks.values()],
    }


def state_from_json(value: Mapping[str, Any], ndim: int) -> PromptState:
    """Read what :func:`state_to_json` gave for an image of ``ndim`` axes; what is missing is empty."""
    masks = [_mask_from_json(mask) for mask in value.get("masks", ())]
    points = np.array(value.get("points", ()), np.float64).reshape(-1, ndim)
    boxes = tuple(np.array(box, np.float64).reshape(-1, ndim) for box in value.get("boxes", ()))
    labels = tuple(str(label) for label in value.get("labels", ()))
    types = tuple(str(kind) for kind in value.get("shape_types", ()))
    if len(labels) != len(points) or len(types) != len(boxes):
        raise ValueError(f"{len(points)} points and {len(boxes)} shapes have {len(labels)} and {len(types)} categories")
    return PromptState(
        points=points,
        labels=labels,
        boxes=boxes,
        shape_types=types,
        choices=MappingProxyType({plane_from_json(plane): int(n) for plane, n in value.get("choices", ())}),
        shape_labels=tuple(str(label) for label in value.get("shape_labels", ())),
        masks=MappingProxyType({mask.plane: mask for mask in masks}),
    )


def record_to_json(record: ObjectRecord) -> Json:
    """Return what is known of one object."""
    return {
        "id": int(record.id),
        "plane": plane_to_json(record.plane),
        "prompts": state_to_json(record.prompts),
        "choice": record.choice,
        "score": None if record.score is None else float(record.score),
        "model": record.model,
        "class_id": record.class_id,
        "class_name": record.class_name,
        "top_left": [int(at) for at in record.top_left],
        "shape": [int(length) for length in record.shape_hw],
        "packed": _pack(record.packed.tobytes()),
        "as_proposed": bool(record.as_proposed),
        "propagated": bool(record.propagated),
    }


def record_from_json(value: Mapping[str, Any]) -> ObjectRecord:
    """Read what :func:`record_to_json` gave."""
    plane = plane_from_json(value["plane"])
    height, width = (int(length) for length in value["shape"])
    (top, left), class_id = value["top_left"], value["class_id"]
    return ObjectRecord(
        id=int(value["id"]),
        plane=plane,
        prompts=state_from_json(value["prompts"], plane.ndim),
        choice=None if value["choice"] is None else int(value["choice"]),
        score=None if value["score"] is None else float(value["score"]),
        model=str(value["model"]),
        class_id=None if class_id is None else int(class_id),
        class_name=str(value["class_name"]),
        top_left=(int(top), int(left)),
        shape_hw=(height, width),
        packed=np.frombuffer(_unpack(value["packed"], -(-height * width // 8)), np.uint8),
        as_proposed=bool(value["as_proposed"]),
        propagated=bool(value.get("propagated", False)),
    )


def key_to_json(key: Key) -> list[Any]:
    """Return under which a record is kept."""
    return [int(key[0]), plane_to_json(key[1])]


def key_from_json(value: Any) -> Key:
    """Read what :func:`key_to_json` gave."""
    number, plane = value
    return int(number), plane_from_json(plane)


def _mask_to_json(mask: MaskPrompt) -> Json:
    return {
        "plane": plane_to_json(mask.plane),
        "top_left": [int(at) for at in mask.top_left],
        "shape": [int(length) for length in mask.mask.shape],
        "pixels": _pack(np.packbits(mask.mask).tobytes()),
        "object_id": None if mask.object_id is None else int(mask.object_id),
        "source": mask.source,
        "by_prompts": bool(mask.by_prompts),
    }


def _mask_from_json(value: Mapping[str, Any]) -> MaskPrompt:
    height, width = (int(length) for length in value["shape"])
    top, left = value["top_left"]
    number = value["object_id"]
    return MaskPrompt(
        plane=plane_from_json(value["plane"]),
        top_left=(int(top), int(left)),
        mask=_bits(_unpack(value["pixels"], -(-height * width // 8)), (height, width)),
        object_id=None if number is None else int(number),
        source=str(value["source"]),
        by_prompts=bool(value["by_prompts"]),
    )


def _bits(packed: bytes, shape: tuple[int, int]) -> NDArray[np.bool_]:
    flat = np.unpackbits(np.frombuffer(packed, np.uint8), count=shape[0] * shape[1])
    return np.asarray(flat.reshape(shape), bool)


def _pack(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content, 6)).decode("ascii")


def _unpack(text: str, size: int) -> bytes:
    content = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), size + 1)
    if len(content) != size:
        raise ValueError(f"a mask holds {len(content)} bytes instead of {size}")
    return content
