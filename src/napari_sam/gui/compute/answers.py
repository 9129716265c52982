"""What has been answered so far, plane by plane: which question each proposal belongs to."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from napari_sam.gui.compute.candidates import Candidates, Piece
from napari_sam.gui.compute.engine import Answer, SegmentJob
from napari_sam.gui.view.planes import Plane


@dataclass
class PlaneAnswer:
    """What is shown on a plane: the masks are kept for the plane answered last only."""

    key: Hashable
    fingerprint: Hashable
    objects: tuple[Candidates, ...] | None
    pieces: tuple[Piece, ...] = ()


class Answers:
    """The answers of one session; only the newest keeps its masks, so that visited slices cost no memory."""

    def __init__(self) -> None:
        self._answers: dict[Plane, PlaneAnswer] = {}

    def __contains__(self, plane: Plane) -> bool:
        """Return whether a proposal of ours is shown on a plane."""
        return plane in self._answers

    def add(self, job: SegmentJob, answer: Answer) -> None:
        """Keep the answer to a job."""
        for known in self._answers.values():
            known.objects, known.pieces = None, ()
        self._answers[job.plane] = PlaneAnswer(job.key, job.fingerprint, answer.objects, answer.pieces)

    def holds(self, job: SegmentJob) -> bool:
        """Return whether the masks that answer exactly this job are there, the chosen one as good as can be."""
        objects = self.objects(job.plane) or ()
        return self.matches(job) and all(one.shown(job.choice) not in one.unsettled for one in objects)

    def matches(self, job: SegmentJob) -> bool:
        """Return whether masks for the prompts of this job are there; another window may show the chosen one better."""
        answer = self._answers.get(job.plane)
        return (
            answer is not None
            and answer.objects is not None
            and (answer.key, answer.fingerprint) == (job.key, job.fingerprint)
        )

    def objects(self, plane: Plane) -> tuple[Candidates, ...] | None:
        """Return the candidates shown on a plane, or None."""
        answer = self._answers.get(plane)
        return None if answer is None else answer.objects

    def pieces(self, plane: Plane) -> tuple[Piece, ...]:
        """Return the proposal on a plane for every choice of a candidate; empty where there is none."""
        answer = self._answers.get(plane)
        return () if answer is None else answer.pieces

    def drop(self, plane: Plane) -> None:
        """Forget the answer on a plane."""
        self._answers.pop(plane, None)

    def clear(self) -> None:
        """Forget every answer."""
        self._answers.clear()

    def outdated(self, fingerprint: Callable[[Plane], Hashable]) -> list[Plane]:
        """Return the planes whose prompts are not those that were answered."""
        return [plane for plane, answer in self._answers.items() if answer.fingerprint != fingerprint(plane)]
