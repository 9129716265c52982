"""Where the objects of a plane come from: which masks, which parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from napari_sam.automatic.candidates import Candidates
from napari_sam.automatic.job import AutomaticJob

if TYPE_CHECKING:
    from napari_sam.types import MaskRecord

Mark = tuple[Any, ...]


@dataclass(frozen=True, eq=False)
class Origin:
    """What made the objects of one plane, for trying out other thresholds.

    Attributes
    ----------
    job : AutomaticJob
        The parameters that made them.
    position : tuple of int or None
        The plane; None for a whole stack.
    candidates : Candidates or None
        What the model found there, before thresholds; None where it is not known any more.
    """

    job: AutomaticJob
    position: tuple[int, ...] | None = ()
    candidates: Candidates | None = field(default=None, repr=False)

    def missing(self, job: AutomaticJob) -> list[str]:
        """Return the thresholds of a job below which the model was not asked for masks."""
        if self.candidates is None:
            return []
        floors = {
            "pred_iou_thresh": self.candidates.iou_floor,
            "stability_score_thresh": self.candidates.stability_floor,
        }
        wanted = {name: getattr(job.automatic, name) for name in floors}
        return [name for name, floor in floors.items() if wanted[name] < floor or (wanted[name] <= 0 < floor)]


def mark_of(record: MaskRecord) -> Mark:
    """Return what tells a mask from all others of its plane, whatever the thresholds."""
    return record.point_coords, record.predicted_iou, record.stability_score, record.crop_box
