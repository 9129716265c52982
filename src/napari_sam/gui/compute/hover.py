"""The mask that a click where the mouse is now would give.

It is asked only where the answer costs nothing but the decoder: the embedding must be there already.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.gui.compute.asking import keep_pieces
from napari_sam.gui.compute.candidates import PredictorLike, is_ambiguous
from napari_sam.types import Prompts

if TYPE_CHECKING:
    from napari_sam.gui.compute.jobs import SegmentJob
    from napari_sam.gui.view.planes import Plane


@dataclass(frozen=True, eq=False)
class HoverJob:
    """The mouse over one place of a plane. It never leads to reading or encoding, and gives way to every other job.

    Attributes
    ----------
    base : SegmentJob
        The job that prepares the plane, without prompts: says which embedding is needed.
    point_yx : tuple of float
        Where the mouse is, in pixels of the plane.
    clicked_only : bool
        Whether only the piece of the mask under the mouse is wanted, as for a click.
    """

    base: SegmentJob
    point_yx: tuple[float, float]
    clicked_only: bool = False

    @property
    def key(self) -> Hashable:
        """The embedding that is needed."""
        return self.base.key

    @property
    def plane(self) -> Plane:
        """The plane under the mouse."""
        return self.base.plane


@dataclass(frozen=True, eq=False)
class HoverAnswer:
    """What a click would give.

    Attributes
    ----------
    drawing : ndarray of uint8, shape (h, w), or None
        The mask within its bounding box, 1 inside and 2 along its outline; None where no embedding covers the place
        or the mask is empty.
    top_left : tuple of int
        Row and column of the drawing's first pixel in the plane.
    seconds : float
        What the model took; 0 where it was not asked.
    """

    drawing: NDArray[np.uint8] | None
    top_left: tuple[int, int] = (0, 0)
    seconds: float = 0.0


NOTHING = HoverAnswer(None)
INSIDE, OUTLINE = 1, 2
OUTLINES = 400  # as many outlines side by side fill the longer side of what was encoded


def is_one_click(job: SegmentJob) -> bool:
    """Return whether a job asks what the preview does, for one mask from one click."""
    if len(job.prompts) != 1 or job.prompts[0].mask is not None:
        return False
    return is_ambiguous(job.prompts[0].prompts)


def preview(
    predictor: PredictorLike,
    embedding: Any,
    job: HoverJob,
    window_top_left: tuple[int, int] = (0, 0),
    stopped: Callable[[], bool] = lambda: False,
) -> HoverAnswer:
    """Return the mask a click would give: the best of three, as for a first click.

    Parameters
    ----------
    predictor : PredictorLike
    embedding : Embedding
        Of the plane, or of a window of it.
    job : HoverJob
    window_top_left : tuple of int
        Where in the plane the encoded window begins.
    stopped : callable
        Whether the answer is not wanted any more; then it is empty.
    """
    if stopped():
        return NOTHING
    start = time.perf_counter()
    at = np.subtract(job.point_yx, window_top_left)
    prediction = predictor.predict(embedding, Prompts([at], [1]), multimask=True)
    mask = prediction.masks[prediction.best]
    if job.clicked_only:
        mask = keep_pieces(mask, np.round([at]).astype(int))
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return HoverAnswer(None, seconds=time.perf_counter() - start)
    top, left = int(rows[0]), int(columns[0])
    part = mask[top : int(rows[-1]) + 1, left : int(columns[-1]) + 1]
    drawing = outlined(part, max(1, round(max(mask.shape) / OUTLINES)))
    corner = (top + window_top_left[0], left + window_top_left[1])
    return HoverAnswer(drawing, corner, time.perf_counter() - start)


def outlined(mask: NDArray[np.bool_], thickness: int) -> NDArray[np.uint8]:
    """Return 1 inside a mask and 2 along its outline, which lies within the mask."""
    from scipy import ndimage

    inner = ndimage.minimum_filter(mask.astype(np.uint8), 2 * thickness + 1, mode="constant")
    return np.where(inner > 0, np.uint8(INSIDE), np.uint8(OUTLINE)) * mask
