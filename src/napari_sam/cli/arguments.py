"""Points and boxes as typed on the command line, turned into prompts."""

from __future__ import annotations

import math
from collections.abc import Sequence

import typer

from napari_sam.types import Prompts

Point = tuple[float, float, int]
Box = tuple[float, float, float, float]


def parse_point(text: str) -> Point:
    """Parse ``Y,X`` or ``Y,X,LABEL`` into (y, x, label); the label is 1 (positive) when left out.

    Raises
    ------
    typer.BadParameter
        If it is anything else.
    """
    hint = "--point"
    values = _numbers(text, hint, (2, 3), "Y,X or Y,X,LABEL (LABEL: 1 positive, 0 negative), for example 120,80.5")
    label = values[2] if len(values) == 3 else 1
    if label not in (0, 1):
        raise typer.BadParameter(f"{text!r}: the label is 1 (positive) or 0 (negative).", param_hint=hint)
    return values[0], values[1], int(label)


def parse_box(text: str) -> Box:
    """Parse ``Y0,X0,Y1,X1``.

    Raises
    ------
    typer.BadParameter
        If it is anything else.
    """
    y0, x0, y1, x1 = _numbers(text, "--box", (4,), "Y0,X0,Y1,X1 (top, left, bottom, right), for example 40,60,120,150")
    return y0, x0, y1, x1


def parse_limits(text: str) -> tuple[float, float]:
    """Parse ``LOW,HIGH``.

    Raises
    ------
    typer.BadParameter
        If it is anything else, or LOW is not below HIGH.
    """
    low, high = _numbers(text, "--limits", (2,), "LOW,HIGH, for example 100,4000")
    if low >= high:
        raise typer.BadParameter(f"{text!r}: LOW must be below HIGH.", param_hint="--limits")
    return low, high


def parse_plane(text: str) -> tuple[int, ...]:
    """Parse ``I`` or ``I,J...``: one index for each axis of a stack.

    Raises
    ------
    typer.BadParameter
        If it is anything else.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"{text!r} is not I or I,J..., whole numbers from 0.", param_hint="--plane")
    return tuple(int(part) for part in parts)


def build_prompts(points: Sequence[Point], boxes: Sequence[Box]) -> list[Prompts]:
    """Group points and boxes into prompts, one per object.

    No box or one box: everything describes one object. Several boxes: one object each, and a point belongs to every
    box that contains it.

    Raises
    ------
    typer.BadParameter
        If there are several boxes and a point lies in none of them.
    """
    if not boxes:
        return [_prompt(points, None)] if points else []
    if len(boxes) == 1:
        return [_prompt(points, boxes[0])]
    for point in points:
        if not any(_contains(box, point) for box in boxes):
            raise typer.BadParameter(
                f"{point[0]:g},{point[1]:g} lies in none of the {len(boxes)} boxes, so it is unclear which object it "
                "belongs to.",
                param_hint="--point",
            )
    return [_prompt([point for point in points if _contains(box, point)], box) for box in boxes]


def _prompt(points: Sequence[Point], box: Box | None) -> Prompts:
    if not points:
        return Prompts(box_yxyx=box)
    return Prompts([point[:2] for point in points], [point[2] for point in points], box)


def _contains(box: Box, point: Point) -> bool:
    (y0, y1), (x0, x1) = sorted(box[0::2]), sorted(box[1::2])
    return y0 <= point[0] <= y1 and x0 <= point[1] <= x1


def _numbers(text: str, hint: str, counts: Sequence[int], form: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in counts or not all(math.isfinite(value) for value in values):
        raise typer.BadParameter(f"{text!r} is not {form}.", param_hint=hint)
    return values
