"""One object through a stack, without a viewer: masks on some planes in, masks on the others out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_sam.automatic.walks import BOTH, PropagateConfig, Propagation, Step, Stop
from napari_sam.errors import ImageError, PromptError
from napari_sam.geometry.masks import PlaneMask, trimmed
from napari_sam.geometry.window import Window, WindowPlan
from napari_sam.io.array_source import array_source
from napari_sam.io.source import ImageSource
from napari_sam.model.common import Progress
from napari_sam.predict.embedding import Embedding
from napari_sam.predict.predictor import CancelCheck, Predictor
from napari_sam.predict.preprocess import Channels, Limits, to_uint8_rgb

__all__ = ["PropagateConfig", "Step", "Stop", "propagate_object"]


def propagate_object(
    predictor: Predictor,
    stack: ImageSource | Any,
    masks: Mapping[int, ArrayLike],
    config: PropagateConfig | None = None,
    *,
    along: str | None = None,
    at: Sequence[int] = (),
    axes: str | None = None,
    direction: str = BOTH,
    limits: Limits | None = None,
    channels: Channels | None = None,
    progress: Progress | None = None,
    cancelled: CancelCheck | None = None,
) -> Iterator[Step]:
    """Find an object on the planes between and beyond those where it is known.

    Parameters
    ----------
    predictor : Predictor
    stack : ImageSource or array-like
        At least one axis besides rows, columns and channels. Only the planes looked at are read, and of large ones
        only a window around the object.
    masks : mapping of int to array-like of bool, shape (H, W)
        The object on one plane or several, by the number of the plane. These are taken as they are: the planes between
        two of them are filled from both sides.
    config : PropagateConfig, optional
        When to stop; the defaults when left out.
    along : str, optional
        Letter of the axis to walk along; the last of those that stack planes when left out.
    at : sequence of int
        Position along the other axes that stack planes, such as the time point of a z-stack.
    axes : str, optional
        One letter per dimension of an array; guessed when left out.
    direction : {"both", "forward", "backward"}
        Where to go from the first of the masks ("backward": from the last).
    limits : (low, high) or one pair per channel, optional
        Values shown as black and white. Left out, percentiles around the object on a plane with a mask, the same for
        all planes: what fades out is not made bright again. uint8 passes unchanged.
    channels : int or sequence of int, optional
        Channels shown to the model.
    progress : callable, optional
        Called with (done, total) after each plane.
    cancelled : callable, optional
        Asked before each plane and between the blocks of the encoder.

    Yields
    ------
    Step
        For every plane looked at, in the order they were looked at. ``mask`` is None where a walk ended, and
        ``stopped`` says why; the planes in ``masks`` are not among them.

    Raises
    ------
    PromptError
        If a mask is empty, of another size, or on a plane that does not exist.
    ImageError
        If there is no such axis.
    FileFormatError
        If a plane cannot be read.
    Cancelled
        If ``cancelled`` returned True; what was yielded before stays valid.
    """
    planes = _Planes(predictor, stack if _is_source(stack) else array_source(stack, axes), along, at, cancelled)
    anchors = planes.anchors(masks)
    start = max(anchors) if direction == "backward" else min(anchors)
    planes.prepare(start, anchors[start], limits, channels)
    walks = Propagation(planes.shape_hw, planes.length, anchors, config or PropagateConfig(), start, direction)
    return _steps(walks, planes, progress)


def _steps(walks: Propagation, planes: _Planes, progress: Progress | None) -> Iterator[Step]:
    while walks.position is not None:
        step = walks.look(planes.predictor, planes.look)
        walks.advance(step.mask)
        if progress is not None:
            progress(*walks.progress)
        yield step


class _Planes:
    """The planes along one axis of an image."""

    def __init__(
        self,
        predictor: Predictor,
        source: ImageSource,
        along: str | None,
        at: Sequence[int],
        cancelled: CancelCheck | None,
    ) -> None:
        self.predictor = predictor
        self.shape_hw = source.plane_hw
        self._source = source
        self._cancelled = cancelled
        self._limits: Limits | None = None
        self._channels: Channels | None = None
        names = source.stack_axes
        wanted = names[-1:] if along is None else along.upper()
        if len(wanted) != 1 or wanted not in names:
            raise ImageError(
                f"{source.name} has axes {source.axes}: there is no axis {along or 'of planes'} to follow."
            )
        self._axis = names.index(wanted)
        self._at = tuple(int(index) for index in at)
        if len(self._at) != len(names) - 1:
            others = names.replace(wanted, "")
            raise ImageError(
                f"{source.name} has axes {source.axes}: `at` must say where along {', '.join(others) or 'no other'}, "
                f"{len(others)} number(s), got {len(self._at)}."
            )
        self.length = source.stack_shape[self._axis]

    def anchors(self, masks: Mapping[int, ArrayLike]) -> dict[int, PlaneMask]:
        """Return the masks that are given, each as large as the object.

        Raises
        ------
        PromptError
            If one cannot be used, or there is none.
        """
        if not masks:
            raise PromptError("There is no mask to begin at; give the object on at least one plane.")
        return {int(plane): self._anchor(int(plane), np.asarray(mask)) for plane, mask in masks.items()}

    def _anchor(self, plane: int, mask: NDArray[Any]) -> PlaneMask:
        if not 0 <= plane < self.length:
            raise PromptError(f"There is a mask for plane {plane}, but the planes are 0 to {self.length - 1}.")
        if mask.shape != self.shape_hw:
            raise PromptError(f"The mask of plane {plane} has shape {mask.shape}, the plane {self.shape_hw}.")
        found = trimmed(PlaneMask((0, 0), mask != 0))
        if found is None:
            raise PromptError(f"The mask of plane {plane} is empty; leave the plane out.")
        return found

    def prepare(self, plane: int, mask: PlaneMask, limits: Limits | None, channels: Channels | None) -> None:
        """Settle how all planes are shown to the model."""
        self._channels, self._limits = channels, limits
        if limits is None:
            plan = WindowPlan(self.shape_hw, self.predictor.image_size)
            pixels = self._read(plane, plan.whole if plan.is_whole else plan.around(mask.bounds))
            found = to_uint8_rgb(pixels, None, channels)[1].limits
            self._limits = found[0] if len(found) == 1 else found or None

    def look(self, plane: int, window: Window | None) -> tuple[Embedding, Window]:
        """Encode a window of a plane, or the whole of it."""
        covered = Window(0, 0, *self.shape_hw) if window is None else window
        pixels = self._read(plane, covered)
        embedding = self.predictor.encode(
            pixels, limits=self._limits, channels=self._channels, cancelled=self._cancelled
        )
        return embedding, covered

    def _read(self, plane: int, window: Window) -> NDArray[Any]:
        index = (*self._at[: self._axis], plane, *self._at[self._axis :])
        return self._source.read(index, slice(window.top, window.bottom), slice(window.left, window.right))


def _is_source(stack: object) -> bool:
    return hasattr(stack, "stack_axes") and hasattr(stack, "read")
