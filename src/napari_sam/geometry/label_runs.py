"""Label pixels as runs: small on disk, exact, of any number of dimensions.

A run is a stretch of equal values in the flat, C-ordered array. Arrays are cut into blocks (a plane, or a band of
rows of a large one), so that nothing ever needs a whole volume in memory; no run crosses a block.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

_BLOCK_PIXELS = 1 << 22
_MERGE_ABOVE = 4096
_TYPES = ("u1", "u2", "u4", "i8")


@dataclass(frozen=True)
class BlockGrid:
    """How an array of labels is cut into blocks of at most some four million pixels.

    Attributes
    ----------
    shape : tuple of int
        Shape of the array, at least two axes.
    """

    shape: tuple[int, ...]

    @property
    def rows(self) -> int:
        """Rows of a block; the last of a plane may have fewer."""
        return min(self.shape[-2], max(1, _BLOCK_PIXELS // max(self.shape[-1], 1))) or 1

    @property
    def per_plane(self) -> int:
        """Blocks of one plane."""
        return max(1, -(-self.shape[-2] // self.rows))

    @property
    def count(self) -> int:
        """Blocks of the array."""
        return int(np.prod(self.shape[:-2], dtype=np.int64)) * self.per_plane

    def keys(self, flat: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the block of each flat position."""
        plane_size = max(1, self.shape[-2] * self.shape[-1])
        band_size = max(1, self.rows * self.shape[-1])
        keys: NDArray[np.int64] = flat // plane_size * self.per_plane + flat % plane_size // band_size
        return keys

    def slicer(self, key: int) -> tuple[int | slice, ...]:
        """Return the index that cuts block ``key`` out of the array: a two-dimensional piece."""
        plane, band = divmod(key, self.per_plane)
        leading = np.unravel_index(plane, self.shape[:-2]) if len(self.shape) > 2 else ()
        top = band * self.rows
        rows = slice(top, min(top + self.rows, self.shape[-2]))
        return (*(int(at) for at in leading), rows, slice(0, self.shape[-1]))

    def start(self, key: int) -> int:
        """Return the flat position of the first pixel of block ``key``."""
        plane, band = divmod(key, self.per_plane)
        return plane * self.shape[-2] * self.shape[-1] + band * self.rows * self.shape[-1]

    def block_shape(self, key: int) -> tuple[int, int]:
        """Return the height and width of block ``key``."""
        rows = self.slicer(key)[-2]
        height = rows.stop - rows.start if isinstance(rows, slice) else 1
        return height, self.shape[-1]


@dataclass(frozen=True, eq=False)
class LabelRuns:
    """Pixels and their values.

    Attributes
    ----------
    starts, lengths, values : ndarray of int64, shape (N,)
        Flat position of the first pixel, number of pixels and value of each run; ascending, without overlap.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    values: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.starts)

    @classmethod
    def of_pixels(cls, grid: BlockGrid, flat: ArrayLike, values: ArrayLike) -> LabelRuns:
        """Return the runs of single pixels; where one is named twice the later value counts."""
        positions = np.asarray(flat, np.int64).ravel()
        wanted = np.broadcast_to(np.asarray(values).astype(np.int64), positions.shape)
        order = np.argsort(positions, kind="stable")
        positions, wanted = positions[order], wanted[order]
        last = np.append(positions[1:] != positions[:-1], True)[: len(positions)]
        positions, wanted = positions[last], wanted[last]
        if len(positions) == 0:
            return cls(positions, positions.copy(), wanted)
        keys = grid.keys(positions)
        breaks = (np.diff(positions) != 1) | (np.diff(wanted) != 0) | (np.diff(keys) != 0)
        first = np.concatenate([[0], np.flatnonzero(breaks) + 1])
        lengths = np.diff(np.append(first, len(positions)))
        return cls(positions[first], lengths, wanted[first])

    @classmethod
    def of_block(cls, block: NDArray[Any], start: int = 0) -> LabelRuns:
        """Return the runs of the pixels of one block that are not 0; ``start`` is its first flat position."""
        flat = np.ascontiguousarray(block).reshape(-1)
        edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
        first = np.concatenate([[0], edges]) if len(flat) else np.empty(0, np.int64)
        lengths = np.diff(np.append(first, len(flat)))
        values = flat[first].astype(np.int64)
        kept = values != 0
        return cls((first[kept] + start).astype(np.int64), lengths[kept].astype(np.int64), values[kept])

    def pixels(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the flat position and the value of every pixel."""
        ends = np.cumsum(self.lengths)
        shift = np.repeat(self.starts - (ends - self.lengths), self.lengths)
        total = int(ends[-1]) if len(ends) else 0
        return shift + np.arange(total, dtype=np.int64), np.repeat(self.values, self.lengths)

    def to_json(self) -> dict[str, Any]:
        """Return the runs as plain values for JSON: compressed, a few bytes per run."""
        ends = np.concatenate([[0], (self.starts + self.lengths)[:-1]])[: len(self)]
        gaps = self.starts - ends
        arrays = [_smallest(array) for array in (gaps, self.lengths, self.values)]
        packed = zlib.compress(b"".join(array.tobytes() for array in arrays), 6)
        types = [array.dtype.str[1:] for array in arrays]
        return {"runs": len(self), "types": types, "data": base64.b64encode(packed).decode("ascii")}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> LabelRuns:
        """Read what :meth:`to_json` gave; raises ValueError where that is damaged."""
        count, types = int(entry["runs"]), [str(name) for name in entry["types"]]
        if count < 0 or len(types) != 3 or not set(types) <= set(_TYPES):
            raise ValueError(f"label runs of types {types} are not known")
        sizes = [count * np.dtype(name).itemsize for name in types]
        packed = base64.b64decode(entry["data"], validate=True)
        unpacker = zlib.decompressobj()
        # At most what the counts allow: a damaged or hostile entry must not fill the memory.
        content = unpacker.decompress(packed, sum(sizes) + 1)
        if len(content) != sum(sizes):
            raise ValueError(f"label runs hold {len(content)} bytes instead of {sum(sizes)}")
        arrays, at = [], 0
        for name, size in zip(types, sizes, strict=True):
            arrays.append(np.frombuffer(content[at : at + size], f"<{name}").astype(np.int64))
            at += size
        gaps, lengths, values = arrays
        if (gaps < 0).any() or (lengths < 1).any():
            raise ValueError("label runs overlap")
        ends = np.cumsum(gaps + lengths)
        return cls(ends - lengths, lengths, values)


class SparseLabels:
    """A label array of any size that keeps what is not 0, as runs per block.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    dtype : dtype
        Type of the arrays given back; widened where a value does not fit.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike = np.uint16) -> None:
        self.grid = BlockGrid(shape)
        self.dtype = np.dtype(dtype)
        self._blocks: dict[int, list[LabelRuns]] = {}

    def __contains__(self, key: int) -> bool:
        """Whether anything was ever written to block ``key``."""
        return key in self._blocks

    def written(self) -> tuple[int, ...]:
        """Return the blocks something was written to, the latest last."""
        return tuple(self._blocks)

    def apply(self, runs: LabelRuns) -> None:
        """Write pixels; raises ValueError where they lie outside of the array."""
        if len(runs) == 0:
            return
        size = int(np.prod(self.grid.shape, dtype=np.int64))
        if runs.starts[0] < 0 or runs.starts[-1] + runs.lengths[-1] > size:
            raise ValueError(f"labels outside of an array of shape {self.grid.shape}")
        self._widen(int(runs.values.min()), int(runs.values.max()))
        keys = self.grid.keys(runs.starts)
        if (self.grid.keys(runs.starts + runs.lengths - 1) != keys).any():
            raise ValueError("a run of labels crosses a block")
        edges = np.concatenate([[0], np.flatnonzero(np.diff(keys)) + 1, [len(keys)]])
        for first, stop in pairwise(edges):
            part = slice(int(first), int(stop))
            self._add(int(keys[first]), LabelRuns(runs.starts[part], runs.lengths[part], runs.values[part]))

    def set_block(self, key: int, runs: LabelRuns) -> None:
        """Replace the content of one block."""
        self._check_key(key)
        self._blocks.pop(key, None)
        self.apply(runs)
        self._blocks.setdefault(key, [])

    def block(self, key: int) -> NDArray[Any]:
        """Return the content of one block, shape (h, w)."""
        self._check_key(key)
        shape, start = self.grid.block_shape(key), self.grid.start(key)
        flat = np.zeros(shape[0] * shape[1], self.dtype)
        for runs in self._blocks.get(key, ()):
            positions, values = runs.pixels()
            flat[positions - start] = values.astype(self.dtype)
        return flat.reshape(shape)

    def runs(self, key: int) -> LabelRuns:
        """Return the content of one block as runs, merged."""
        self._merge(key)
        known = self._blocks.get(key, ())
        return known[0] if known else LabelRuns.of_block(np.zeros((0, 0), self.dtype))

    def difference(self, key: int, block: NDArray[Any]) -> LabelRuns:
        """Return what has to be written to make one block equal to ``block``, zeros included."""
        mine = self.block(key)
        wanted = np.asarray(block)
        flat = np.flatnonzero(mine.reshape(-1) != wanted.reshape(-1))
        return LabelRuns.of_pixels(self.grid, flat + self.grid.start(key), wanted.reshape(-1)[flat])

    def blocks(self) -> Iterator[tuple[tuple[int | slice, ...], NDArray[Any]]]:
        """Yield (index, content) of every block that is not empty, in the order of the array."""
        for key in sorted(self._blocks):
            content = self.block(key)
            if content.any():
                yield self.grid.slicer(key), content

    def planes(self) -> Iterator[NDArray[Any]]:
        """Yield every plane of the last two axes, shape (H, W), empty ones included."""
        for first in range(0, self.grid.count, self.grid.per_plane):
            yield np.concatenate([self.block(first + band) for band in range(self.grid.per_plane)])

    def pixels(self) -> tuple[tuple[NDArray[np.int32], ...], NDArray[Any]]:
        """Return index, one array per axis, and value of every pixel that is not 0."""
        flat, values = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
        for key in sorted(self._blocks):
            positions, content = self.runs(key).pixels()
            flat.append(positions)
            values.append(content)
        index = np.unravel_index(np.concatenate(flat), self.grid.shape)
        return tuple(axis.astype(np.int32) for axis in index), np.concatenate(values).astype(self.dtype)

    @property
    def pixel_count(self) -> int:
        """Number of pixels that are not 0."""
        return sum(int(self.runs(key).lengths.sum()) for key in self._blocks)

    def ids(self) -> set[int]:
        """Return every value but 0 that occurs."""
        found: set[int] = set()
        for key in self.written():
            found.update(int(value) for value in np.unique(self.runs(key).values))
        return found - {0}

    def _add(self, key: int, runs: LabelRuns) -> None:
        known = self._blocks.pop(key, [])
        known.append(runs)
        self._blocks[key] = known
        if len(known) > 1 and sum(len(each) for each in known[1:]) > max(_MERGE_ABOVE, 2 * len(known[0])):
            self._merge(key)

    def _merge(self, key: int) -> None:
        known = self._blocks.get(key)
        if known and (len(known) > 1 or (known[0].values == 0).any()):
            self._blocks[key] = [LabelRuns.of_block(self.block(key), self.grid.start(key))]

    def _widen(self, lowest: int, highest: int) -> None:
        for name in (self.dtype, np.dtype(np.uint32), np.dtype(np.int64)):
            info = np.iinfo(name)
            if info.min <= lowest and highest <= info.max and np.can_cast(self.dtype, name):
                self.dtype = np.dtype(name)
                return
        self.dtype = np.dtype(np.int64)

    def _check_key(self, key: int) -> None:
        if not 0 <= key < self.grid.count:
            raise ValueError(f"block {key} is outside of an array of shape {self.grid.shape}")


def flat_positions(shape: tuple[int, ...], indices: Iterable[ArrayLike]) -> NDArray[np.int64]:
    """Return flat positions of pixels given by one index array per axis; negative ones count from the end."""
    arrays = tuple(np.asarray(axis).ravel() for axis in indices)
    return np.asarray(np.ravel_multi_index(arrays, shape, mode="wrap"), np.int64)


def _smallest(array: NDArray[np.int64]) -> NDArray[Any]:
    lowest, highest = (int(array.min()), int(array.max())) if len(array) else (0, 0)
    for name in _TYPES:
        info = np.iinfo(name)
        if info.min <= lowest and highest <= info.max:
            return array.astype(f"<{name}")
    return array.astype("<i8")
