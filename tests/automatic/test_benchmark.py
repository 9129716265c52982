"""The benchmark of segmenting everything: its clock, its scene, and that our side of it runs."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
import torch

from benchmarks.automatic.growth import make_scene
from benchmarks.automatic.main import main
from benchmarks.automatic.scene import Scene
from benchmarks.automatic.sides import STAGES, our_side, picture
from benchmarks.automatic.stopwatch import Stopwatch, replaced, timed
from benchmarks.pairs import TINY, our_vit
from napari_sam.automatic import decoding
from napari_sam.automatic.config import AutomaticConfig


def test_without_the_official_package_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "segment_anything"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "segment_anything", None)
    assert main(["--tiny", "--threads", "1"]) == 2
    assert "pip install --no-deps segment-anything-py" in capsys.readouterr().err


def test_a_stage_does_not_count_what_it_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    watch = SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: 2 * now[0])
    monkeypatch.setattr("benchmarks.automatic.stopwatch.time", watch)

    def take(seconds: float) -> None:
        now[0] += seconds

    clock = Stopwatch()
    work = SimpleNamespace(inner=lambda: take(5), steps=lambda: (take(2) for _ in range(2)))
    inner = work.inner
    with timed(clock, [(work, "inner", "inner"), (work, "steps", "steps")]), clock.stage("outer"):
        work.inner()
        for _ in work.steps():
            take(10)
    assert clock.wall == {"inner": 5, "steps": 4, "outer": 20}
    assert clock.cpu == {"inner": 10, "steps": 8, "outer": 40}
    assert work.inner is inner


def test_what_is_replaced_is_put_back() -> None:
    class Owner:
        value = 1

    one = Owner()
    with replaced([(one, "value", 2)]):
        assert one.value == 2
    assert "value" not in vars(one)


def test_a_scene_answers_the_same_point_alike_and_a_third_of_its_masks_pass() -> None:
    scene = Scene(256, (256, 256))
    points = torch.rand(24, 2, generator=torch.Generator().manual_seed(0)) * 256
    logits, ious = scene.logits(points), scene.ious(points)
    torch.testing.assert_close(scene.logits(points.flip(0)).flip(0), logits)
    torch.testing.assert_close(scene.ious(points.flip(0)).flip(0), ious)
    stable = (logits > 1).sum((2, 3)) >= 0.95 * (logits > -1).sum((2, 3))
    assert 0.1 < float((stable & (ious > 0.88)).float().mean()) < 0.45


def test_our_side_runs_with_the_scenes_answers() -> None:
    size = TINY.img_size
    scene, image = make_scene(size, (size, size), 30), picture((size, size))
    before = vars(decoding).copy()
    side = our_side(our_vit(tiny=True))
    config = AutomaticConfig(points_per_side=8, stability_score_thresh=0.7)
    run, fast = (
        side(image, scene, config),
        side(image, scene, AutomaticConfig(8, stability_score_thresh=0.7, mode="fast")),
    )
    assert run.asked == 64 > fast.asked
    assert run.masks > 3
    assert set(run.wall) == set(STAGES)
    for stage in STAGES:
        assert (run.wall[stage] > 0) == (stage != "filter, copies"), "ours has a clock in every stage but this one"
    assert vars(decoding) == before
