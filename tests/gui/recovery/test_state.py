"""Prompts and records survive JSON exactly; a snapshot says what all entries said; damage costs what is damaged."""

from __future__ import annotations

import dataclasses
import json
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_sam.gui.recovery import content
from napari_sam.gui.recovery.codec import (
    record_from_json,
    record_to_json,
    state_from_json,
    state_to_json,
)
from napari_sam.gui.recovery.state import ImageIdentity, JournalError, JournalState, replay
from tests.gui.recovery.samples import (
    IMAGE,
    a_header,
    meaning,
    plain,
    planes,
    random_mask,
    random_record,
    random_state,
    whole,
)

SEEDS = st.integers(0, 2**32 - 1)


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@settings(deadline=None, max_examples=60)
@given(SEEDS)
def test_prompts_and_records_come_back_exactly(seed: int):
    rng = np.random.default_rng(seed)
    state = random_state(rng)
    assert plain(state_from_json(through_json(state_to_json(state)), 3)) == plain(state)
    record = random_record(rng, 5, planes(IMAGE.shape)[2])
    assert plain(record_from_json(through_json(record_to_json(record)))) == plain(record)


def test_no_field_is_forgotten():
    rng = np.random.default_rng(0)
    plane = planes(IMAGE.shape)[0]
    record, mask = random_record(rng, 5, plane), random_mask(rng, plane)
    state = dataclasses.replace(random_state(rng), masks=MappingProxyType({plane: mask}))
    written = state_to_json(state)
    assert names(state) == set(written)
    # Masks are packed under another name, and their digest follows from them.
    assert names(mask) - {"mask", "digest"} == set(written["masks"][0]) - {"shape", "pixels"}
    assert names(record) - {"shape_hw"} == set(record_to_json(record)) - {"shape"}


def names(value: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(value)}


def edits(rng: np.random.Generator, count: int) -> tuple[list[dict[str, Any]], np.ndarray[Any, Any], Any]:
    """Return the entries of a random session, and what its layers hold in the end."""
    labels, live, entries = np.zeros(IMAGE.shape, np.uint16), JournalState(a_header()), [a_header()]
    state, notes = random_state(rng), {}
    for step in range(count):
        kind = rng.integers(0, 5)
        if kind == 0:
            state = random_state(rng)
            make = content.prompts(state, "point", "push")
        elif kind == 1:
            make = content.painted(brush(rng, labels))
        elif kind == 2:
            plane = planes(IMAGE.shape)[int(rng.integers(0, 4))]
            make = content.records({(step, plane): random_record(rng, step, plane) if rng.random() < 0.7 else None})
        elif kind == 3:
            # What nobody announced, such as napari's own undo of a layer, found by comparison.
            key = int(rng.integers(0, 4))
            labels[key, 5:9] = rng.integers(0, 3, (4, 50))
            make = content.compared(labels, key)
        else:
            notes = {"mode": "semantic", "classes": {"3": f"class {step}"}}
            make = content.notes(notes)
        for entry in make(live):
            live.apply(entry)
            entries.append(through_json(entry))
    if not any(entry["kind"] == "prompts" for entry in entries):
        state = None
    return entries, labels, state


def brush(rng: np.random.Generator, labels: np.ndarray[Any, Any]) -> list[Any]:
    atoms = []
    for _ in range(int(rng.integers(0, 4))):
        index = tuple(rng.integers(0, length, 9) for length in labels.shape)
        values = rng.integers(0, 9, 9) if rng.random() < 0.5 else 7
        old = labels[index].copy()
        labels[index] = values
        # Where a pixel is named twice numpy writes one of the values; the journal takes the last, as numpy does.
        atoms.append((index, old, labels[index].copy()))
    return atoms


@settings(deadline=None, max_examples=60)
@given(SEEDS, st.integers(0, 25))
def test_the_journal_says_what_the_session_holds_and_so_does_its_snapshot(seed: int, count: int):
    entries, labels, state = edits(np.random.default_rng(seed), count)
    read = replay(entries)
    assert read.lost == 0
    np.testing.assert_array_equal(whole(read), labels)
    if state is not None:
        assert plain(read.prompts) == plain(state)
    compacted = replay(through_json(list(read.snapshot())))
    assert meaning(compacted) == meaning(read)
    assert meaning(replay(through_json(list(compacted.snapshot())))) == meaning(read)


@settings(deadline=None, max_examples=40)
@given(SEEDS, st.data())
def test_a_missing_entry_costs_what_it_said(seed: int, data: st.DataObject):
    entries, _, _ = edits(np.random.default_rng(seed), 12)
    at = data.draw(st.integers(1, max(1, len(entries) - 1)))
    read = replay([*entries[:at], {"kind": "prompts", "set": {"points": "no"}, "time": 0}, *entries[at + 1 :]])
    assert read.lost == 1
    assert read.image == IMAGE


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"kind": "new kind", "time": 1},
        {"kind": "pixels", "time": 1},
        {"kind": "pixels", "time": 1, "runs": 1, "types": ["u1"] * 3, "data": "!"},
        {"kind": "pixels", "time": 1, "runs": 1, "types": ["u1"] * 3, "data": "eJw="},
        {"kind": "block", "time": 1, "block": 99, "runs": 0, "types": ["u1"] * 3, "data": "eJwDAAAAAAE="},
        {"kind": "prompts", "time": 1, "set": {"points": [[1.0, 2.0]], "labels": ["positive"]}},
        {"kind": "prompts", "time": 1, "set": {"points": [[1, 2, 3]], "labels": []}},
        {"kind": "records", "time": 1, "set": [{"id": 1}], "drop": []},
        {"kind": "notes", "time": "yesterday", "set": {}},
    ],
)
def test_entries_that_make_no_sense_are_counted(entry: dict[str, Any]):
    read = replay([a_header(), entry])
    assert read.lost == 1
    assert read.is_empty


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "something else"}, "does not begin"),
        ({"kind": "pixels"}, "does not begin"),
        ({"version": 2, "package": "7.0"}, "another version .*7.0"),
        ({"image": {}}, "beginning is damaged"),
        ({"labels": "nonsense"}, "beginning is damaged"),
        ({"image": dataclasses.replace(IMAGE, shape=(3,)).to_json()}, "beginning is damaged|shape"),
    ],
)
def test_foreign_journals_are_refused_in_words(change: dict[str, Any], message: str):
    with pytest.raises(JournalError, match=message):
        replay([{**a_header(), **change}])
    with pytest.raises(JournalError, match="does not begin"):
        replay([])


def identity(**changes: Any) -> ImageIdentity:
    return dataclasses.replace(IMAGE, **changes)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (identity(), identity(), True),
        (identity(), identity(name="renamed"), True),
        (identity(), identity(path=None), True),
        (identity(), identity(path="/elsewhere/cells.tif"), False),
        (identity(sample="a"), identity(sample="a", path="/elsewhere/cells.tif"), True),
        (identity(), identity(path=None, name="renamed"), False),
        (identity(), identity(shape=(4, 40, 51)), False),
        (identity(), identity(dtype="uint8"), False),
        (identity(path=None, sample="a"), identity(path=None, sample="b"), False),
        (identity(path=None, sample="a"), identity(path=None, sample="a"), True),
        (identity(path=None, sample="a"), identity(path=None, sample="a", name="renamed"), False),
        (identity(sample="a"), identity(sample="b"), True),
        (identity(sample="a", name="red"), identity(sample="b", name="green"), False),
    ],
)
def test_which_images_are_the_same(one: ImageIdentity, other: ImageIdentity, same: bool):
    assert one.matches(other) is other.matches(one) is same
