"""From the model section of a job to a predictor."""

from __future__ import annotations

from napari_sam.automatic.job import ModelConfig
from napari_sam.predict.device import MessageCallback, log_message
from napari_sam.predict.load import DEFAULT_MODEL, load_model
from napari_sam.predict.predictor import Predictor


def predictor_for(config: ModelConfig, on_message: MessageCallback = log_message) -> Predictor:
    """Load the model a job asks for.

    Parameters
    ----------
    config : ModelConfig
        With ``checkpoint`` the file decides; a ``model`` other than the default must then fit it.
    on_message : callable
        Told what the user should know: a precision that is not used, memory that ran out. Logged when left out.

    Returns
    -------
    Predictor

    Raises
    ------
    ModelError
        If the name, device or precision is unknown, or the name contradicts the checkpoint.
    CheckpointError
        If a file is missing, damaged, or fits no known architecture.
    """
    name = None if config.checkpoint is not None and config.model == DEFAULT_MODEL else config.model
    model = load_model(name, config.checkpoint, config.device, config.precision, on_message)
    return Predictor(model, on_message=on_message)
