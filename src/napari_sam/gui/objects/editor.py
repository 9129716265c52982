"""Everything that writes into the objects layer: commit, re-open, delete, merge; every one a single step of undo."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from psygnal import Signal

from napari_sam.errors import PromptError
from napari_sam.gui.compute.candidates import Candidates
from napari_sam.gui.history import Edit
from napari_sam.gui.objects import wording
from napari_sam.gui.objects.classes import begin, mode_of, name_class
from napari_sam.gui.objects.draft import Draft, new_records, number_objects, plan_draft, read_draft
from napari_sam.gui.objects.find import Found, Region, find_everywhere, label_at, piece_at, region_of
from napari_sam.gui.objects.ids import IdBook
from napari_sam.gui.objects.patches import LabelPatch, apply_patch, joined_patches, plane_patch, revert_patch, window
from napari_sam.gui.objects.plan import INSTANCE, SEMANTIC, CommitSettings, Plan
from napari_sam.gui.objects.records import RecordBook, joined
from napari_sam.gui.objects.store import make_room
from napari_sam.gui.prompting.prompts import MaskPrompt, PromptState
from napari_sam.gui.view.planes import Plane

if TYPE_CHECKING:
    from napari.layers import Labels

    from napari_sam.gui.layers import RoleLayers


@dataclass(frozen=True)
class Scene:
    """What the user sees when a command is given.

    Attributes
    ----------
    state : PromptState
        The prompts.
    plane : Plane
        The plane shown.
    cursor : sequence of float
        Position of the mouse in world coordinates: without a number a command means what lies there.
    mode : str
        "instance" or "semantic"; in semantic mode what lies there is the connected piece of its class.
    made : sequence of Candidates or None
        What the model proposes on the plane.
    model : str
        Which model that is.
    is_answered : bool
        Whether what is proposed answers the prompts as they are now.
    """

    state: PromptState
    plane: Plane
    cursor: Sequence[float] = ()
    mode: str = INSTANCE
    made: Sequence[Candidates] | None = None
    model: str = ""
    is_answered: bool = True


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What is known of one objects layer."""

    ids: IdBook = field(default_factory=IdBook)
    records: RecordBook = field(default_factory=RecordBook)


class ObjectEditor:
    """Writes objects, and knows what each was made with.

    Every command returns what to tell the user, and raises PromptError where nothing can be done.

    Parameters
    ----------
    layers : callable
        Returns the layers as they are now.
    perform : callable
        Takes one step: hands its pixels to :meth:`apply`, records it in the history, and shows its prompts.
    find_layer : callable
        Returns the labels layer of an id that is still there, or None: a step is taken back where it was made.

    Attributes
    ----------
    notice : Signal(str)
        What the user should know before going on.
    """

    notice = Signal(str)

    def __init__(
        self,
        layers: Callable[[], RoleLayers],
        perform: Callable[[Edit], None],
        find_layer: Callable[[str], Labels | None] = lambda layer_id: None,
    ) -> None:
        self._layers = layers
        self._find_layer = find_layer
        self._perform = perform
        self._known: dict[str, Knowledge] = {}
        self._writing = False
        self._warned: tuple[str, str] | None = None
        self.last: tuple[int, ...] = ()

    @property
    def records(self) -> RecordBook:
        """What each object of the layer in use was made with."""
        return self._knowledge(self._layers().objects).records

    @property
    def _ids(self) -> IdBook:
        return self._knowledge(self._layers().objects).ids

    @property
    def pending(self) -> bool:
        """Whether a large lazy layer is still being looked through for the ids in use."""
        return self._ids.pending

    def prepare(self) -> None:
        """Look which ids are in use, before the first commit asks."""
        self._ids.begin(self._layers().objects)

    def close(self) -> None:
        """End what goes on in the background."""
        for known in self._known.values():
            known.ids.stop()

    def _knowledge(self, layer: Labels) -> Knowledge:
        return self._known.setdefault(str(layer.unique_id), Knowledge())

    # -- commands ----------------------------------------------------------------------------------------------------

    def commit(self, scene: Scene, settings: CommitSettings) -> str:
        """Write what the proposal layer shows; the prompts of the plane are cleared."""
        objects = self.objects()
        draft = read_draft(self._layers(), scene.state, scene.plane)
        draft, ids, plan, refused = self._planned(draft, settings)
        edited = draft.edited
        highest = self._ids.next_free(objects) - 1
        fresh = sorted({one for one in ids.values() if one > highest})
        patch = plane_patch(scene.plane, draft.top_left, draft.existing, plan.target, fresh)
        if patch is None and edited is None:
            raise PromptError(wording.nothing_text(refused, settings, edited))
        records = new_records(draft, ids, plan.target, scene.state, settings, scene.made, scene.model)
        self.check_mode(settings.mode)
        if highest == 0 or mode_of(objects) is None:
            begin(objects, settings.mode)
        if settings.mode == SEMANTIC:
            name_class(objects, settings.class_id, settings.class_name)
        written = tuple(sorted(set(ids.values())))
        label = wording.commit_label(written, edited, settings)
        after = scene.state.without(scene.plane)
        self.last = written
        self._do(Edit(label, scene.state, after, patch, self.records.change(records)))
        self.select(written[-1])
        return wording.committed_text(written, edited, patch, settings, refused)

    def edit_object(self, scene: Scene, object_id: int | None = None) -> str:
        """Open a committed object again: its pixels become a prompt, and the next commit writes the same id.

        The prompts and the choice it was made with come back if it is still what they led to.
        """
        region = self.meant(scene, object_id)
        record = self.records.get(region.id, scene.plane)
        state = scene.state.without(scene.plane)
        comes_back = (
            record is not None
            and record.as_proposed
            and record.model == scene.model
            and record.has_pixels(region.top_left, region.mask)
        )
        if comes_back and record is not None:
            state = joined(state, record.prompts).with_choice(scene.plane, record.choice)
        source = f"object {region.id}"
        mask = MaskPrompt(scene.plane, region.top_left, region.mask, region.id, source, by_prompts=comes_back)
        self._do(Edit(f"edit {source}", scene.state, state.with_mask(scene.plane, mask)))
        self.select(region.id)
        return f"Editing object {region.id}: add prompts, then commit it again. Clear leaves it as it is."

    def delete_object(self, scene: Scene, object_id: int | None = None) -> str:
        """Remove an object on all its planes; in semantic mode the connected piece under the cursor."""
        found, is_piece = self._meant_everywhere(scene, object_id)
        label = found.regions[0].id
        patch = self._repainted(found.regions, 0)
        state = scene.state
        for region in found.regions:
            mask = state.masks.get(region.plane)
            if mask is not None and mask.object_id == label:
                state = state.without(region.plane)
        change = self.records.change((), [(label, region.plane) for region in found.regions])
        self._do(Edit(f"delete object {label}", scene.state, state, patch, change))
        return wording.deleted_text(label, len(found.regions), found.everywhere, is_piece)

    def merge_objects(self, scene: Scene, ids: Sequence[int] | None = None) -> str:
        """Let objects join the first of ``ids``; without ids, the one under the cursor joins the selected one."""
        into, others = self._to_merge(scene, ids)
        if ids is None and scene.mode == SEMANTIC:
            founds = [self._meant_everywhere(scene, None)[0]]
        else:
            founds = [self.everywhere(scene.plane, one) for one in others]
        regions = [region for found in founds for region in found.regions]
        if not regions:
            raise PromptError(f"There is no {wording.ids_text(others)} on this slice.")
        patch = self._repainted(regions, into)
        change = self.records.change((), [(region.id, region.plane) for region in regions])
        state = scene.state
        for region in regions:
            mask = state.masks.get(region.plane)
            if mask is not None and mask.object_id in (into, region.id):
                state = state.without(region.plane)
        label = f"merge {wording.ids_text(others)} into {into}"
        self._do(Edit(label, scene.state, state, patch, change))
        self.select(into)
        return wording.merged_text(others, into, all(found.everywhere for found in founds))

    def check_mode(self, mode: str) -> None:
        """Tell the user, once, if the layer was begun in the other mode."""
        objects = self._layers().objects
        begun = mode_of(objects)
        if self._ids.pending:
            return
        if begun is None or begun == mode or self._ids.next_free(objects) == 1:
            self._warned = None
        elif self._warned != (str(objects.unique_id), mode):
            self._warned = (str(objects.unique_id), mode)
            self.notice.emit(wording.mode_text(begun, mode))

    def id_at(self, plane: Plane, cursor: Sequence[float]) -> int:
        """Return the id of the object under a position in world coordinates; 0 for none."""
        return label_at(self.objects(), plane, cursor)[0] if len(cursor) else 0

    # -- steps -------------------------------------------------------------------------------------------------------

    def apply(self, edit: Edit) -> int:
        """Write the pixels of a step, for the first time or again; return how many were painted over since."""
        missed, layer = 0, self._layer_of(edit)
        known = self._knowledge(layer)
        if edit.patch is not None:
            with self._silent():
                make_room(layer, max(edit.patch.ids, default=0))
                missed = apply_patch(layer, edit.patch)
            known.ids.written(edit.patch)
        if edit.records is not None:
            known.records.apply(edit.records)
        return missed

    def revert(self, edit: Edit) -> int:
        """Take the pixels of a step back; return how many were painted over since and stay."""
        missed, layer = 0, self._layer_of(edit)
        known = self._knowledge(layer)
        if edit.patch is not None:
            with self._silent():
                missed = revert_patch(layer, edit.patch)
            known.ids.taken_back(edit.patch)
        if edit.records is not None:
            known.records.revert(edit.records)
        return missed

    def on_painted(self, atoms: Iterable[Any] | None) -> None:
        """Note what somebody else wrote: napari's record of it, or None if the whole layer may have changed."""
        if self._writing:
            return
        if atoms is None:
            self._ids.forget()
            self.prepare()
        else:
            self._ids.painted(atoms)

    # -- inside ------------------------------------------------------------------------------------------------------

    @contextmanager
    def _silent(self) -> Iterator[None]:
        """Count what is written meanwhile as ours, not as painted."""
        self._writing = True
        try:
            yield
        finally:
            self._writing = False

    def _layer_of(self, edit: Edit) -> Labels:
        objects = self._layers().objects
        if edit.layer_id in ("", str(objects.unique_id)):
            return objects
        # Deleted since: its successor takes what is done again.
        return self._find_layer(edit.layer_id) or objects

    def _do(self, edit: Edit) -> None:
        self._perform(replace(edit, layer_id=str(self._layers().objects.unique_id)))

    def objects(self) -> Labels:
        """Return the layer to write to; raises PromptError if it does not fit the image any more."""
        layers = self._layers()
        shape, wanted = tuple(layers.objects.data.shape), tuple(layers.proposal.data.shape)
        if shape != wanted:
            raise PromptError(
                f"The objects layer '{layers.objects.name}' has shape {shape}, the image {wanted}: "
                "undo that change, or delete the layer to get a new one."
            )
        return layers.objects

    def _planned(self, draft: Draft, settings: CommitSettings) -> tuple[Draft, dict[int, int], Plan, dict[int, int]]:
        """Return what is written once proposed objects that are there already are left out."""
        next_free = self._ids.next_free(self.objects())
        ids = number_objects(draft, settings, next_free)
        plan = plan_draft(draft, ids, settings.overlap)
        if not plan.refused:
            return draft, ids, plan, {}
        refused = dict(plan.refused)
        draft = draft.without(refused)
        if not draft.numbers:
            raise PromptError(wording.refused_text(refused))
        ids = number_objects(draft, settings, next_free)
        return draft, ids, plan_draft(draft, ids, settings.overlap), refused

    def meant(self, scene: Scene, object_id: int | None) -> Region:
        """Return the object a command means, on the shown plane; raises PromptError where there is none."""
        objects, plane = self.objects(), scene.plane
        if object_id is None and len(scene.cursor):
            label, pixel = label_at(objects, plane, scene.cursor)
            if label:
                region = piece_at(objects, plane, pixel) if scene.mode == SEMANTIC else region_of(objects, plane, label)
                if region is not None:
                    return region
        wanted = int(objects.selected_label) if object_id is None else object_id
        found = region_of(objects, plane, wanted) if wanted > 0 else None
        if found is None:
            raise PromptError(
                wording.NO_OBJECT if object_id is None else f"There is no object {object_id} on this slice."
            )
        return found

    def _meant_everywhere(self, scene: Scene, object_id: int | None) -> tuple[Found, bool]:
        """Return the object a command means on all its planes, and whether it is a piece of a class instead."""
        if object_id is None:
            region = self.meant(scene, None)
            if scene.mode == SEMANTIC:
                return Found((region,), True), True
            object_id = region.id
        found = self.everywhere(scene.plane, object_id)
        if not found.regions:
            raise PromptError(f"There is no object {object_id}.")
        return found, False

    def everywhere(self, plane: Plane, object_id: int) -> Found:
        """Return an object on all its planes; raises PromptError for an id that no object can have."""
        if object_id <= 0:
            raise PromptError(f"Objects have ids from 1; {object_id} is background.")
        return find_everywhere(self.objects(), plane, object_id, self.records.planes(object_id))

    def _to_merge(self, scene: Scene, ids: Sequence[int] | None) -> tuple[int, list[int]]:
        if ids is None:
            into, under = int(self.objects().selected_label), self.id_at(scene.plane, scene.cursor)
            ids = [into, under]
            if under == 0 or into <= 0:
                raise PromptError("Select the object that stays, then point at the one that shall join it.")
        into, others = int(ids[0]) if ids else 0, sorted({int(one) for one in ids} - set(ids[:1]))
        if not others:
            raise PromptError("Merging takes two objects: the one that stays, and another that joins it.")
        if into <= 0 or (scene.mode == INSTANCE and not self.everywhere(scene.plane, into).regions):
            raise PromptError(f"There is no object {into} for the others to join.")
        return into, others

    def _repainted(self, regions: Sequence[Region], label: int) -> LabelPatch | None:
        patches = []
        for region in regions:
            cut = np.asarray(self.objects().data[window(region.plane, region.top_left, region.mask.shape)])
            target = np.where(region.mask & (cut == region.id), label, cut)
            patches.append(plane_patch(region.plane, region.top_left, cut, target))
        return joined_patches([patch for patch in patches if patch is not None])

    def select(self, label: int) -> None:
        """Make an object the selected label, for napari's brush and for the next command; not while painting."""
        objects = self._layers().objects
        if str(objects.mode) == "pan_zoom" and label <= np.iinfo(objects.data.dtype).max:
            objects.selected_label = label
