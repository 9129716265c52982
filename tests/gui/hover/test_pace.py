from __future__ import annotations

import pytest

from napari_sam.gui.hover.pace import Pace


def measured(*seconds: float) -> Pace:
    pace = Pace()
    for one in seconds:
        pace.add(one)
    return pace


@pytest.mark.parametrize(
    ("seconds", "fast"),
    [
        ((), False),
        ((0.01,), False),
        ((0.5, 0.01), False),
        ((0.5, 0.01, 0.02), True),
        ((0.01, 0.2, 0.2, 0.2), False),
        ((0.01, 0.2, 0.01, 0.01), True),
        ((0.01, 0.09, 0.09), False),
    ],
    ids=["unknown", "cold", "one is not enough", "warm", "slow", "one hiccup", "just too slow"],
)
def test_a_model_is_fast_when_its_warm_answers_are(seconds: tuple[float, ...], fast: bool):
    assert measured(*seconds).is_fast is fast


def test_what_was_known_already_says_nothing():
    assert not measured(0.5, 0.0, 0.0001, 0.0, 0.0).is_fast


def test_there_is_no_flicker_at_the_limit():
    pace = measured(0.05, 0.05, 0.05)
    for _ in range(5):
        pace.add(0.1)
    assert pace.is_fast
    for _ in range(5):
        pace.add(0.2)
    assert not pace.is_fast
    for _ in range(5):
        pace.add(0.1)
    assert not pace.is_fast
