"""Jobs in every form, what they say about the picture, and the model they name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from napari_sam.automatic.config import AutomaticConfig
from napari_sam.automatic.job import AutomaticJob, ModelConfig
from napari_sam.automatic.models import predictor_for
from napari_sam.errors import CheckpointError, ModelError, ParameterError
from napari_sam.model.sam import Sam
from napari_sam.zoo.checkpoints import save_checkpoint
from tests.predict.conftest import TINY


def test_a_job_from_whatever_a_script_has() -> None:
    job = AutomaticJob().with_values({"link": "z", "points_per_side": 5})
    assert AutomaticJob.of(None) == AutomaticJob()
    assert AutomaticJob.of(job) is job
    assert AutomaticJob.of(AutomaticConfig(points_per_side=5)).automatic.points_per_side == 5
    assert AutomaticJob.of({"link": "z", "points_per_side": 5}) == job
    assert AutomaticJob.of({"stack": {"link": "z"}, "points_per_side": 5}) == job
    assert AutomaticJob.of(job.values()) == job


@pytest.mark.parametrize("wrong", [["link"], "link=z", 3, {"linc": "z"}, {"stack": {"points": 3}}, {"link": 3}])
def test_what_is_no_job(wrong: Any) -> None:
    with pytest.raises(ParameterError):
        AutomaticJob.of(wrong)


def test_channels_and_limits_are_read_as_the_predictor_takes_them() -> None:
    assert ModelConfig().shown_channels() is ModelConfig().shown_limits() is None
    assert ModelConfig(channels="0").shown_channels() == (0,)
    assert ModelConfig(channels=" 2, 1,0 ").shown_channels() == (2, 1, 0)
    assert ModelConfig(limits="0,4095").shown_limits() == ((0.0, 4095.0),)
    assert ModelConfig(limits="-1.5, 2e3, 0, 1").shown_limits() == ((-1.5, 2000.0), (0.0, 1.0))


@pytest.mark.parametrize("channels", ["", "red", "0,", "0,1,2,3", "1.5", "0 1"])
def test_channels_that_are_none(channels: str) -> None:
    with pytest.raises(ParameterError, match="channels is .* but must be one to three whole numbers"):
        ModelConfig(channels=channels)


@pytest.mark.parametrize("limits", ["", "5", "5,5", "9,2", "0,nan", "0,inf", "0,1,2", "low,high"])
def test_limits_that_are_none(limits: str) -> None:
    with pytest.raises(ParameterError, match="limits is .* but must be LOW,HIGH"):
        ModelConfig(limits=limits)


def test_the_model_of_a_job(tmp_path: Path) -> None:
    checkpoint = tmp_path / "tiny.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(Sam(TINY), checkpoint)
    predictor = predictor_for(ModelConfig(checkpoint=str(checkpoint), device="cpu", precision="fp32"))
    assert predictor.model.path == checkpoint
    assert predictor.model.precision == "fp32"
    with pytest.raises(ModelError, match="vit_b"):
        predictor_for(ModelConfig(model="vit_b", checkpoint=str(checkpoint)))
    with pytest.raises(ModelError, match="vit_q"):
        predictor_for(ModelConfig(model="vit_q"))
    with pytest.raises(CheckpointError, match="does not exist"):
        predictor_for(ModelConfig(checkpoint=str(tmp_path / "none.pth")))
