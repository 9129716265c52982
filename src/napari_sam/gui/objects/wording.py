"""What the user is told about objects: one place, so that the same thing is always called the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from napari_sam.automatic.walks import Stop
from napari_sam.gui.objects.patches import LabelPatch
from napari_sam.gui.objects.plan import SEMANTIC, CommitSettings

NO_OBJECT = "Point at an object, or select its number in the objects layer."
NO_STACK = "This image is a single plane: there is no other slice to go to."
NOWHERE_TO_GO = "There is no slice left to go to: the object is given on all of them."
LAYER_GONE = "Stopped: another layer takes the objects now."


def ids_text(ids: Sequence[int]) -> str:
    """Return "object 3", "objects 3 to 5" or "objects 3, 7"."""
    if len(ids) == 1:
        return f"object {ids[0]}"
    if list(ids) == list(range(ids[0], ids[-1] + 1)):
        return f"objects {ids[0]} to {ids[-1]}"
    return f"objects {', '.join(str(one) for one in ids)}"


def class_text(settings: CommitSettings) -> str:
    """Return "class 2 (nucleus)" or "class 2"."""
    return f"class {settings.class_id}" + (f" ({settings.class_name})" if settings.class_name else "")


def refused_text(refused: Mapping[int, int]) -> str:
    """Say why proposed objects are not written."""
    owners = sorted(set(refused.values()))
    return (
        f"Nearly all of it belongs to {ids_text(owners)} already: the same thing a second time? Edit that one, or set "
        "'overlap' to 'replace' to overwrite it, or to 'only background' to write the pixels that are left."
    )


def nothing_text(refused: Mapping[int, int], settings: CommitSettings, edited: int | None) -> str:
    """Say why a commit changes nothing."""
    if refused:
        return refused_text(refused)
    if settings.mode == SEMANTIC and edited is None:
        return f"These pixels are {class_text(settings)} already, or belong to other classes: 'replace' overwrites."
    return "Every pixel already belongs to an object: set 'overlap' to 'replace' to overwrite."


def committed_text(
    ids: Sequence[int],
    edited: int | None,
    patch: LabelPatch | None,
    settings: CommitSettings,
    refused: Mapping[int, int],
) -> str:
    """Say what a commit wrote."""
    if edited is not None and tuple(ids) == (edited,):
        text = _changed_text(edited, patch)
    elif settings.mode == SEMANTIC and tuple(ids) == (settings.class_id,):
        text = f"Committed to {class_text(settings)}."
    elif settings.object_id and tuple(ids) == (settings.object_id,):
        text = f"Committed to object {settings.object_id}; 'commit as' 0 begins a new one."
    else:
        text = f"Committed {ids_text(ids)}."
    return f"{text} Left out {len(refused)}. {refused_text(refused)}" if refused else text


def commit_label(ids: Sequence[int], edited: int | None, settings: CommitSettings) -> str:
    """Return what the history calls a commit."""
    if edited is not None and tuple(ids) == (edited,):
        return f"change object {edited}"
    if settings.mode == SEMANTIC and tuple(ids) == (settings.class_id,):
        return f"commit to {class_text(settings)}"
    return f"commit {ids_text(ids)}"


def deleted_text(label: int, planes: int, everywhere: bool, piece: bool) -> str:
    """Say what a deletion removed."""
    if piece:
        return f"Deleted this piece of class {label}."
    text = f"Deleted object {label}" + (f" on {planes} slices." if planes > 1 else ".")
    return text if everywhere else f"{text} Slices far from these were not looked at."


def merged_text(ids: Sequence[int], into: int, everywhere: bool) -> str:
    """Say what a merge did."""
    text = f"{ids_text(ids).capitalize()} joined object {into}."
    return text if everywhere else f"{text} Slices far from the shown one were not looked at."


def walking_text(label: int, where: str, done: int, total: int) -> str:
    """Say which slice is looked at for an object that goes through the stack."""
    return f"Object {label} goes on to {where} ({done} of {total} slices). Cancel keeps what is done."


def stopped_walk_text(label: int, slices: int) -> str:
    """Say what is left of a run that was ended."""
    return f"Object {label} was stopped; it is on {_slices(slices)} more."


def walked_text(label: int, slices: int, removed: int, stops: Mapping[str, Stop]) -> str:
    """Say where an object was found, where it was not, and why."""
    text = f"Object {label} went on to {_slices(slices)}" if slices else f"Object {label} goes on to no other slice"
    if removed:
        text += f", and from {_slices(removed)} it is gone"
    ends = "; ".join(f"{where}: {why}" for where, why in stops.items())
    return f"{text}. It ends at {ends}." if ends else f"{text}."


def mode_text(begun: str, mode: str) -> str:
    """Warn that a layer was begun in the other mode."""
    means = "an id is a class" if begun == SEMANTIC else "an id is one object"
    return (
        f"This objects layer was begun in {begun} mode, where {means}. What is there stays as it is; in {mode} mode "
        "its numbers mean something else. To keep the two apart choose '(new layer)' for 'objects in'."
    )


def _slices(number: int) -> str:
    return f"{number} slice{'' if number == 1 else 's'}"


def _changed_text(label: int, patch: LabelPatch | None) -> str:
    if patch is None:
        return f"Object {label} stays as it was."
    gained = int(np.count_nonzero(patch.new == label))
    lost = int(np.count_nonzero((patch.old == label) & (patch.new != label)))
    return f"Changed object {label}: {gained} pixels more, {lost} fewer."
