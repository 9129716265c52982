"""One object through a stack: what was found on one plane is the prompt on the next.

The mask of a plane asks the model about the next one in three ways, and what two of the answers agree on is the mask
there. A walk ends where the model is unsure, where too little of the new mask overlaps the old one, where the mask
leaks, or where nothing is found. Between two given masks, walks come from both and meet in the middle; what was given
is never changed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_sam.geometry.masks import PlaneMask, trimmed
from napari_sam.geometry.window import Window, WindowPlan, joined
from napari_sam.parameters import check_parameters, parameter
from napari_sam.predict.mask_hint import prompts_from_mask
from napari_sam.types import Prediction, Prompts

FORWARD, BACKWARD, BOTH = "forward", "backward", "both"
DIRECTIONS = (BOTH, FORWARD, BACKWARD)

_QUESTIONS = (
    {"box": False, "point": False, "logits": True},
    {"box": False, "point": True, "logits": True},
    {"box": True, "point": False, "logits": False},
)
"""What is asked on the next plane, in words of :func:`napari_sam.predict.mask_hint.prompts_from_mask`.

A box alone holds on to the old outline, a mask alone loses objects of uneven texture. The pixels that two of the three
answers agree on follow better than any single question, all of it at once included, on the stacks of
``scripts/evaluate_propagation.py``; and where there is no object any more, the answers differ.
"""

_SHARE = 0.25
"""Most of a window's side that the object takes where a plane is too large to be shown as a whole."""


@dataclass(frozen=True)
class PropagateConfig:
    """When a walk through the planes ends.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    min_iou: float = parameter(
        0.75,
        "Stop where the model itself expects less overlap (IoU) with the object than this.",
        label="smallest score",
        low=0,
        high=1,
        advanced=False,
    )
    min_overlap: float = parameter(
        0.3,
        "Stop where the mask overlaps that of the plane before less (IoU) than this.",
        label="smallest overlap",
        low=0,
        high=1,
        advanced=False,
    )
    max_growth: float = parameter(
        2.0, "Stop where the mask has more than this many times the pixels of the plane before.", low=1
    )
    max_planes: int = parameter(
        0, "Go at most this many planes from a given mask; 0: to the end of the stack.", label="most planes", low=0
    )

    def __post_init__(self) -> None:
        check_parameters(self)


class Stop(StrEnum):
    """Why a walk ended before the end of the stack, as a user reads it."""

    EMPTY = "nothing was found"
    SCORE = "the model is not sure"
    OVERLAP = "it hardly overlaps the one before"
    GROWTH = "it grew too much"
    TAKEN = "the pixels belong to another object"


@dataclass(frozen=True, eq=False)
class Step:
    """What was found on one plane.

    Attributes
    ----------
    position : int
        The plane.
    mask : PlaneMask or None
        The object; None where the walk ended before this plane.
    score : float
        Overlap (IoU) with the true object that the model expects, where it was asked; also of a refused mask.
    overlap : float
        IoU with the mask of the plane before; also of a refused mask.
    stopped : Stop or None
        Why the walk ended before this plane.
    """

    position: int
    mask: PlaneMask | None
    score: float
    overlap: float
    stopped: Stop | None = None


class MaskModel(Protocol):
    """What is needed of :class:`napari_sam.predict.predictor.Predictor`."""

    @property
    def image_size(self) -> int:
        """Side of the model's square, in pixels."""

    def predict(self, embedding: Any, prompts: Prompts, multimask: bool = True) -> Prediction:
        """Return the masks for one object."""


Look = Callable[[int, Window | None], tuple[Any, Window]]
"""Encodes a window of a plane, or the whole of it with None; returns the embedding and what it covers."""


@dataclass(eq=False)
class _Walk:
    """A walk in one direction: the mask it has come to, and where."""

    position: int
    mask: PlaneMask
    direction: int
    stopped: bool = False

    @property
    def next(self) -> int:
        return self.position + self.direction

    def until(self, limit: int) -> Iterator[_Walk]:
        """Yield this walk for every step it has to take up to a plane, as long as it goes on."""
        while not self.stopped and (limit - self.position) * self.direction > 0:
            yield self


@dataclass(frozen=True)
class _Gap:
    """Planes without a given mask between two with one; None where the stack ends before there is another."""

    before: int | None
    after: int | None
    first: int
    last: int


class Propagation:
    """Walks from given masks through the planes between and beyond them.

    :meth:`look` finds the object on the next plane and changes nothing; :meth:`advance` says what to make of it. So a
    look that is cancelled can be taken again, and whoever writes the masks may cut them first.

    Parameters
    ----------
    shape_hw : tuple of int
        Height and width of a plane.
    length : int
        Number of planes.
    anchors : mapping of int to PlaneMask
        The masks that are given, by plane; at least one, none of them empty.
    config : PropagateConfig
    start : int, optional
        The anchor to begin at, the first one when left out. The planes after it are looked at before those in front.
    direction : {"both", "forward", "backward"}
        Whether to fill planes on both sides of ``start``.
    barriers : collection of int
        Planes on which the object is known not to be: nothing goes past them.

    Attributes
    ----------
    planes : tuple of int
        All planes that may be filled.

    Raises
    ------
    ValueError
        If there is no anchor, or none at ``start``, or no such direction.
    """

    def __init__(
        self,
        shape_hw: tuple[int, int],
        length: int,
        anchors: Mapping[int, PlaneMask],
        config: PropagateConfig,
        start: int | None = None,
        direction: str = BOTH,
        barriers: Collection[int] = (),
    ) -> None:
        begin = min(anchors, default=-1) if start is None else start
        if begin not in anchors:
            raise ValueError("propagation begins at a plane with a mask: there is none")
        if direction not in DIRECTIONS:
            raise ValueError(f"direction is {direction!r}, but must be one of {', '.join(DIRECTIONS)}")
        self._shape_hw = shape_hw
        self._anchors = dict(anchors)
        self._config = config
        gaps = _gaps(sorted({*anchors, *barriers}), length, begin, direction)
        reaches = [self._reach(gap) for gap in gaps]
        self.planes = tuple(sorted(plane for reach in reaches for plane in reach))
        self._done = 0
        self._turns = self._take_turns(gaps, [len(reach) for reach in reaches])
        self._walk = next(self._turns, None)

    @property
    def position(self) -> int | None:
        """The plane that is looked at next; None when all walks have ended."""
        return None if self._walk is None else self._walk.next

    @property
    def progress(self) -> tuple[int, int]:
        """How many planes are behind us, and of how many; where a walk ends early, the rest of its planes count."""
        return self._done, len(self.planes)

    def look(self, model: MaskModel, look: Look) -> Step:
        """Find the object on the next plane.

        Parameters
        ----------
        model : MaskModel
        look : callable
            Encodes a plane or a window of it.

        Raises
        ------
        ValueError
            If all walks have ended.
        """
        walk = self._walk
        if walk is None:
            raise ValueError("there is no plane left to look at")
        found, score = _find(walk.mask, self._shape_hw, model, lambda window: look(walk.next, window))
        overlap = 0.0 if found is None else found.iou(walk.mask)
        stopped = _why_stop(found, walk.mask, score, overlap, self._config)
        return Step(walk.next, None if stopped else found, score, overlap, stopped)

    def advance(self, mask: PlaneMask | None) -> None:
        """Go on from this mask of the plane looked at last, or end this walk with None."""
        walk = self._walk
        if walk is None:
            raise ValueError("there is no plane left to advance to")
        if mask is None:
            walk.stopped = True
        else:
            walk.position, walk.mask = walk.next, mask
            self._done += 1
        self._walk = next(self._turns, None)

    def _take_turns(self, gaps: Sequence[_Gap], sizes: Sequence[int]) -> Iterator[_Walk]:
        """Yield the walk whose turn it is, gap after gap."""
        behind = 0
        for gap, size in zip(gaps, sizes, strict=True):
            yield from self._fill(gap)
            behind += size
            self._done = behind

    def _fill(self, gap: _Gap) -> Iterator[_Walk]:
        forward, backward = self._walk_from(gap.before, 1), self._walk_from(gap.after, -1)
        furthest, nearest = self._furthest(gap), self._nearest(gap)
        if forward is None or backward is None:
            if forward is not None:
                yield from forward.until(furthest)
            if backward is not None:
                yield from backward.until(nearest)
            return
        middle = (forward.position + backward.position) // 2
        yield from forward.until(min(middle, furthest))
        yield from backward.until(max(middle + 1, nearest))
        # Where one ended early, the other may get past the middle.
        if backward.stopped:
            yield from forward.until(min(backward.position - 1, furthest))
        elif forward.stopped:
            yield from backward.until(max(forward.position + 1, nearest))

    def _walk_from(self, plane: int | None, direction: int) -> _Walk | None:
        mask = None if plane is None else self._anchors.get(plane)
        return None if plane is None or mask is None else _Walk(plane, mask, direction)

    def _furthest(self, gap: _Gap) -> int:
        """Return the last plane that a walk forwards may reach."""
        most = self._config.max_planes
        return min(gap.last, gap.before + most) if most and gap.before is not None else gap.last

    def _nearest(self, gap: _Gap) -> int:
        """Return the first plane that a walk backwards may reach."""
        most = self._config.max_planes
        return max(gap.first, gap.after - most) if most and gap.after is not None else gap.first

    def _reach(self, gap: _Gap) -> list[int]:
        forward = range(gap.first, self._furthest(gap) + 1) if gap.before in self._anchors else ()
        backward = range(self._nearest(gap), gap.last + 1) if gap.after in self._anchors else ()
        return sorted({*forward, *backward})


def _gaps(fixed: Sequence[int], length: int, start: int, direction: str) -> list[_Gap]:
    """Return the planes to fill: behind the start and onwards, then before it and back, nearest first."""
    bounds: list[int | None] = [None, *fixed, None]
    gaps = [
        _Gap(before, after, 0 if before is None else before + 1, length - 1 if after is None else after - 1)
        for before, after in pairwise(bounds)
    ]
    later = [gap for gap in gaps if gap.before is not None and gap.before >= start]
    earlier = [gap for gap in reversed(gaps) if gap.after is not None and gap.after <= start]
    return [
        gap for gap in {FORWARD: later, BACKWARD: earlier, BOTH: later + earlier}[direction] if gap.first <= gap.last
    ]


def _find(
    known: PlaneMask, shape_hw: tuple[int, int], model: MaskModel, look: Callable[[Window | None], tuple[Any, Window]]
) -> tuple[PlaneMask | None, float]:
    """Return the object on a plane that a mask of the plane before asks for, and its score.

    In a large plane a window around the object is looked at, and a larger one where it cuts the mask.
    """
    plan = WindowPlan(shape_hw, model.image_size)
    extent = max(known.mask.shape)
    window = None if plan.is_whole else plan.around(known.bounds, plan.side_for(extent, _SHARE))
    while True:
        embedding, covered = look(window)
        found, score = _ask(known, model, embedding, covered, shape_hw)
        if window is None or found is None or not plan.cuts(window, found.bounds):
            return found, score
        larger = plan.larger(window, joined(known.bounds, found.bounds))
        if larger is None:
            return found, score
        window = larger


def _ask(
    known: PlaneMask, model: MaskModel, embedding: Any, covered: Window, shape_hw: tuple[int, int]
) -> tuple[PlaneMask | None, float]:
    inside = trimmed(
        PlaneMask((0, 0), known.shifted(-covered.top, -covered.left).within((covered.height, covered.width)))
    )
    if inside is None:
        return None, 0.0
    answers = [
        model.predict(embedding, prompts_from_mask(inside, embedding.frame, **question), multimask=False)
        for question in _QUESTIONS
    ]
    votes = sum(answer.masks[0].astype(np.uint8) for answer in answers)
    # A window may stick out of the plane by less than a pixel of a coarser level.
    mask = (votes > len(answers) // 2)[: shape_hw[0] - covered.top, : shape_hw[1] - covered.left]
    found = trimmed(PlaneMask((0, 0), _touching(mask, inside.within((mask.shape[0], mask.shape[1])))))
    score = float(np.mean([answer.scores[0] for answer in answers]))
    return None if found is None else found.shifted(covered.top, covered.left), score


def _touching(mask: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the connected pieces of a mask that overlap a known one: others lie elsewhere, and would lead astray."""
    numbers, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    touched = np.unique(numbers[known & mask])
    return np.isin(numbers, touched[touched > 0])


def _why_stop(
    found: PlaneMask | None, known: PlaneMask, score: float, overlap: float, config: PropagateConfig
) -> Stop | None:
    if found is None:
        return Stop.EMPTY
    if found.area > config.max_growth * known.area:
        return Stop.GROWTH
    if overlap < config.min_overlap:
        return Stop.OVERLAP
    return Stop.SCORE if score < config.min_iou else None
