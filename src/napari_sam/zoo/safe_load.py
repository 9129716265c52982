"""Tensors out of a file, whatever it really is, without executing anything: safetensors or torch's zip format."""

from __future__ import annotations

import json
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from napari_sam.errors import CheckpointError
from napari_sam.zoo.unpickle import TensorRef, read_pickle

_HEAD = 512
_MAX_PICKLE = 64 << 20
# What torch's unpickler raises for a damaged pickle; it has no error of its own for that.
_DAMAGE = (RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError, struct.error)
_MAGIC = (
    (b"version https://git-lfs", "a git-lfs pointer, not the file itself: run 'git lfs pull', or download the file"),
    (b"<!doctype", "a web page: the download went wrong (a login page, a proxy, or a page about the file)"),
    (b"<html", "a web page: the download went wrong (a login page, a proxy, or a page about the file)"),
    (b"<?xml", "an XML document: the download went wrong"),
    (b"\x89png", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"ii*\x00", "a TIFF image"),
    (b"mm\x00*", "a TIFF image"),
    (b"%pdf", "a PDF document"),
    (b"\x89hdf", "an HDF5 file"),
    (b"\x93numpy", "a numpy array"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"7z\xbc\xaf", "a 7-zip archive: unpack it first"),
    (
        b"\x80",
        "a bare pickle (torch's format before 1.6 or another program's), which cannot be read safely; where it can be "
        "loaded, save it again: torch.save(model.state_dict(), 'weights.pt')",
    ),
)
_NESTS = ("model_state", "state_dict", "model_state_dict", "model", "sam", "net", "module", "params")


@dataclass(frozen=True)
class RawCheckpoint:
    """Tensors under the names that the file gives them.

    Attributes
    ----------
    tensors : dict of str to Tensor
        On the CPU, mapped from the file where possible: read, not changed.
    container : str
        ``safetensors`` or ``torch``.
    metadata : dict of str to str
        The safetensors header's.
    nest : str
        The entry of the file's dictionary that held the weights, or "".
    other_entries : tuple of str
        Names of that dictionary's other entries.
    ignored : frozenset of str
        Classes and functions of a pickle that were replaced by inert stand-ins.
    """

    tensors: dict[str, Tensor]
    container: str
    metadata: dict[str, str]
    nest: str = ""
    other_entries: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()


def read_tensors(path: Path) -> RawCheckpoint:
    """Read all tensors of a file.

    Raises
    ------
    CheckpointError
        If there is no such file, it is something else, is truncated, or holds code. Messages begin with the path.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
        return _reader_of(head, path.stat().st_size)(path)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}.") from error
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: there is no such file.") from error
    except OSError as error:
        raise CheckpointError(f"{path}: the file cannot be read ({error.strerror or error}).") from error


def _reader_of(head: bytes, size: int) -> Callable[[Path], RawCheckpoint]:
    if not head:
        raise CheckpointError("the file is empty: the download or copy went wrong")
    if head.startswith(b"PK\x03\x04"):
        return _read_torch
    if len(head) > 8 and head[8:9] == b"{":
        if struct.unpack("<Q", head[:8])[0] + 8 > size:
            raise CheckpointError("the file is truncated: its safetensors header is not whole. Get it again")
        return _read_safetensors
    lowered = head.lstrip().lower() if head[:1].isspace() or head[:1] == b"<" else head.lower()
    for magic, what in _MAGIC:
        if lowered.startswith(magic):
            raise CheckpointError(f"the file is {what}")
    raise CheckpointError("the file is neither safetensors nor a torch checkpoint")


def _read_safetensors(path: Path) -> RawCheckpoint:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
            return RawCheckpoint(tensors, "safetensors", dict(file.metadata() or {}))
    except SafetensorError as error:
        if _promised_size(path) > path.stat().st_size:
            raise CheckpointError("the file is truncated: data is missing at its end. Get it again") from error
        raise CheckpointError(f"the safetensors file is damaged ({error})") from error


def _promised_size(path: Path) -> int:
    """Size that a safetensors header speaks of, or 0 where it cannot be read."""
    with path.open("rb") as file:
        length = int(struct.unpack("<Q", file.read(8))[0])
        header = file.read(length)
    try:
        ends = [entry["data_offsets"][1] for name, entry in json.loads(header).items() if name != "__metadata__"]
    except (ValueError, LookupError, TypeError, AttributeError):
        return 0
    return 8 + length + max((end for end in ends if isinstance(end, int)), default=0)


def _read_torch(path: Path) -> RawCheckpoint:
    archive = _Archive(path)
    try:
        tree: object = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        ignored: frozenset[str] = frozenset()
    except pickle.UnpicklingError:
        tree, ignored = read_pickle(archive.pickle)
    except _DAMAGE as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"the torch checkpoint is damaged ({reason})") from error
    mapping, nest, others = _find_weights(tree, ignored)
    tensors = {name: archive.tensor(v) if isinstance(v, TensorRef) else v for name, v in mapping.items()}
    return RawCheckpoint(tensors, "torch", {}, nest, others, ignored)


def _find_weights(tree: object, ignored: frozenset[str]) -> tuple[dict[str, Tensor | TensorRef], str, tuple[str, ...]]:
    """Find the mapping of names to tensors, at the top or in one of the usual entries."""
    if not isinstance(tree, Mapping):
        named = f" ({', '.join(sorted(ignored)[:3])})" if ignored else ""
        raise CheckpointError(
            f"it holds a whole pickled object{named} and not a dictionary of weights. Where it can be loaded, save the "
            "weights alone: torch.save(model.state_dict(), 'weights.pt')"
        )
    for nest in _NESTS:
        inner = tree.get(nest)
        if isinstance(inner, Mapping) and (found := _tensors_of(inner)):
            return found, nest, tuple(str(key) for key in tree if key != nest)
    found = _tensors_of(tree)
    if not found:
        entries = ", ".join(str(key) for key in list(tree)[:8]) or "nothing"
        raise CheckpointError(f"it holds no weights under any known name; its entries: {entries}")
    return found, "", ()


def _tensors_of(mapping: Mapping[object, object]) -> dict[str, Tensor | TensorRef]:
    return {k: v for k, v in mapping.items() if isinstance(k, str) and isinstance(v, Tensor | TensorRef)}


class _Archive:
    """A torch zip file: checked, its pickle, and its tensors mapped from disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self._entries = {info.filename: info for info in archive.infolist()}
                self._root = self._check()
                self.pickle = archive.read(f"{self._root}data.pkl")
                order = f"{self._root}byteorder"
                if order in self._entries and archive.read(order) != b"little":
                    raise CheckpointError("it was written on a big-endian machine, which is not supported")
        except zipfile.BadZipFile as error:
            raise CheckpointError(
                "the file is truncated or damaged: the end of its archive is missing. Get it again"
            ) from error
        self._map: Tensor | None = None

    def _check(self) -> str:
        pickles = [name for name in self._entries if name == "data.pkl" or name.endswith("/data.pkl")]
        if any(name.endswith("constants.pkl") for name in self._entries):
            raise CheckpointError("it is a TorchScript program, not weights; get the weights themselves (.pth, .pt)")
        if len(pickles) != 1:
            raise CheckpointError("it is a zip archive, but not of torch: unpack it first")
        if any(info.compress_type != zipfile.ZIP_STORED for info in self._entries.values()):
            raise CheckpointError("its archive is compressed, which torch never does: the file was changed")
        if self._entries[pickles[0]].file_size > _MAX_PICKLE:
            raise CheckpointError("its pickle is far larger than that of any model")
        return pickles[0].removesuffix("data.pkl")

    def tensor(self, ref: TensorRef) -> Tensor:
        """Read one tensor."""
        ref.check()
        info = self._entries.get(f"{self._root}data/{ref.storage.key}")
        count = ref.storage.count * ref.storage.dtype.itemsize
        if info is None or info.file_size < count:
            raise CheckpointError("a tensor's data is missing: the file is damaged")
        begin = self._data_offset(info)
        if self._map is None:
            size = self._path.stat().st_size
            self._map = torch.from_file(str(self._path), shared=False, size=size, dtype=torch.uint8)
        data = self._map[begin : begin + count]
        if len(data) != count:
            raise CheckpointError("a tensor's data is missing: the file is truncated")
        if data.storage_offset() % ref.storage.dtype.itemsize:
            data = data.clone()  # torch aligns its data; other writers need not
        return data.view(ref.storage.dtype).as_strided(
            ref.shape, ref.stride, ref.offset + data.storage_offset() // ref.storage.dtype.itemsize
        )

    def _data_offset(self, info: zipfile.ZipInfo) -> int:
        with self._path.open("rb") as file:
            file.seek(info.header_offset)
            header = file.read(30)
        if len(header) < 30 or header[:4] != b"PK\x03\x04":
            raise CheckpointError("an entry of the archive is damaged")
        name_length, extra_length = struct.unpack("<HH", header[26:30])
        return info.header_offset + 30 + int(name_length) + int(extra_length)
