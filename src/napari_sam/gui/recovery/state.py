"""What a journal says: entries in, prompts, labels and records out. Writing and reading share this one definition."""

from __future__ import annotations

import binascii
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_sam.errors import NapariSamError
from napari_sam.geometry.label_runs import LabelRuns, SparseLabels
from napari_sam.gui.objects.records import Key
from napari_sam.gui.prompting.prompts import PromptState
from napari_sam.gui.recovery.codec import Json, key_from_json, record_from_json, state_from_json
from napari_sam.io.append_log import Entry

FORMAT = "napari-sam-journal"
VERSION = 1
HEADER, PROMPTS, PIXELS, BLOCK, RECORDS = "header", "prompts", "pixels", "block", "records"
NOTES, REFERENCE, END, RESUMED = "notes", "reference", "end", "resumed"
# Written together, so that a damaged entry costs what it said and not what fits the rest no more.
_TOGETHER = (("points", "labels"), ("boxes", "shape_types", "shape_labels"), ("choices",), ("masks",))
_DAMAGE = (KeyError, TypeError, ValueError, IndexError, OverflowError, zlib.error, binascii.Error)


class JournalError(NapariSamError):
    """A journal is not one of this package, of a newer version, or its beginning is damaged."""


@dataclass(frozen=True)
class ImageIdentity:
    """What tells an image from others when it is opened again; nothing of its pixels but a hash of a few.

    Attributes
    ----------
    name : str
        Name of the layer.
    path : str or None
        File it was opened from.
    shape : tuple of int
        Spatial shape.
    dtype : str
        Type of its pixels.
    sample : str or None
        Hash of a few pixels; None where reading them would mean reading files.
    scale : tuple of float
        Size of a pixel; not part of the identity.
    unit : str or None
        Unit of ``scale``.
    """

    name: str
    path: str | None
    shape: tuple[int, ...]
    dtype: str
    sample: str | None = None
    scale: tuple[float, ...] = ()
    unit: str | None = None

    def matches(self, other: ImageIdentity) -> bool:
        """Return whether both are the same image, as far as can be told without reading it."""
        if self.shape != other.shape or self.dtype != other.dtype:
            return False
        same_name = self.name == other.name
        same_sample = self.sample == other.sample or None in (self.sample, other.sample)
        if None in (self.path, other.path):
            return same_name and same_sample
        if self.path == other.path:
            return same_name or same_sample
        # Every experiment has its img.tif: a file of the same name elsewhere is the same only by its pixels.
        return same_name and self.sample is not None and self.sample == other.sample

    def to_json(self) -> Json:
        """Return plain values."""
        return {**self.__dict__, "shape": list(self.shape), "scale": list(self.scale)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ImageIdentity:
        """Read what :meth:`to_json` gave."""
        texts = {name: None if value[name] is None else str(value[name]) for name in ("path", "sample", "unit")}
        return cls(
            name=str(value["name"]),
            shape=tuple(int(length) for length in value["shape"]),
            dtype=str(value["dtype"]),
            scale=tuple(float(step) for step in value["scale"]),
            **texts,
        )


class JournalState:
    """Prompts, labels and records of one session, built up entry by entry.

    Parameters
    ----------
    header : mapping
        First entry of the journal.

    Raises
    ------
    JournalError
        If the header is not one that this version can read.
    """

    def __init__(self, header: Entry) -> None:
        if header.get("kind") != HEADER or header.get("format") != FORMAT:
            raise JournalError("it does not begin as a journal of napari-sam does")
        if header.get("version") != VERSION:
            raise JournalError(
                f"it was written by another version of this plugin ({header.get('package', 'unknown')}): "
                "open it with that one"
            )
        try:
            self.image = ImageIdentity.from_json(header["image"])
            self.labels = SparseLabels(self.image.shape, np.dtype(str(header["labels"])))
            self.time = float(header["time"])
        except _DAMAGE as error:
            raise JournalError(f"its beginning is damaged ({error})") from error
        if len(self.image.shape) < 2:
            raise JournalError(f"it belongs to an image of shape {self.image.shape}")
        self.header: Json = dict(header)
        self.records: dict[Key, Json] = {}
        self.notes: Json = {}
        self.reference: str | None = None
        self.ended = False
        self.lost = 0
        self._prompts: Json = {}

    @property
    def prompts(self) -> PromptState:
        """The prompts, as values."""
        return state_from_json(self._prompts, len(self.image.shape))

    @property
    def prompt_count(self) -> int:
        """Number of points, shapes and masks."""
        return sum(len(self._prompts.get(name, ())) for name in ("points", "boxes", "masks"))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to recover."""
        return self.prompt_count == 0 and not self.labels.ids()

    def changed_prompts(self, wanted: Json) -> Json:
        """Return those fields of ``wanted`` that are not known yet, with those that only make sense together."""
        new = {name for name, value in wanted.items() if value != self._prompts.get(name, [])}
        groups = [group for group in _TOGETHER if new.intersection(group)]
        return {name: wanted[name] for group in groups for name in group}

    def apply(self, entry: Entry) -> None:
        """Take one more entry in; one that makes no sense is counted as lost, the others still count."""
        try:
            self._take(entry)
        except _DAMAGE:
            self.lost += 1

    def snapshot(self) -> Iterator[Json]:
        """Yield the entries of a new journal that says the same as all entries so far."""
        yield {**self.header, "labels": self.labels.dtype.str}
        if self.reference is not None:
            yield {"kind": REFERENCE, "time": self.time, "layer": self.reference}
        if self._prompts:
            yield {"kind": PROMPTS, "time": self.time, "label": "snapshot", "set": self._prompts}
        for key in sorted(self.labels.written()):
            runs = self.labels.runs(key)
            if len(runs):
                yield {"kind": BLOCK, "time": self.time, "block": key, **runs.to_json()}
        if self.records:
            yield {"kind": RECORDS, "time": self.time, "set": list(self.records.values()), "drop": []}
        if self.notes:
            yield {"kind": NOTES, "time": self.time, "set": self.notes}
        if self.ended:
            yield {"kind": END, "time": self.time}

    def _take(self, entry: Entry) -> None:
        kind = entry["kind"]
        if kind == PROMPTS:
            prompts = {**self._prompts, **entry["set"]}
            state_from_json(prompts, len(self.image.shape))
            self._prompts = prompts
        elif kind == PIXELS:
            self.labels.apply(LabelRuns.from_json(entry))
        elif kind == BLOCK:
            self.labels.set_block(int(entry["block"]), LabelRuns.from_json(entry))
        elif kind == RECORDS:
            self._take_records(entry)
        elif kind == NOTES:
            self.notes = dict(entry["set"])
        elif kind == REFERENCE:
            self.reference = str(entry["layer"])
        elif kind in (END, RESUMED):
            self.ended = kind == END
        else:
            raise ValueError(f"entries of kind {kind!r} are not known")
        self.time = float(entry["time"])

    def _take_records(self, entry: Entry) -> None:
        for key in entry["drop"]:
            self.records.pop(key_from_json(key), None)
        for value in entry["set"]:
            record = record_from_json(value)
            self.records[record.key] = dict(value)


def replay(entries: Iterable[Entry]) -> JournalState:
    """Return what the entries of a journal say.

    Raises
    ------
    JournalError
        If the first entry is not a header that this version can read.
    """
    rest = iter(entries)
    state = JournalState(next(rest, {}))
    for entry in rest:
        state.apply(entry)
    return state


def header(image: ImageIdentity, labels: np.dtype[Any], package: str, time: float) -> Json:
    """Return the first entry of a new journal."""
    return {
        "kind": HEADER,
        "format": FORMAT,
        "version": VERSION,
        "package": package,
        "time": time,
        "image": image.to_json(),
        "labels": labels.str,
    }
