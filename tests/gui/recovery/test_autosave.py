"""Work that a crash interrupted comes back, in a real viewer."""

from __future__ import annotations

import pytest

from napari_sam.gui.recovery.folder import JournalFolder
from tests.gui.conftest import Bench

pytestmark = pytest.mark.gui


def test_annotate_crash_recover(bench: Bench):
    bench.click(30, 40)
    bench.widget.commit()
    bench.click(10, 60)
    journal = bench.widget._autosave.journal
    assert journal.flush(5)
    (file,) = JournalFolder().path.glob("*.jsonl")
    print(file.read_text()[:3000])
