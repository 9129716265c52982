"""The model as the widget uses it: candidates of one plane, or the finished objects of one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.job import AutomaticJob, ModelConfig
from napari_sam.gui.automatic.hints import POINTS, PlaneHints
from napari_sam.gui.compute.embeddings import memory_for_embeddings
from napari_sam.gui.compute.quiet_import import collector_at_rest, import_torch

if TYPE_CHECKING:
    from napari_sam.automatic.plane import PlaneResult
    from napari_sam.io.source import ImageSource
    from napari_sam.predict.predictor import Predictor

Report = Callable[[str], None]
Fraction = Callable[[int, int], None]
Check = Callable[[], bool]

# By how much a threshold can be lowered without asking the model again. Every mask that is kept for it costs: of those
# below the threshold the exact area is not computed otherwise.
ROOM = 0.15
# Objects that are asked about before the next look at what was found.
AT_ONCE = 32


@dataclass(frozen=True)
class Watch:
    """How far a computation is, and whether to stop it."""

    progress: Fraction
    cancelled: Check


class Segmenter(Protocol):
    """What the background thread asks; results are those of the command line."""

    def keeps_candidates(self, source: ImageSource, job: AutomaticJob) -> bool:
        """Return whether a plane is segmented in one go, so that its thresholds can be changed afterwards."""

    def candidates(
        self, source: ImageSource, plane: tuple[int, ...], job: AutomaticJob, watch: Watch
    ) -> Iterator[Candidates]:
        """Yield the masks of a plane, batch by batch, before thresholds."""

    def asked(
        self, source: ImageSource, plane: tuple[int, ...], job: AutomaticJob, hints: PlaneHints, watch: Watch
    ) -> Iterator[Candidates]:
        """Yield a mask for each point or box of a plane, batch by batch, before thresholds."""

    def refined(
        self, source: ImageSource, plane: tuple[int, ...], job: AutomaticJob, hints: PlaneHints, watch: Watch
    ) -> PlaneResult:
        """Return the objects of a plane of labels, with their ids and better outlines."""

    def plane(self, source: ImageSource, plane: tuple[int, ...], job: AutomaticJob, watch: Watch) -> PlaneResult:
        """Return the objects of a plane."""


SegmenterFactory = Callable[[ModelConfig, Report], Segmenter]


class NetworkSegmenter:
    """The real one.

    Parameters
    ----------
    predictor : Predictor
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def keeps_candidates(self, source: ImageSource, job: AutomaticJob) -> bool:
        """Return whether a plane is not cut into tiles."""
        from napari_sam.automatic.tiling import plane_tiles

        return len(plane_tiles(source.plane_hw, job.tiles)) == 1

    def candidates(
        self, source: ImageSource, plane: tuple[int, ...], job: AutomaticJob, watch: Watch
    ) -> Iterator[Candidates]:
        """Yield the masks of a plane down to the floors."""
        from napari_sam.automatic.generator import AutomaticMaskGenerator

        generator = AutomaticMaskGenerator(self._predictor, job.automatic)
        yield from generator.iter_candidates(
            source.read(plane),
            limits=job.model.shown_limits(),
            channels=job.model.shown_channels(),
            iou_floor=floor_of(job.automatic.pred_iou_thresh),
            stability_floor=floor_of(job.automatic.stability_score_thresh),
            progress=watch.progress,
            cancelled=watch.cancelled,
        )

    def asked(
        self, source: ImageSource, plane: tuple[int, ...], job: AutomaticJob, hints: PlaneHints, watch: Watch
    ) -> Iterator[Candidates]:
        """Yield the best mask for each point or box."""
        from napari_sam.automatic.prompted import candidates_from_boxes, candidates_from_points

        embedding = self._predictor.encode(
            source.read(plane),
            limits=job.model.shown_limits(),
            channels=job.model.shown_channels(),
            cancelled=watch.cancelled,
        )
        ask = candidates_from_points if hints.kind == POINTS else candidates_from_boxes
        for start in range(0, len(hints.values), AT_ONCE):
            few = hints.values[start : start + AT_ONCE]
            yield ask(self._predictor, embedding, few, cancelled=watch.cancelled).best().candidates
            watch.progress(start + len(few), len(hints.values))

    def refined(
        self, source: ImageSource, plane: tuple[int, ...], job: AutomaticJob, hints: PlaneHints, watch: Watch
    ) -> PlaneResult:
        """Return the objects of a plane of labels, with their ids and the outlines that the model sees."""
        from napari_sam.automatic.refine import segment_plane_from_labels

        return segment_plane_from_labels(
            self._predictor,
            source,
            plane,
            hints.values,
            job,
            progress=watch.progress,
            cancelled=watch.cancelled,
        )

    def plane(self, source: ImageSource, plane: tuple[int, ...], job: AutomaticJob, watch: Watch) -> PlaneResult:
        """Return the objects of a plane as the command line computes them."""
        from napari_sam.automatic.plane import segment_plane

        return segment_plane(self._predictor, source, plane, job, progress=watch.progress, cancelled=watch.cancelled)


def floor_of(threshold: float) -> float:
    """Return down to where masks are kept for a threshold; 0 and below switch the threshold off."""
    return max(threshold - ROOM, 0.0) if threshold > 0 else float("-inf")


def load_segmenter(model: ModelConfig, on_message: Report) -> NetworkSegmenter:
    """Load the real model; torch is imported here, in the background thread, and not before."""
    import_torch()
    with collector_at_rest():
        from napari_sam.automatic.models import predictor_for
        from napari_sam.predict.cache import EmbeddingCache

    predictor: Any = predictor_for(model, on_message)
    # Another grid or another preset on the same plane: the encoder need not run again.
    predictor.cache = EmbeddingCache(memory_for_embeddings())
    return NetworkSegmenter(predictor)
