"""A commit before it is one: what the proposal shows on a plane, over what, and which prompts it was made with."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.errors import PromptError
from napari_sam.gui.compute.candidates import Candidates
from napari_sam.gui.objects.patches import bounding_box, distinct, window
from napari_sam.gui.objects.plan import SEMANTIC, CommitSettings, Plan, plan_commit
from napari_sam.gui.objects.records import ObjectRecord, only
from napari_sam.gui.prompting.prompts import NEGATIVE, POSITIVE, MaskPrompt, ObjectPrompts, PromptState, prompts_on
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari_sam.gui.layers import RoleLayers


@dataclass(frozen=True, eq=False)
class Draft:
    """The smallest rectangle of a plane that a commit concerns.

    Attributes
    ----------
    plane : Plane
    top_left : tuple of int
        (row, column) of the rectangle's first pixel in the plane.
    proposal, existing : ndarray of int, shape (h, w)
        What is proposed, and the objects that are there.
    asked : tuple of ObjectPrompts
        What was asked about the proposed objects 1, 2, ...; painted ones have no prompts.
    mask : MaskPrompt or None
        The existing mask among the prompts: an object that was opened for editing, or one of another layer.
    """

    plane: Plane
    top_left: tuple[int, int]
    proposal: NDArray[Any]
    existing: NDArray[Any]
    asked: tuple[ObjectPrompts, ...]
    mask: MaskPrompt | None

    @cached_property
    def numbers(self) -> tuple[int, ...]:
        """The proposed objects."""
        return distinct(self.proposal.ravel())

    @cached_property
    def edited(self) -> int | None:
        """Id of the object that is proposed in a new shape, or None."""
        return next((one for number in self.numbers if (one := self.id_asked(number)) is not None), None)

    def id_asked(self, number: int) -> int | None:
        """Return the id of the edited object if this is it."""
        return self.asked[number - 1].object_id if number <= len(self.asked) else None

    def without(self, numbers: Collection[int]) -> Draft:
        """Return the draft without some of the proposed objects."""
        return replace(self, proposal=np.where(np.isin(self.proposal, list(numbers)), 0, self.proposal))

    def given_up(self) -> dict[int, NDArray[np.bool_]]:
        """Return the pixels that were opened for editing, by id."""
        if self.mask is None or self.edited is None:
            return {}
        whole = np.zeros(self.existing.shape, bool)
        (top, left), (height, width) = self.mask.top_left, self.mask.mask.shape
        top, left = top - self.top_left[0], left - self.top_left[1]
        whole[top : top + height, left : left + width] = self.mask.mask
        return {self.edited: whole}


def read_draft(layers: RoleLayers, state: PromptState, plane: Plane) -> Draft:
    """Return what a commit on a plane would concern.

    Raises
    ------
    PromptError
        If nothing is proposed.
    """
    proposal = np.asarray(layers.proposal.data[plane.slicer])
    box = bounding_box(proposal)
    if box is None:
        raise PromptError("There is nothing to commit: click an object first.")
    mask = state.masks.get(plane)
    if mask is not None and mask.object_id is not None:
        box = _around(box, (mask.top_left, mask.mask.shape))
    top_left, shape = box
    cut = proposal[top_left[0] : top_left[0] + shape[0], top_left[1] : top_left[1] + shape[1]]
    existing = np.asarray(layers.objects.data[window(plane, top_left, shape)])
    return Draft(plane, top_left, cut, existing, prompts_on(state, plane).objects, mask)


def number_objects(draft: Draft, settings: CommitSettings, next_free: int) -> dict[int, int]:
    """Return the id to write for every proposed object.

    Raises
    ------
    PromptError
        If several objects would share an id that is meant for one.
    """
    ids: dict[int, int] = {}
    chosen = settings.class_id if settings.mode == SEMANTIC else settings.object_id
    for number in draft.numbers:
        asked = draft.id_asked(number)
        if asked is None and settings.mode != SEMANTIC and chosen in ids.values():
            raise PromptError(f"Several objects cannot all be object {chosen}: set 'commit as' to 0 for new ids.")
        ids[number] = asked or chosen or next_free
        next_free += ids[number] == next_free
    return ids


def plan_draft(draft: Draft, ids: Mapping[int, int], overlap: str) -> Plan:
    """Return what the rectangle holds after the commit."""
    table = [ids.get(number, 0) for number in range(1, max(ids, default=0) + 1)]
    return plan_commit(draft.proposal, draft.existing, table, overlap, draft.given_up())


def new_records(
    draft: Draft,
    ids: Mapping[int, int],
    target: NDArray[np.uint32],
    state: PromptState,
    settings: CommitSettings,
    made: Sequence[Candidates] | None,
    model: str,
) -> list[ObjectRecord]:
    """Return what to remember of the objects of a draft; of several that share an id, the last."""
    records = []
    for number, object_id in ids.items():
        box = bounding_box(target == object_id)
        if box is None:
            continue
        (top, left), (height, width) = box
        mask = target[top : top + height, left : left + width] == object_id
        candidates = made[number - 1] if made is not None and number <= len(made) else None
        choice = state.choices.get(draft.plane)
        shown = None if candidates is None else candidates.shown(choice)
        records.append(
            ObjectRecord(
                id=object_id,
                plane=draft.plane,
                prompts=_prompts_of(draft, number, state),
                choice=choice,
                score=None if candidates is None else float(candidates.prediction.scores[shown]),
                model=model,
                class_id=settings.class_id if settings.mode == SEMANTIC else None,
                class_name=settings.class_name if settings.mode == SEMANTIC else "",
                top_left=(draft.top_left[0] + top, draft.top_left[1] + left),
                shape_hw=(height, width),
                packed=np.packbits(mask),
                as_proposed=_is_as_proposed(draft, number, candidates, choice),
            )
        )
    return records


def _prompts_of(draft: Draft, number: int, state: PromptState) -> PromptState:
    """Return the prompts of one object: as they were drawn, or from what was asked if they are among others'."""
    if len(draft.asked) == 1:
        return only(state, draft.plane)
    prompts = draft.asked[number - 1].prompts if number <= len(draft.asked) else None
    points = None if prompts is None else prompts.points_yx
    box = None if prompts is None else prompts.box_yxyx
    labels: Sequence[int] = () if prompts is None or prompts.labels is None else prompts.labels.tolist()
    corners = [] if box is None else [draft.plane.to_data(box[[[0, 1], [0, 3], [2, 3], [2, 1]]])]
    return PromptState(
        points=draft.plane.to_data(np.empty((0, 2)) if points is None else points),
        labels=tuple(POSITIVE if label else NEGATIVE for label in labels),
        boxes=tuple(corners),
        shape_types=("rectangle",) * len(corners),
    )


def _is_as_proposed(draft: Draft, number: int, candidates: Candidates | None, choice: int | None) -> bool:
    """Return whether the prompts alone, which the record keeps, lead to the mask that is proposed."""
    if candidates is None or number > len(draft.asked):
        return False
    asked = draft.asked[number - 1]
    if asked.prompts.is_empty or (asked.mask is not None and (draft.mask is not None or len(draft.asked) > 1)):
        return False
    mask = candidates.prediction.masks[candidates.shown(choice)]
    painted = draft.proposal == number
    top, left = (draft.top_left[axis] - candidates.top_left[axis] for axis in range(2))
    if top < 0 or left < 0:
        return False
    cut = mask[top : top + painted.shape[0], left : left + painted.shape[1]]
    return np.array_equal(cut, painted) and np.count_nonzero(mask) == np.count_nonzero(painted)


def _around(
    one: tuple[tuple[int, int], tuple[int, ...]], other: tuple[tuple[int, int], tuple[int, ...]]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the smallest rectangle around two, each given as first pixel and shape."""
    first = [min(one[0][axis], other[0][axis]) for axis in range(2)]
    last = [max(one[0][axis] + one[1][axis], other[0][axis] + other[1][axis]) for axis in range(2)]
    return (first[0], first[1]), (last[0] - first[0], last[1] - first[1])
