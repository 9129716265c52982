"""Model files: read any supported one, and write our own.

Read: Meta's ``.pth``, MobileSAM's ``.pt``, micro-sam's files and training checkpoints, Hugging Face ``SamModel``, and
our own safetensors, which carries its configuration. Nothing in a file is ever executed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from uuid import uuid4

import torch
import xxhash
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from napari_sam.errors import CheckpointError
from napari_sam.model.config import SamConfig
from napari_sam.model.sam import Sam
from napari_sam.zoo.formats import to_official
from napari_sam.zoo.recognise import architecture_name, recognise
from napari_sam.zoo.safe_load import RawCheckpoint, read_tensors

__all__ = ["Checkpoint", "architecture_name", "load_checkpoint", "read_checkpoint", "save_checkpoint", "weights_hash"]

FORMAT = "napari-sam"
_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


@dataclass(frozen=True)
class Checkpoint:
    """A model file: what it holds, not yet a network.

    Attributes
    ----------
    config : SamConfig
        From the file's metadata, or recognised from the tensors.
    state_dict : dict of str to Tensor
        Official names, the file's own dtypes, on the CPU. May be mapped from the file: copy before keeping.
    format : str
        ``napari-sam``, ``official``, ``hugging face`` or ``training checkpoint (ENTRY)``.
    metadata : dict of str to str
        The safetensors header's, without the configuration; for a training checkpoint the names of its
        ``other_entries`` and of the classes that were ``ignored``.
    """

    config: SamConfig
    state_dict: dict[str, Tensor]
    format: str
    metadata: dict[str, str]


def read_checkpoint(path: str | PathLike[str]) -> Checkpoint:
    """Read a model file and check names and shapes of all tensors against the architecture.

    Values are not looked at; :func:`load_checkpoint` does.

    Raises
    ------
    CheckpointError
        If the file is missing, truncated, something else, unsafe, or of no supported architecture.
    """
    path = Path(path)
    raw = read_tensors(path)
    try:
        own = raw.metadata.get("format") == FORMAT
        state, layout = (raw.tensors, FORMAT) if own else to_official(raw.tensors, raw.container, raw.nest)
        config = _own_config(raw.metadata) if own else recognise(state)
        state = _check_fit(config, state)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}.") from error
    return Checkpoint(config, state, layout, _metadata(raw))


def load_checkpoint(path: str | PathLike[str]) -> Sam:
    """Build the model of a file: on the CPU, fp32, in evaluation mode.

    Takes the memory of the fp32 weights and of one tensor more; nothing stays mapped to the file.

    Raises
    ------
    CheckpointError
        As :func:`read_checkpoint`, and if a weight is NaN or infinite.
    """
    path = Path(path)
    checkpoint = read_checkpoint(path)
    sam = _uninitialised(checkpoint.config)
    weights: dict[str, Tensor] = {}
    for name in list(checkpoint.state_dict):
        # One at a time, each released before the next is read.
        weights[name] = _plain_copy(checkpoint.state_dict.pop(name), name, path)
    sam.load_state_dict(weights, strict=True, assign=True)
    return sam.eval()


def save_checkpoint(
    sam: Sam,
    path: str | PathLike[str],
    metadata: Mapping[str, str] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Path:
    """Write a model as safetensors with its configuration in the header.

    Written to a temporary name and renamed: a killed run leaves only whole files.

    Parameters
    ----------
    sam : Sam
    path : path
        Should end in ``.safetensors``.
    metadata : mapping of str to str, optional
        Further entries of the header; ``format`` and ``config`` are ours.
    dtype : torch.dtype
        Of floating-point tensors in the file.

    Raises
    ------
    CheckpointError
        If the file cannot be written.
    """
    path = Path(path)
    header = {**(metadata or {}), "format": FORMAT, "config": json.dumps(sam.config.to_dict())}
    state = {name: _stored(tensor, dtype) for name, tensor in sam.state_dict().items()}
    temporary = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(state, temporary, metadata=header)
        temporary.replace(path)
    except OSError as error:
        raise CheckpointError(f"{path}: the weights cannot be written ({error.strerror or error}).") from error
    finally:
        if temporary.exists():
            temporary.unlink()
    return path


def weights_hash(state_dict: Mapping[str, Tensor], config: SamConfig | None = None) -> str:
    """Hash weights: the same for the same values in fp32, whatever file, order or device they come from.

    All bytes are hashed with XXH3-128 (not cryptographic, several GB/s): a key for caches, not a proof of origin.

    Parameters
    ----------
    state_dict : mapping of str to Tensor
    config : SamConfig, optional
        Hashed too where given: what tensors do not show, such as pixel statistics, changes embeddings as well.

    Returns
    -------
    str
        32 hex digits.
    """
    digest = xxhash.xxh3_128()
    if config is not None:
        digest.update(json.dumps(config.to_dict(), sort_keys=True).encode())
    for name in sorted(state_dict):
        tensor = state_dict[name].detach().to("cpu")
        tensor = tensor.float() if tensor.is_floating_point() else tensor
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _own_config(metadata: Mapping[str, str]) -> SamConfig:
    try:
        return SamConfig.from_dict(json.loads(metadata["config"]))
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"the configuration in its header cannot be used ({error}); a newer napari-sam-studio may have written it"
        ) from error


def _metadata(raw: RawCheckpoint) -> dict[str, str]:
    extra = {"other_entries": ", ".join(raw.other_entries), "ignored": ", ".join(sorted(raw.ignored))}
    return {k: v for k, v in raw.metadata.items() if k != "config"} | {k: v for k, v in extra.items() if v}


def _check_fit(config: SamConfig, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Compare with the network that the configuration describes; returns the tensors that it has."""
    expected = {key: tuple(tensor.shape) for key, tensor in _uninitialised(config).state_dict().items()}
    name = architecture_name(config)
    problems = []
    if missing := sorted(set(expected) - set(state)):
        problems.append(f"{len(missing)} tensors are missing ({_few(missing)})")
    if unexpected := sorted(set(state) - set(expected)):
        problems.append(f"{len(unexpected)} are unexpected ({_few(unexpected)})")
    wrong = [
        f"{k} {tuple(state[k].shape)} instead of {expected[k]}"
        for k in sorted(expected)
        if k in state and tuple(state[k].shape) != expected[k]
    ]
    if wrong:
        problems.append(f"{len(wrong)} have another shape ({_few(wrong)})")
    if problems:
        raise CheckpointError(f"it looks like {name}, but {'; '.join(problems)}")
    for key in expected:
        if state[key].dtype not in _DTYPES and not key.endswith("num_batches_tracked"):
            raise CheckpointError(
                f"{key} is stored as {str(state[key].dtype).removeprefix('torch.')}; weights must be floating-point "
                "numbers of 16, 32 or 64 bits (a quantised file?)"
            )
    return {key: state[key] for key in expected}


def _few(items: list[str]) -> str:
    return ", ".join(items[:3]) + (", ..." if len(items) > 3 else "")


def _plain_copy(tensor: Tensor, name: str, path: Path) -> Tensor:
    """Copy out of the file, as fp32, and make sure that all values are finite."""
    if not tensor.is_floating_point():
        return tensor.detach().clone()
    copy = tensor.detach().to(torch.float32, copy=True).contiguous()
    # A sum needs one pass and no memory; only where it is not finite are the values looked at one by one.
    if not copy.sum().isfinite() and (bad := int((~copy.isfinite()).sum())):
        raise CheckpointError(
            f"{path}: {bad:,} of {copy.numel():,} values of {name} are NaN or infinite: the training that wrote it "
            "diverged, or the file is damaged."
        )
    return copy


def _stored(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    plain = tensor.detach().to("cpu")
    return (plain.to(dtype) if plain.is_floating_point() else plain).contiguous()


class _SkipInitialisation(TorchFunctionMode):
    """Leave out ``torch.nn.init``: every weight is replaced anyway, and untouched memory is not really taken."""

    def __torch_function__(
        self, func: object, types: object, args: tuple[object, ...] = (), kwargs: dict[str, object] | None = None
    ) -> object:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else (kwargs or {}).get("tensor")
        return func(*args, **(kwargs or {}))  # type: ignore[operator]


def _uninitialised(config: SamConfig) -> Sam:
    # Not the meta device: buffers that are in no file (pixel statistics, index tables) must become real tensors, and
    # its first use in a process takes a second.
    try:
        with _SkipInitialisation():
            return Sam(config)
    except (ValueError, RuntimeError, ZeroDivisionError, IndexError) as error:
        raise CheckpointError(f"no network can be built for {architecture_name(config)} ({error})") from error
