"""Read the pickle inside a torch checkpoint without running anything it names.

Training checkpoints (micro-sam's, torch_em's) hold more than weights: optimizers, losses, data sets of classes that
are not installed here. ``torch.load(weights_only=True)`` refuses those. This reader replaces every class and function
by an inert stand-in: calling one, or filling it with state, does nothing. Tensors become :class:`TensorRef` records,
so that only the ones that are needed are read. No name of the file is ever imported.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from napari_sam.errors import CheckpointError

_DTYPES: dict[str, torch.dtype] = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
# Only for the message: nothing is executed whatever the file names. These have no place beside weights.
# fmt: off
_CODE_MODULES = frozenset({
    "asyncio", "code", "codeop", "commands", "cProfile", "ctypes", "ftplib", "http", "imp", "importlib", "marshal",
    "multiprocessing", "nt", "os", "pdb", "pip", "posix", "pty", "requests", "runpy", "shutil", "signal", "smtplib",
    "socket", "subprocess", "sys", "telnetlib", "threading", "timeit", "urllib", "webbrowser",
})
_CODE_BUILTINS = frozenset({
    "__import__", "apply", "breakpoint", "compile", "eval", "exec", "execfile", "exit", "input", "open", "quit",
})
# fmt: on


@dataclass(frozen=True)
class StorageRef:
    """A block of numbers in the archive: its entry's name, type and count."""

    key: str
    dtype: torch.dtype
    count: int

    def __setstate__(self, state: object) -> None:
        """Stay as it is, whatever the pickle wants."""


@dataclass(frozen=True)
class TensorRef:
    """Where a tensor's numbers lie; offsets and strides in elements."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def __setstate__(self, state: object) -> None:
        """Stay as it is, whatever the pickle wants."""

    def check(self) -> None:
        """Raise CheckpointError unless the tensor lies inside its storage."""
        numbers: tuple[object, ...] = (self.offset, *self.shape, *self.stride)
        if len(self.shape) != len(self.stride) or not all(isinstance(n, int) and 0 <= n < 1 << 60 for n in numbers):
            raise CheckpointError("a tensor's shape makes no sense: the file is damaged")
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.stride, strict=True))
        if math.prod(self.shape) > 0 and last >= self.storage.count:
            raise CheckpointError("a tensor reaches beyond its data: the file is damaged")


class _Inert:
    """Stands for any class, function or object of a pickle; takes everything, does nothing."""

    def __new__(cls, *args: object, **kwargs: object) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Forget the arguments."""

    def __call__(self, *args: object, **kwargs: object) -> _Inert:
        return _Inert()

    def __setstate__(self, state: object) -> None:
        """Forget the state."""

    def __setitem__(self, key: object, value: object) -> None:
        """Forget the item."""

    def append(self, item: object) -> None:
        """Forget the item."""

    def extend(self, items: object) -> None:
        """Forget the items."""

    def add(self, item: object) -> None:
        """Forget the item."""


class _Dict(dict[Any, Any]):
    """An OrderedDict of the pickle; attributes set on it (``_metadata``) are forgotten."""

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


class _RebuildTensor:
    """``torch._utils._rebuild_tensor_v2``, taking notes instead of building.

    An object and not a function: a pickle may set attributes of what it names, and here that does nothing.
    """

    __slots__ = ()

    def __call__(self, storage: object, offset: Any = 0, size: Any = (), stride: Any = (), *rest: object) -> object:
        if not isinstance(storage, StorageRef) or not isinstance(size, tuple) or not isinstance(stride, tuple):
            return _Inert()
        return TensorRef(storage, offset, size, stride)

    def __setstate__(self, state: object) -> None:
        """Forget the state."""


class _RebuildParameter(_RebuildTensor):
    """``torch._utils._rebuild_parameter``: the tensor that it wraps."""

    __slots__ = ()

    def __call__(self, storage: object, *rest: object) -> object:
        return storage


class _RebuildSubclass(_RebuildTensor):
    """``torch._tensor._rebuild_from_type_v2``: a tensor with attributes, of which the tensor is kept."""

    __slots__ = ()

    def __call__(self, storage: object, kind: object = None, args: Any = (), *rest: object) -> object:
        return storage(*args) if isinstance(storage, _RebuildTensor) and isinstance(args, tuple) else _Inert()


_KNOWN: dict[tuple[str, str], Callable[..., object]] = {
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
    ("torch._utils", "_rebuild_tensor"): _RebuildTensor(),
    ("torch._utils", "_rebuild_parameter"): _RebuildParameter(),
    ("torch._utils", "_rebuild_parameter_with_state"): _RebuildParameter(),
    ("torch._tensor", "_rebuild_from_type_v2"): _RebuildSubclass(),
    ("collections", "OrderedDict"): _Dict,
}
_DAMAGE = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)


class _Reader(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="utf-8", errors="replace")
        self.ignored: set[str] = set()

    def find_class(self, module: str, name: str, /) -> Any:
        """Return one of our own functions, a type marker, or the inert stand-in; never what the file names."""
        module = "builtins" if module == "__builtin__" else module  # its name in Python 2, which torch writes
        root = module.partition(".")[0]
        if root in _CODE_MODULES or (root == "builtins" and name in _CODE_BUILTINS):
            raise CheckpointError(
                f"it contains code ({module}.{name}), which weights never need. Nothing was executed. Do not trust "
                "the file; get the weights from their publisher"
            )
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
        known = _KNOWN.get((module, name))
        if known is None:
            self.ignored.add(f"{module}.{name}")
            return _Inert
        return known

    def persistent_load(self, pid: Any, /) -> object:
        """Turn ("storage", type, key, device, count) into a record; the data stays in the file."""
        match pid:
            case ("storage", torch.dtype() as dtype, str() as key, _, int() as count):
                return StorageRef(key, dtype, count)
        return _Inert()


def read_pickle(data: bytes) -> tuple[object, frozenset[str]]:
    """Read a pickle of tensors and containers.

    Parameters
    ----------
    data : bytes
        ``data.pkl`` of a torch archive.

    Returns
    -------
    tree : object
        Plain containers and numbers, with :class:`TensorRef` for tensors and inert objects for everything else.
    ignored : frozenset of str
        Names of the classes and functions that were replaced.

    Raises
    ------
    CheckpointError
        If the pickle names something that runs code, or is damaged.
    """
    reader = _Reader(data)
    try:
        return reader.load(), frozenset(reader.ignored)
    except CheckpointError:
        raise
    except _DAMAGE as error:
        raise CheckpointError(
            f"its pickle cannot be read safely ({error}). Where it can be loaded, save the weights alone: "
            "torch.save(model.state_dict(), 'weights.pt')"
        ) from error
