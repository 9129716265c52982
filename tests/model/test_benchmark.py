"""The comparison with the official packages: what it says without them, and its arithmetic."""

from __future__ import annotations

import sys

import pytest
import torch

from benchmarks.compare_official import Row, _interleaved, _mean_iou, main


def test_without_the_official_package_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "segment_anything"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "segment_anything", None)
    assert main(["--tiny", "--threads", "1"]) == 2
    assert "pip install --no-deps segment-anything-py" in capsys.readouterr().err
    assert getattr(sys.modules.get("torchvision"), "__spec__", ...) is not None, "a stand-in was left behind"


def test_sides_run_in_turn_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    seconds = _interleaved([lambda: order.append("a"), lambda: order.append("b")], 2)
    assert order == ["a", "b"] * 3
    assert [len(side) for side in seconds] == [2, 2]


def test_ratio_of_medians() -> None:
    row = Row("task", [(1.0, 2.0), (9.0, 2.0), (3.0, 2.0)], [(1.5, 0.5)] * 3, 2)
    assert row.ratio(0) == 2
    assert row.ratio(1) == 4


def test_mean_iou_counts_two_empty_masks_as_equal() -> None:
    empty, full = torch.full((1, 1, 2, 2), -1.0), torch.full((1, 1, 2, 2), 1.0)
    half = torch.tensor([[[[1.0, 1.0], [-1.0, -1.0]]]])
    assert _mean_iou(torch.cat([empty, full, half]), torch.cat([empty, half, half])) == pytest.approx((1 + 0.5 + 1) / 3)
