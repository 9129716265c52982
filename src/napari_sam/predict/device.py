"""Which device and which precision to compute with."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from napari_sam.errors import ModelError
from napari_sam.model.config import SamConfig, ViTConfig

MessageCallback = Callable[[str], None]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_BIG_EMBED_DIM = 768  # ViT-B and up: long matrix products, where half the bits are truly twice as fast


def log_message(message: str) -> None:
    """Hand a message for the user to the log; the default where no ``on_message`` is given."""
    logging.getLogger("napari_sam").warning(message)


def resolve_device(device: str | torch.device = "auto") -> torch.device:
    """Choose a device: "auto" is the first of cuda, mps and cpu that is there.

    Parameters
    ----------
    device : str or torch.device
        "auto", "cpu", "cuda", "cuda:1", "mps".

    Raises
    ------
    ModelError
        If the device is unknown or not available on this machine.
    """
    if device == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if _is_available(kind)))
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ModelError(f'Unknown device {device!r}; use "auto", "cpu", "cuda", "cuda:1" or "mps".') from error
    if chosen.type not in ("cpu", "cuda", "mps"):
        raise ModelError(f'Device {device!r} is not supported; use "auto", "cpu", "cuda", "cuda:1" or "mps".')
    if not _is_available(chosen.type):
        raise ModelError(f'Device {str(chosen)!r} is not available here; use device="auto" or "cpu".')
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"Device {str(chosen)!r} does not exist: this machine has {torch.cuda.device_count()} GPU(s).")
    return chosen


def resolve_precision(
    precision: str, device: torch.device, config: SamConfig, on_message: MessageCallback = log_message
) -> str:
    """Choose the precision of the image encoder; the mask decoder always computes in fp32.

    "auto" is bf16 where it is truly faster: for ViT-B and larger, on GPUs and processors with bf16 arithmetic (twice
    the rate of fp32 on avx512_bf16 and amx processors), and fp32 elsewhere. The decoder stays in fp32 because in
    bf16 0.4 % of the mask pixels flip.

    Parameters
    ----------
    precision : {"auto", "fp32", "bf16", "fp16"}
    device : torch.device
    config : SamConfig
        The model's sizes.
    on_message : callable
        Told when a requested precision is slow here, or is replaced: fp16 on a processor is 5 times slower than
        fp32, so fp32 is used.

    Returns
    -------
    {"fp32", "bf16", "fp16"}

    Raises
    ------
    ModelError
        If ``precision`` is none of the four.
    """
    if precision not in ("auto", *PRECISIONS):
        raise ModelError(f'Unknown precision {precision!r}; use "auto", "fp32", "bf16" or "fp16".')
    if precision == "auto":
        big = isinstance(config.encoder, ViTConfig) and config.encoder.embed_dim >= _BIG_EMBED_DIM
        return "bf16" if big and has_fast_bf16(device) else "fp32"
    if precision == "fp16" and device.type == "cpu":
        on_message("Precision fp16 is slower than fp32 on a processor: fp32 is used.")
        return "fp32"
    if precision == "bf16" and not has_fast_bf16(device):
        on_message(f"Precision bf16 is not faster than fp32 on this device ({device}).")
    return precision


def has_fast_bf16(device: torch.device) -> bool:
    """Whether a device computes with bf16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.get_device_capability(device) >= (8, 0))  # Ampere; older ones emulate it
    if device.type == "cpu":
        return _cpu_has_bf16()
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that the device's or the computer's memory was exhausted."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()  # torch has a class for CUDA only
    return isinstance(error, RuntimeError) and any(phrase in text for phrase in _OUT_OF_MEMORY)


def free_cached_memory(device: torch.device) -> None:
    """Give memory that torch keeps for later back to the device."""
    if device.type == "cuda" and torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif device.type == "mps" and torch.backends.mps.is_available():
        torch.mps.empty_cache()


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was given; a processor always has."""
    if device.type == "cuda" and torch.cuda.is_available():
        torch.cuda.synchronize(device)
    elif device.type == "mps" and torch.backends.mps.is_available():
        torch.mps.synchronize()


def _is_available(kind: str) -> bool:
    if kind == "cuda":
        return torch.cuda.is_available()
    if kind == "mps":
        return torch.backends.mps.is_available()
    return True


def _cpu_has_bf16() -> bool:
    probe = getattr(torch.cpu, "get_capabilities", None)  # torch >= 2.10
    if probe is not None:
        found = probe()
        return bool(found.get("avx512_bf16") or found.get("amx_bf16"))
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(probe() for probe in probes if probe is not None)
