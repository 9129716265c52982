"""Parameter dataclasses: described once, checked when made, changed by name."""

from __future__ import annotations

import numpy as np
import pytest

from napari_sam.automatic.config import AutomaticConfig, LabelsConfig
from napari_sam.automatic.job import AutomaticJob
from napari_sam.errors import ParameterError
from napari_sam.parameters import parameters_of


def test_defaults_are_metas() -> None:
    expected = {
        "points_per_side": 32,
        "points_per_batch": 64,
        "pred_iou_thresh": 0.88,
        "stability_score_thresh": 0.95,
        "stability_score_offset": 1.0,
        "box_nms_thresh": 0.7,
        "crop_n_layers": 0,
        "crop_nms_thresh": 0.7,
        "crop_overlap_ratio": 512 / 1500,
        "crop_n_points_downscale_factor": 1,
        "min_mask_region_area": 0,
    }
    assert {name: getattr(AutomaticConfig(), name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("points_per_side", 0, "at least 1"),
        ("points_per_side", 2.5, "a whole number"),
        ("points_per_side", True, "a whole number"),
        ("pred_iou_thresh", float("nan"), "finite"),
        ("stability_score_thresh", 1.5, "at least 0 and at most 1"),
        ("mode", "quick", "'exact', 'fast'"),
    ],
)
def test_a_value_that_does_not_fit_is_named(name: str, value: object, said: str) -> None:
    with pytest.raises(ParameterError, match=name) as caught:
        AutomaticConfig(**{name: value})
    assert said in str(caught.value)


def test_numbers_of_numpy_are_numbers() -> None:
    assert AutomaticConfig(points_per_side=np.int64(4), pred_iou_thresh=np.float32(0.5)).points_per_side == 4
    assert LabelsConfig(background_fraction=1).background_fraction == 1


def test_a_job_takes_parameters_by_name() -> None:
    job = AutomaticJob().with_values({"points_per_side": 16, "link": "z", "model": "vit_b"})
    assert (job.automatic.points_per_side, job.stack.link, job.model.model) == (16, "z", "vit_b")
    assert AutomaticJob().with_values({k: v for part in job.values().values() for k, v in part.items()}) == job
    with pytest.raises(ParameterError, match="points_per_sid"):
        job.with_values({"points_per_sid": 3})


def test_names_are_unique_over_the_sections_and_everything_is_explained() -> None:
    described = [one for section in AutomaticJob().values() for one in parameters_of(getattr(AutomaticJob(), section))]
    names = [one.name for one in described]
    assert len(set(names)) == len(names)
    assert all(one.help.endswith(".") for one in described)
