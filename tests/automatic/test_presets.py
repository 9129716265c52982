"""Presets: complete, allowed, and independent of each other; thresholds that suit the model."""

from __future__ import annotations

import pytest

from napari_sam.automatic.config import AutomaticConfig
from napari_sam.automatic.job import AutomaticJob, ModelConfig, suited, suited_thresholds
from napari_sam.automatic.presets import PRESETS, apply_preset
from napari_sam.errors import ParameterError

OFFICIAL = {"pred_iou_thresh": 0.88, "stability_score_thresh": 0.95}


def thresholds(job: AutomaticJob) -> dict[str, float]:
    return {name: getattr(job.automatic, name) for name in OFFICIAL}


def test_the_three_presets_are_there() -> None:
    assert list(PRESETS) == ["few-large", "many-small", "dense-cells"]
    assert all(preset.help.endswith(".") for preset in PRESETS.values())


def test_nothing_of_one_preset_is_left_after_another() -> None:
    jobs = {name: apply_preset(AutomaticJob(), name) for name in PRESETS}
    assert len({str(job.values()) for job in jobs.values()}) == 3
    for first in PRESETS:
        for second in PRESETS:
            assert apply_preset(jobs[first], second) == jobs[second]


def test_what_a_preset_does_not_name_stays() -> None:
    job = AutomaticJob().with_values({"drop_border": True, "link": "z", "mode": "fast", "stability_score_thresh": 0.5})
    changed = apply_preset(job, "many-small")
    assert changed.labels.drop_border
    assert changed.stack.link == "z"
    assert changed.automatic.mode == "fast"
    assert changed.automatic.stability_score_thresh == 0.5


def test_presets_keep_the_thresholds_that_suit_the_model() -> None:
    lite = apply_preset(AutomaticJob(), "many-small")
    assert thresholds(lite) == suited_thresholds("sam_lite") != OFFICIAL
    official = apply_preset(AutomaticJob(model=ModelConfig(model="vit_b")), "many-small")
    assert thresholds(official) == OFFICIAL


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ParameterError, match="'tiny'; the presets are few-large, many-small, dense-cells"):
        apply_preset(AutomaticJob(), "tiny")


def test_the_official_defaults_are_those_of_the_configuration() -> None:
    assert {name: getattr(AutomaticConfig(), name) for name in OFFICIAL} == OFFICIAL
    assert suited_thresholds("vit_h") == suited_thresholds("of nobody's") == OFFICIAL


def test_thresholds_nobody_set_are_those_of_the_model() -> None:
    untouched = AutomaticJob(automatic=AutomaticConfig(points_per_side=8))
    assert thresholds(untouched) == suited_thresholds("sam_lite")
    assert thresholds(AutomaticJob(automatic=AutomaticConfig(**OFFICIAL))) == OFFICIAL  # typed by somebody
    assert suited(AutomaticConfig(pred_iou_thresh=0.9), "sam_lite").pred_iou_thresh == 0.9


def test_another_model_brings_its_own_thresholds_unless_they_were_set() -> None:
    lite = AutomaticJob()
    assert thresholds(lite.with_values({"model": "vit_b"})) == OFFICIAL
    assert lite.with_values({"model": "vit_b"}).with_values({"model": "sam_lite"}) == lite
    both = lite.with_values({"model": "vit_b", "pred_iou_thresh": 0.7})
    assert thresholds(both) == {"pred_iou_thresh": 0.7, "stability_score_thresh": 0.95}
    kept = lite.with_values({"pred_iou_thresh": 0.7}).with_values({"model": "vit_b"})
    assert thresholds(kept) == {"pred_iou_thresh": 0.7, "stability_score_thresh": 0.95}
    assert AutomaticJob.of({"model": "vit_b", "points_per_side": 8}).automatic == AutomaticConfig(points_per_side=8)


def test_a_job_with_all_its_values_comes_back_as_it_was() -> None:
    for job in (AutomaticJob(), apply_preset(AutomaticJob(model=ModelConfig(model="vit_l")), "dense-cells")):
        assert AutomaticJob.of(job.values()) == job
