"""Random weights that are the same on every machine: nothing has to be stored to compare with the official code.

Bits come from PCG64, whose stream numpy guarantees (NEP 19), and become float32 by exact arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def seeded_state(shapes: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Fill a state dict's shapes: weights of sensible size, norms near one, variances in [0.75, 1.25]."""
    state = {}
    for index, name in enumerate(sorted(shapes)):
        like = shapes[name]
        if not like.is_floating_point():
            state[name] = torch.zeros(like.shape, dtype=like.dtype)
            continue
        values = uniform(tuple(like.shape), (seed, index))
        state[name] = torch.from_numpy(_scaled(name, values))
    return state


def uniform(shape: tuple[int, ...], seed: tuple[int, int]) -> np.ndarray:
    """Float32 values in [-1, 1), multiples of 2**-23."""
    raw = np.random.PCG64(seed).random_raw(int(np.prod(shape, dtype=np.int64)))
    return ((raw >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-23) - np.float32(1)).reshape(shape)


def _scaled(name: str, values: np.ndarray) -> np.ndarray:
    if (values.ndim == 1 and name.endswith("weight")) or name.endswith("running_var"):
        return values * np.float32(0.25) + np.float32(1)
    if values.ndim >= 2 and name.endswith("weight"):
        # A power of two near 1 / sqrt(fan in), so that scaling is exact.
        exponent = int(np.floor(0.5 - 0.5 * np.log2(values[0].size)))
        return values * np.float32(2.0**exponent) * np.float32(2)
    return values * np.float32(0.25)
