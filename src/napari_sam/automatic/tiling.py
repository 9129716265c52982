"""Records of a plane that is too large to be seen at once: tile by tile."""

from __future__ import annotations

from functools import partial

from napari_sam.automatic.config import TileConfig
from napari_sam.automatic.contrast import is_blank, plane_limits
from napari_sam.automatic.generator import AutomaticMaskGenerator
from napari_sam.automatic.job import ModelConfig
from napari_sam.automatic.stitch import Piece, pieces_of, stitch
from napari_sam.errors import ImageError
from napari_sam.geometry.tiles import Tile, cut_tiles
from napari_sam.io.source import ImageSource
from napari_sam.model.common import Progress
from napari_sam.predict.predictor import CancelCheck
from napari_sam.types import MaskRecord

STEPS = 100
"""Parts of a tile (or a plane) in reports of progress."""

_WHOLE_SIDE = 4096  # planes up to here are not cut, if nobody asks for it
_TILE_SIDE = 2048
_MOST_PIXELS = 2**32 - 1  # a mask is written as run lengths of 32 bits


def plane_tiles(hw: tuple[int, int], config: TileConfig) -> list[Tile]:
    """Cut a plane into tiles as the parameters say; one tile where it is small enough to be seen at once.

    Parameters
    ----------
    hw : (int, int)
        Height and width of the plane.
    config : TileConfig

    Raises
    ------
    ImageError
        If the plane is so large that its masks cannot be written.
    """
    if hw[0] * hw[1] > _MOST_PIXELS:
        raise ImageError(
            f"A plane of {hw[0]} x {hw[1]} pixels is too large: masks are recorded in planes of up to "
            f"{_MOST_PIXELS:,} pixels. Cut it, or use a lower resolution."
        )
    whole = config.tile_size or _WHOLE_SIDE
    return cut_tiles(hw, max(hw) if max(hw) <= whole else config.tile_size or _TILE_SIDE, config.tile_halo)


def tiled_records(
    generator: AutomaticMaskGenerator,
    source: ImageSource,
    plane: tuple[int, ...],
    tiles: list[Tile],
    config: ModelConfig,
    progress: Progress | None,
    cancelled: CancelCheck | None,
) -> list[MaskRecord]:
    """Segment a plane tile by tile; one tile is in memory at a time.

    Parameters
    ----------
    generator : AutomaticMaskGenerator
    source : ImageSource
    plane : tuple of int
    tiles : list of Tile
    config : ModelConfig
        Which channels and values are shown.
    progress : callable, optional
        Called with (done, total), in hundredths of tiles.
    cancelled : callable, optional
        Asked between batches; True stops.

    Returns
    -------
    list of MaskRecord
        In coordinates of the plane; see :mod:`napari_sam.automatic.stitch`.

    Raises
    ------
    FileFormatError
        If the file is damaged.
    ImageError
        If the plane cannot be used as an image.
    Cancelled
        If ``cancelled`` returned True.
    """
    limits, channels = plane_limits(source, plane, config), config.shown_channels()
    pieces: list[Piece] = []
    for number, tile in enumerate(tiles):
        image = source.read(plane, tile.rows, tile.columns)
        report = None if progress is None else partial(tell_part, progress, number, len(tiles))
        if not is_blank(image):
            records = generator.generate(image, limits=limits, channels=channels, progress=report, cancelled=cancelled)
            pieces += pieces_of(records, tiles, number, source.plane_hw)
    return stitch(pieces, tiles, source.plane_hw)


def tell_part(progress: Progress, number: int, count: int, done: int, total: int) -> None:
    """Report the progress of one of several parts among that of all, in hundredths of a part."""
    progress(number * STEPS + STEPS * done // max(total, 1), count * STEPS)
