"""The journal in its thread: nothing before there is something, nothing lost, and a disk that says no."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_sam.gui.prompting.prompts import PromptState
from napari_sam.gui.recovery import content, journal
from napari_sam.gui.recovery.folder import JournalFile, JournalFolder
from napari_sam.gui.recovery.journal import Journal
from napari_sam.gui.recovery.offers import Offer, Unreadable, find_offers, read_offer
from napari_sam.gui.recovery.state import JournalState, replay
from napari_sam.io import append_log
from napari_sam.io.append_log import read_log
from tests.gui.recovery.samples import a_header, meaning, plain, random_state

Told = list[str]


@pytest.fixture
def folder(tmp_path: Path) -> JournalFolder:
    return JournalFolder(tmp_path / "journals")


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
def begin(folder: JournalFolder, told: Told) -> Iterator[Callable[..., Journal]]:
    made: list[Journal] = []

    def begin(file: JournalFile | None = None) -> Journal:
        made.append(Journal(file or folder.new(), a_header(), told.append))
        return made[-1]

    yield begin
    for each in made:
        each._executor.shutdown(wait=True)
        each._file.release()


def painted(position: int, value: int = 7) -> Any:
    index = tuple(np.array([at]) for at in np.unravel_index(position, (4, 40, 50)))
    return content.painted([(index, np.zeros(1), value)])


def read(folder: JournalFolder) -> JournalState:
    (path,) = folder.path.glob("*.jsonl")
    return replay(read_log(path).entries)


def no_prompts() -> PromptState:
    return PromptState(points=np.empty((0, 3)))


def test_nothing_is_written_before_there_is_something(begin: Callable[..., Journal], folder: JournalFolder):
    one = begin()
    one.submit(content.prompts(no_prompts(), "begin", ""))
    assert not one.flush(5)
    assert not folder.path.exists()
    one.submit(painted(3))
    assert one.flush(5)
    assert read(folder).labels.ids() == {7}
    one.close()


def test_an_empty_end_leaves_nothing_behind(begin: Callable[..., Journal], folder: JournalFolder):
    one = begin()
    one.submit(content.prompts(random_state(np.random.default_rng(1)), "point", "push"))
    assert one.flush(5)
    assert read(folder).prompt_count > 0
    one.close()
    assert list(folder.path.iterdir()) == [], "no journal, no lock"


def test_objects_are_kept_at_the_end_and_discarded_on_demand(begin: Callable[..., Journal], folder: JournalFolder):
    one = begin()
    one.submit(painted(3))
    one.close()
    (offer,) = find_offers(folder)
    assert isinstance(offer, Offer)
    assert not offer.crashed
    assert "Perhaps not saved: Recover 1 object of 'cells' from" in offer.question
    two = begin(offer.file)
    two.submit(painted(4))
    two.close(discard=True)
    assert list(folder.path.glob("*.jsonl")) == []


def test_a_running_session_is_not_offered_a_dead_one_is(begin: Callable[..., Journal], folder: JournalFolder):
    one = begin()
    one.submit(painted(3))
    assert one.flush(5)
    assert find_offers(folder) == []
    one._executor.shutdown(wait=True)
    one._file.release()  # what the operating system does for a process that dies
    (offer,) = find_offers(folder)
    assert isinstance(offer, Offer)
    assert offer.crashed
    assert "ended unexpectedly" in offer.question
    assert offer.file.acquire()
    assert find_offers(folder) == [], "somebody is recovering it"
    offer.file.release()


def test_a_journal_is_continued(begin: Callable[..., Journal], folder: JournalFolder):
    one = begin()
    state = random_state(np.random.default_rng(3))
    one.submit(content.prompts(state, "point", "push"))
    one.submit(painted(3))
    one.close()
    two = begin(folder.named(one.name))
    two.submit(painted(4, 9))
    assert two.flush(5)
    now = read(folder)
    assert now.labels.ids() == {7, 9}
    assert plain(now.prompts) == plain(state)
    assert not now.ended


def test_a_damaged_journal_is_not_continued_but_left(begin: Callable[..., Journal], folder: JournalFolder, told: Told):
    damaged = folder.new()
    damaged.path.parent.mkdir(parents=True)
    damaged.path.write_bytes(b"nonsense\n")
    one = begin(damaged)
    one.submit(painted(4, 9))
    assert one.flush(5)
    assert damaged.path.read_bytes() == b"nonsense\n"
    assert len(list(folder.path.glob("*.jsonl"))) == 2
    assert "cannot be continued" in told[0]
    one.close(discard=True)
    (offer,) = find_offers(folder)
    assert isinstance(offer, Unreadable)
    assert "does not begin as a journal" in offer.text
    assert str(damaged.path) in offer.text
    assert damaged.path.exists(), "never deleted silently"


def test_compaction_keeps_the_size_bounded_and_the_meaning(
    begin: Callable[..., Journal], folder: JournalFolder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(journal, "COMPACT_ABOVE", 6_000)
    one, rng, sizes = begin(), np.random.default_rng(0), []
    for number in range(200):
        one.submit(content.prompts(random_state(rng), "point", "push"))
        one.submit(painted(number % 20, number + 1))
        if number % 10 == 0:
            one.flush(5)
            sizes.append(next(folder.path.glob("*.jsonl")).stat().st_size)
    assert one.flush(5)
    assert one._state is not None
    assert meaning(read(folder)) == meaning(one._state)
    assert read(folder).labels.ids() == set(range(181, 201))
    assert max(sizes) < 20_000
    one.close()


def test_what_is_idle_comes_last_and_always(begin: Callable[..., Journal], folder: JournalFolder):
    one, gate, order = begin(), threading.Event(), []

    def noted(name: str) -> Any:
        def make(state: JournalState) -> tuple[()]:
            gate.wait(5)
            order.append(name)
            return ()

        return make

    one.submit_idle(noted(f"idle {n}") for n in range(3))
    one.submit(noted("click"))
    gate.set()
    one.submit(painted(3))
    one.close()
    assert sorted(order) == ["click", "idle 0", "idle 1", "idle 2"]
    assert order.index("click") < order.index("idle 1")


def test_too_much_at_once_is_noticed_and_never_blocks(begin: Callable[..., Journal], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(journal, "MAX_WAITING", 3)
    one, gate = begin(), threading.Event()
    one.submit(lambda state: gate.wait(5) and ())
    for number in range(10):
        one.submit(painted(number))
    assert one.pending
    gate.set()
    one.flush(5)
    assert one.take_missed()
    assert not one.take_missed()
    one.close()


# -- disks that say no -----------------------------------------------------------------------------------------------


def test_a_full_disk_is_told_once_and_made_up_for_later(
    begin: Callable[..., Journal], folder: JournalFolder, told: Told, monkeypatch: pytest.MonkeyPatch
):
    one = begin()
    one.submit(painted(0, 1))
    assert one.flush(5)

    def full(handle: int, content: bytes) -> None:
        os.write(handle, content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(append_log, "_write_all", full)
    for number in range(1, 6):
        one.submit(painted(number, number + 1))
    assert not one.flush(5)
    assert len(told) == 1
    assert "Autosave is off because" in told[0]
    assert "No space left" in told[0]
    assert read(folder).labels.ids() == {1}, "what was there stays whole"
    monkeypatch.undo()
    one.sync()
    assert not one.flush(5), "not at once: a full disk is left in peace for a while"
    monkeypatch.setattr(journal, "RETRY_S", 0.0)
    one._retry_at = 0.0
    one.sync()
    assert one.flush(5)
    assert read(folder).labels.ids() == {1, 2, 3, 4, 5, 6}
    assert "on again" in told[-1]
    one.close()


def test_a_state_folder_that_cannot_be_made(tmp_path: Path, told: Told):
    (tmp_path / "file").write_text("in the way")
    one = Journal(JournalFolder(tmp_path / "file" / "journals").new(), a_header(), told.append)
    one.submit(painted(3))
    one.submit(painted(4))
    assert not one.flush(5)
    one.close()
    assert len(told) == 1
    assert "Autosave is off because" in told[0]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission(folder: JournalFolder, told: Told):
    folder.path.mkdir(parents=True)
    folder.path.chmod(0o500)
    one = Journal(folder.new(), a_header(), told.append)
    one.submit(painted(3))
    assert not one.flush(5)
    one.close()
    folder.path.chmod(0o700)
    assert "Permission denied" in told[0]


def test_a_bug_is_told_and_the_journal_goes_on(begin: Callable[..., Journal], folder: JournalFolder, told: Told):
    one = begin()
    one.submit(lambda state: 1 / 0)  # type: ignore[arg-type, return-value]
    one.submit(painted(3))
    assert one.flush(5)
    assert "ZeroDivisionError" in told[0]
    assert read(folder).labels.ids() == {7}
    one.close()


# -- folders ---------------------------------------------------------------------------------------------------------


def make_dead(folder: JournalFolder, begin: Callable[..., Journal]) -> Path:
    one = begin()
    one.submit(painted(3))
    one.close()
    return folder.path / one.name


def test_old_journals_and_leftovers_of_killed_processes_are_removed(
    begin: Callable[..., Journal], folder: JournalFolder
):
    old, young = make_dead(folder, begin), make_dead(folder, begin)
    orphan, half = folder.path / "20200101-000000-00000000.lock", folder.path / ".x.jsonl.1.tmp"
    other = folder.path / "readme.txt"
    for path in (orphan, half, other):
        path.touch()
    for path in (old, orphan, half, other):
        os.utime(path, (0, 0))
    assert folder.prune() == [old.name]
    assert sorted(path.name for path in folder.path.iterdir() if path.suffix != ".lock") == [young.name, other.name]
    assert not orphan.exists()


def test_only_so_many_are_kept_and_never_a_running_one_removed(begin: Callable[..., Journal], folder: JournalFolder):
    running = begin()
    running.submit(painted(3))
    assert running.flush(5)
    dead = {make_dead(folder, begin).name for _ in range(3)}
    removed = set(folder.prune(keep=0))
    assert removed == dead
    assert (folder.path / running.name).exists()
    running.close()


def test_without_file_locks_the_age_of_the_lock_tells(folder: JournalFolder, monkeypatch: pytest.MonkeyPatch):
    class NoLocks:
        def __init__(self, *args: object, **kwargs: object) -> None:
            pass

        def acquire(self, **kwargs: object) -> None:
            raise NotImplementedError

    monkeypatch.setattr("napari_sam.gui.recovery.folder.FileLock", NoLocks)
    one = folder.new()
    assert one.acquire()
    two = JournalFile(one.path)
    assert not two.acquire()
    os.utime(one.path.with_suffix(".lock"), (0, 0))
    assert two.acquire(), "two minutes without a sign of life"
    two.release()
    assert not one.path.with_suffix(".lock").exists()


def test_a_journal_without_a_single_entry_is_nothing(folder: JournalFolder):
    file = folder.new()
    folder.path.mkdir(parents=True)
    file.path.touch()
    assert read_offer(file) is None
    assert find_offers(folder) == []


def test_a_viewer_left_open_when_python_ends_loses_nothing(begin: Callable[..., Journal], folder: JournalFolder):
    one = begin()
    one.submit(painted(3))
    # What Python does with every pool of threads before it takes the window down.
    one._executor.shutdown(wait=True)
    one.submit(painted(4, 8))
    one.close()
    assert read(folder).labels.ids() == {7, 8}
    assert read(folder).ended
    assert not one.pending
