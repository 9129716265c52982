"""Importing torch in the background: the garbage collector rests, and is itself again afterwards."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from napari_sam.gui.compute.quiet_import import collector_at_rest


class Node:
    def __init__(self) -> None:
        self.itself = self


def test_nothing_is_collected_meanwhile_and_garbage_is_found_afterwards():
    collections: list[str] = []

    def note(phase: str, info: dict[str, int]) -> None:
        collections.append(phase)

    gc.callbacks.append(note)
    try:
        with collector_at_rest():
            garbage = weakref.ref(Node())
            made = [Node() for _ in range(5000)]
            during = list(collections)
    finally:
        gc.callbacks.remove(note)
    assert len(made) == 5000
    assert during == []
    assert gc.isenabled()
    assert garbage() is not None
    gc.collect()
    assert garbage() is None


def test_what_was_made_is_not_looked_at_again_by_the_next_young_collections():
    with collector_at_rest():
        made = [[] for _ in range(5000)]
    young = {id(one) for generation in (0, 1) for one in gc.get_objects(generation)}
    assert not any(id(one) in young for one in made)


def test_a_collector_that_was_off_stays_off_and_an_error_leaves_it_on():
    gc.disable()
    try:
        with collector_at_rest():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
    with pytest.raises(ImportError), collector_at_rest():
        raise ImportError
    assert gc.isenabled()


def test_objects_frozen_by_somebody_else_stay_frozen():
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with collector_at_rest():
            pass
        assert gc.get_freeze_count() == pytest.approx(frozen, rel=0.1)
    finally:
        gc.unfreeze()


def test_torch_is_imported_whole_in_another_thread():
    program = (
        "import threading; from napari_sam.gui.compute.quiet_import import import_torch\n"
        "thread = threading.Thread(target=import_torch); thread.start(); thread.join()\n"
        "import_torch(); import torch; print(torch.ones(2, 3).matmul(torch.ones(3)).sum().item())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "6.0", done.stderr
