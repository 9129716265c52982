"""What the background thread is asked, and what it answers: values only, no layers."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from napari_sam.automatic.walks import Propagation
from napari_sam.geometry.window import Window
from napari_sam.gui.compute.candidates import Candidates, Piece
from napari_sam.gui.prompting.prompts import ObjectPrompts
from napari_sam.gui.view.planes import Plane
from napari_sam.gui.view.reading import Reading
from napari_sam.gui.view.visible import Visible


@dataclass(frozen=True)
class ModelChoice:
    """Which model the user wants, and how it should compute."""

    name: str = "sam_lite"
    checkpoint: Path | None = None
    device: str = "auto"
    precision: str = "auto"

    @property
    def title(self) -> str:
        """Name for the status line."""
        return self.name if self.checkpoint is None else self.checkpoint.name


class Reader(Protocol):
    """Reads one plane, as :class:`napari_sam.gui.view.reading.PlaneReader` does."""

    def __call__(self) -> NDArray[Any]:
        """Return the whole plane."""

    def window(self, window: Window) -> Reading:
        """Return a window of the plane."""


@dataclass(frozen=True, eq=False)
class SegmentJob:
    """One request: the prompts of one plane. Without prompts it only prepares the plane.

    Attributes
    ----------
    model : ModelChoice
    image : hashable
        Changes whenever the content of the image does.
    plane : Plane
    limits : tuple of float or None
        Values shown as black and white; None for RGB and for 8-bit images at their full range.
    read : callable
        Reads the plane or a window of it, and nothing else of the image.
    prompts : tuple of ObjectPrompts
        One per object, in pixels of the plane.
    choice : int or None
        Candidate the user chose.
    fingerprint : hashable
        Of the prompts, to tell whether the answer is still the wanted one.
    view_yx : tuple of int or None
        Part of the plane on the canvas, (top, left, bottom, right): says at what zoom an image is looked at that is
        too large for the model. Smaller images do not depend on it.
    """

    model: ModelChoice
    image: Hashable
    plane: Plane
    limits: tuple[float, float] | None
    read: Reader = field(repr=False)
    prompts: tuple[ObjectPrompts, ...] = ()
    choice: int | None = None
    fingerprint: Hashable = ()
    view_yx: Visible | None = None

    @property
    def key(self) -> Hashable:
        """What the embedding depends on."""
        return self.model, self.image, self.plane, self.limits


@dataclass(frozen=True, eq=False)
class PrefetchJob:
    """Encode what is likely to be needed next while nothing else is to be done.

    That is a plane the model sees as a whole, or the visible part of a larger one.
    """

    base: SegmentJob

    @property
    def key(self) -> Hashable:
        """What the embedding depends on."""
        return self.base.key


@dataclass(frozen=True, eq=False)
class WalkJob:
    """Look for an object on the next plane of a walk through the stack.

    Attributes
    ----------
    base : SegmentJob
        That plane, without prompts.
    walks : Propagation
        Where the object was found so far; not changed by the look.
    """

    base: SegmentJob
    walks: Propagation

    @property
    def key(self) -> Hashable:
        """What the embedding depends on."""
        return self.base.key


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one job.

    Attributes
    ----------
    objects : tuple of Candidates
        One per object.
    notes : tuple of str
        What to tell the user about the image as the model saw it.
    pieces : tuple of Piece
        The proposal for every choice of a candidate, ready to be written.
    decode_s : float or None
        What the decoder took for a single click; None for other prompts.
    """

    objects: tuple[Candidates, ...]
    notes: tuple[str, ...] = ()
    pieces: tuple[Piece, ...] = ()
    decode_s: float | None = None


Report = Callable[[str], None]
