"""The parameters of a run as controls, and which of them need the model again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from magicgui.widgets import ComboBox, FileEdit

from napari_sam.automatic.config import LabelsConfig
from napari_sam.automatic.job import AutomaticJob
from napari_sam.gui.automatic.form import Control, Maker, ParameterForm
from napari_sam.gui.models import CHECKPOINT_FILTER, DEVICES, PRECISIONS, model_choices
from napari_sam.parameters import Parameter, parameters_of

# What is tried out on the masks that were found already.
THRESHOLDS = (
    "pred_iou_thresh",
    "stability_score_thresh",
    "box_nms_thresh",
    "crop_nms_thresh",
    "min_mask_region_area",
)
LIVE = frozenset((*THRESHOLDS, *(one.name for one in parameters_of(LabelsConfig))))
HEADINGS = {
    "model": "Model",
    "automatic": "From the image to masks",
    "labels": "From masks to labels",
    "stack": "Stacks",
    "tiles": "Large planes",
}


def job_parameters() -> Iterator[tuple[str, Parameter]]:
    """Yield (section, parameter) of a whole job, in order."""
    job = AutomaticJob()
    for section in fields(job):
        for one in parameters_of(getattr(job, section.name)):
            yield section.name, one


def make_form() -> ParameterForm:
    """Return the form of a whole job, with the defaults of one."""
    makers: dict[str, Maker] = {
        "model": _make_model,
        "checkpoint": _make_checkpoint,
        "device": _fixed(DEVICES),
        "precision": _fixed(PRECISIONS),
    }
    form = ParameterForm((one for _, one in job_parameters()), makers)
    form.set_values(flat(AutomaticJob()))
    return form


def needs_model(old: AutomaticJob, new: AutomaticJob, single: bool) -> list[str]:
    """Return the parameters in which two jobs differ so that the model has to be asked again.

    Parameters
    ----------
    old, new : AutomaticJob
    single : bool
        Whether it is about one plane, which has no use for the parameters of stacks.
    """
    idle = set(new.values()["stack"]) if single else set()
    before, after = flat(old), flat(new)
    return [name for name in after if after[name] != before[name] and name not in LIVE and name not in idle]


def live_values(job: AutomaticJob) -> dict[str, Any]:
    """Return the parameters that can be tried out without the model."""
    return {name: value for name, value in flat(job).items() if name in LIVE}


def flat(job: AutomaticJob) -> dict[str, Any]:
    """Return all parameters of a job by name."""
    sections: Mapping[str, Mapping[str, Any]] = job.values()
    return {name: value for values in sections.values() for name, value in values.items()}


def _make_model(one: Parameter) -> Control:
    return ComboBox(name=one.name, choices=model_choices(), value=one.default, tooltip=one.help)


def _make_checkpoint(one: Parameter) -> Control:
    return FileEdit(name=one.name, filter=CHECKPOINT_FILTER, nullable=True, tooltip=one.help)


def _fixed(choices: tuple[str, ...]) -> Maker:
    return lambda one: ComboBox(name=one.name, choices=list(choices), value=one.default, tooltip=one.help)
