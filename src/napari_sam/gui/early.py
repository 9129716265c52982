"""The mask that is shown while the model takes a closer look at a small object: there at once, sharper in a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_sam.gui.proposal import write_proposal

if TYPE_CHECKING:
    from napari_sam.gui.compute.jobs import Answer, SegmentJob
    from napari_sam.gui.session import SegmentSession
    from napari_sam.gui.view.planes import Plane


class EarlyMask:
    """Shows what was found so far. It is no answer: it cannot be committed, and the answer takes its place."""

    def __init__(self) -> None:
        self._plane: Plane | None = None

    def show(self, session: SegmentSession, job: SegmentJob, found: Answer) -> None:
        """Show what was found for a job, if it is still wanted and its plane is shown."""
        if job.plane != session.plane or not session.wants(job):
            return
        self._plane = job.plane
        piece = found.pieces[found.objects[0].shown(job.choice)]
        write_proposal(session.tools.layers.proposal, job.plane, piece, session.view)

    def end(self, session: SegmentSession, job: SegmentJob) -> None:
        """Take it back from a plane the user has left before the answer was there."""
        if job.plane == self._plane and job.plane != session.plane:
            write_proposal(session.tools.layers.proposal, job.plane, 0, session.view)
            self._plane = None
