"""The parameters of segmenting everything, one dataclass per step; defaults and help texts exist here only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_sam.errors import ParameterError
from napari_sam.parameters import check_parameters, parameter

MODES = ("exact", "fast")
OVERLAPS = ("small", "large", "score")
LINKS = ("none", "z", "t")
RUNAWAYS = ("keep", "drop", "accept")

_SMALLEST_TILE = 64


class ModelDefault(float):
    """A default that suits Meta's models: where nobody set another value, a model's own takes its place.

    It is the number it says; :func:`napari_sam.automatic.job.suited` tells it from the same number typed by somebody.
    """


@dataclass(frozen=True)
class AutomaticConfig:
    """From an image to masks; names and defaults of the official ``SamAutomaticMaskGenerator``.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    points_per_side: int = parameter(
        32, "Points of the grid along each side of the image.", label="points per side", low=1, high=512, advanced=False
    )
    points_per_batch: int = parameter(
        64, "Most points handed to the model at a time; less is taken where that is faster or memory runs out.", low=1
    )
    pred_iou_thresh: float = parameter(
        ModelDefault(0.88),
        "Masks whose quality the model itself estimates at or below this are dropped; SAM's models start with 0.88, "
        "sam_lite with 0.6.",
        advanced=False,
    )
    stability_score_thresh: float = parameter(
        ModelDefault(0.95),
        "Masks that are less stable than this when the cut-off moves are dropped; SAM's models start with 0.95, "
        "sam_lite with 0.7.",
        low=0,
        high=1,
        advanced=False,
    )
    stability_score_offset: float = parameter(1.0, "How far the cut-off moves to find how stable a mask is.", low=0)
    box_nms_thresh: float = parameter(
        0.7, "Of two masks whose boxes overlap more than this (IoU) the one with the better score stays.", low=0, high=1
    )
    crop_n_layers: int = parameter(
        0, "How often to look again at zoomed-in parts: 1 adds 4 crops, 2 adds 16 more.", low=0, high=4
    )
    crop_nms_thresh: float = parameter(
        0.7, "As box_nms_thresh, between masks of different crops: smaller crops win.", low=0, high=1
    )
    crop_overlap_ratio: float = parameter(
        512 / 1500, "Overlap of neighbouring crops, as a part of the shorter side.", low=0, high=1
    )
    crop_n_points_downscale_factor: int = parameter(
        1,
        "The grid of a crop has this factor fewer points per side with each layer.",
        label="crop points factor",
        low=1,
    )
    min_mask_region_area: int = parameter(
        0, "Holes and islands of a mask with fewer pixels than this are filled and removed; 0 leaves all.", low=0
    )
    mode: Literal["exact", "fast"] = parameter(
        "exact",
        "exact: the numbers of the official code. fast: points that lie well inside a good mask are not asked again.",
        choices=MODES,
        advanced=False,
    )
    skip_iou_thresh: float = parameter(
        0.7,
        "In fast mode, the predicted quality above which a mask covers other points, which are then not asked.",
    )
    skip_stability_thresh: float = parameter(
        0.7,
        "In fast mode, how stable a mask has to be to cover other points, which are then not asked.",
        low=0,
        high=1,
    )
    skip_margin: float = parameter(
        0.25,
        "In fast mode, how far inside a mask a covered point lies, in steps of the grid. Smaller: faster, more missed.",
        low=0,
    )

    def __post_init__(self) -> None:
        check_parameters(self)


@dataclass(frozen=True)
class LabelsConfig:
    """From masks, which may overlap, to labels, which may not.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    overlap: Literal["small", "large", "score"] = parameter(
        "small",
        "Who gets a pixel of several masks: the smallest, the largest, or the one with the best score.",
        choices=OVERLAPS,
    )
    min_area: int = parameter(0, "Masks with fewer pixels are dropped.", label="smallest area", low=0, advanced=False)
    max_area: int = parameter(
        0, "Masks with more pixels are dropped; 0: no limit.", label="largest area", low=0, advanced=False
    )
    drop_border: bool = parameter(False, "Drop objects that touch the border of the image.", advanced=False)
    background_fraction: float = parameter(
        0.5,
        "A mask of at least this part of the image that touches all four sides is background, and dropped; 1 keeps it.",
        low=0,
        high=1,
    )
    min_visible: float = parameter(
        0.5,
        "A mask of which less than this part is left after others took their pixels is dropped, and so are splinters "
        "of what is left; 0 keeps every remaining pixel.",
        label="smallest visible part",
        low=0,
        high=1,
    )
    one_piece: bool = parameter(
        False, "Objects are one piece: islands of a mask, often on neighbours that look alike, are dropped."
    )

    def __post_init__(self) -> None:
        check_parameters(self)


@dataclass(frozen=True)
class StackConfig:
    """From the planes of a stack to objects of the stack.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    link: Literal["none", "z", "t"] = parameter(
        "none",
        "Link objects of neighbouring planes along z or t; none: every plane has its own.",
        choices=LINKS,
        advanced=False,
    )
    link_iou: float = parameter(
        0.3, "Overlap (IoU) from which objects of neighbouring planes are the same.", low=0, high=1
    )
    link_gap: int = parameter(1, "Planes in which an object may be missing and still be the same.", low=0, high=5)
    min_volume: int = parameter(0, "Linked objects with fewer pixels in all planes are dropped.", low=0)
    min_length: int = parameter(1, "Linked objects on fewer planes are dropped.", low=1)

    def __post_init__(self) -> None:
        check_parameters(self)


@dataclass(frozen=True)
class TileConfig:
    """How planes that are large are cut into tiles.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    tile_size: int = parameter(
        0, "Side of a tile in pixels; 0: planes of up to 4096 pixels whole, larger ones in tiles of 2048.", low=0
    )
    tile_halo: int = parameter(
        256, "Overlap of a tile with its neighbours in pixels: objects up to this size come out whole.", low=0
    )

    def __post_init__(self) -> None:
        check_parameters(self)
        if 0 < self.tile_size < _SMALLEST_TILE:
            raise ParameterError(
                f"tile_size is {self.tile_size}, but must be 0 or at least {_SMALLEST_TILE}: in smaller tiles there is "
                "nothing to recognise."
            )


@dataclass(frozen=True)
class RefineConfig:
    """What becomes of an object that the model sees elsewhere.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    """

    min_agreement: float = parameter(
        0.25,
        "A refined mask that overlaps (IoU) the one it was made from less than this has run away.",
        label="smallest agreement",
        low=0,
        high=1,
        advanced=False,
    )
    runaway: Literal["keep", "drop", "accept"] = parameter(
        "keep",
        "Where a refined mask has run away. keep: the object stays as it was. drop: it is removed. accept: no matter.",
        label="where it runs away",
        choices=RUNAWAYS,
        advanced=False,
    )

    def __post_init__(self) -> None:
        check_parameters(self)
