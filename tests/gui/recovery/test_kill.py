"""kill -9 at any moment: everything but at most the last action is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from napari_sam.gui.recovery.folder import JournalFolder
from napari_sam.gui.recovery.offers import Offer, find_offers
from tests.gui.recovery.samples import whole

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")

# Writes object n in row n, then says so; every third time it also compacts, the most delicate moment.
CHILD = """
    import sys
    from pathlib import Path
    import numpy as np
    from napari_sam.gui.prompting.prompts import PromptState
    from napari_sam.gui.recovery import content, journal
    from napari_sam.gui.recovery.folder import JournalFolder
    from napari_sam.gui.recovery.journal import Journal
    from tests.gui.recovery.samples import a_header

    journal.COMPACT_ABOVE, journal.GROWTH = int(sys.argv[2]), 1
    folder = JournalFolder(Path(sys.argv[1]))
    one = Journal(folder.new(), a_header(), print)
    for number in range(1, 2000):
        at = number % 40
        index = tuple(np.array(each) for each in ([number % 4] * 50, [at] * 50, range(50)))
        point = PromptState(points=np.array([[0.0, at, number]]), labels=("positive",))
        one.submit(content.prompts(point, "point", "push"))
        one.submit(content.painted([(index, np.zeros(50), number)]))
        one.flush()
        print(number, flush=True)
"""


@pytest.mark.parametrize(("last", "compact_above"), [(1, 10**6), (40, 10**6), (5, 1), (60, 1), (90, 3000)])
def test_a_killed_process_loses_at_most_its_last_action(tmp_path: Path, last: int, compact_above: int):
    root = Path(__file__).parents[3]
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CHILD), str(tmp_path), str(compact_above)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert child.stdout is not None
    said = 0
    try:
        while said < last:
            said = int(child.stdout.readline())
        assert find_offers(JournalFolder(tmp_path)) == [], "a running session is left alone"
    finally:
        os.kill(child.pid, signal.SIGKILL)
        said = int((child.communicate()[0].split() or [said])[-1])
    (offer,) = find_offers(JournalFolder(tmp_path))
    assert isinstance(offer, Offer)
    assert offer.crashed
    assert offer.damaged == 0
    labels = whole(offer.state)
    reached = int(labels.max())
    assert said <= reached <= said + 1
    expected = np.zeros_like(labels)
    for number in range(1, reached + 1):
        expected[number % 4, number % 40] = number
    np.testing.assert_array_equal(labels, expected)
    column = int(offer.state.prompts.points[0, 2])
    assert reached <= column <= said + 1
