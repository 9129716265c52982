"""Files that are not what they seem: nothing is executed, and the message says what the file is."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import subprocess
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from napari_sam.errors import CheckpointError
from napari_sam.zoo.checkpoints import load_checkpoint, read_checkpoint
from napari_sam.zoo.safe_load import read_tensors
from napari_sam.zoo.unpickle import StorageRef, TensorRef, read_pickle
from tests.zoo.models import SMALL_VIT, make, same_weights

Weights = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def _weights() -> Weights:
    return make(SMALL_VIT).state_dict()


@pytest.fixture
def weights(_weights: Weights) -> Weights:
    return dict(_weights)


class Runs:
    """Unpickling an object of this class calls a function."""

    def __init__(self, function: Callable[..., object], *args: object) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def leave_a_trace(path: str) -> None:
    Path(path).touch()


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (4, 4)).save(buffer, "png")
    return buffer.getvalue()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "not a model")
    return buffer.getvalue()


WRONG_FILES = {
    "is empty": b"",
    "PNG image": _png(),
    "TIFF image": b"II*\0" + bytes(100),
    "web page": b"\n <!DOCTYPE html><html><body>404</body></html>",
    "git-lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    "gzip": gzip.compress(b"weights"),
    "not of torch": _zip(),
    "bare pickle": pickle.dumps({"a": 1}),
    "neither safetensors nor a torch checkpoint": b"once upon a time" * 9,
    "header is not whole": (10**6).to_bytes(8, "little") + b'{"a":',
    "truncated": b"PK\x03\x04" + bytes(200),
}


@pytest.mark.parametrize("what", WRONG_FILES)
def test_a_wrong_file_is_named(what: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(WRONG_FILES[what])
    with pytest.raises(CheckpointError, match=rf"model\.pth: .*{what}") as caught:
        read_checkpoint(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        read_checkpoint(tmp_path / "nowhere.pth")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint(tmp_path)


def test_a_torchscript_program_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("model/data.pkl", "model/constants.pkl", "model/code/__torch__.py"):
            archive.writestr(name, "")
    with pytest.raises(CheckpointError, match="TorchScript"):
        read_checkpoint(path)


@pytest.mark.parametrize("part", [0.001, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["torch", "safetensors"])
def test_a_truncated_file_is_named(kind: str, part: float, tmp_path: Path, weights: Weights) -> None:
    path = tmp_path / "model"
    torch.save(weights, path) if kind == "torch" else save_file(weights, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(CheckpointError, match="the file is truncated"):
        read_checkpoint(path)


def test_the_old_format_of_torch_is_refused(tmp_path: Path, weights: Weights) -> None:
    torch.save(weights, tmp_path / "model.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(CheckpointError, match=r"bare pickle.*torch\.save"):
        read_checkpoint(tmp_path / "model.pth")


def _attacks(trace: Path) -> dict[str, Runs]:
    return {
        "posix.system|nt.system": Runs(os.system, f"touch {trace}"),
        "subprocess|commands": Runs(subprocess.check_call, ["touch", str(trace)]),
        "builtins.eval": Runs(eval, f"open({str(trace)!r}, 'w').close()"),
        "builtins.exec": Runs(exec, f"open({str(trace)!r}, 'w').close()"),
    }


@pytest.mark.parametrize("name", _attacks(Path("unused")))
@pytest.mark.parametrize("beside_weights", [True, False])
def test_a_pickle_with_code_is_refused_and_nothing_runs(
    name: str, beside_weights: bool, tmp_path: Path, weights: Weights
) -> None:
    trace, path = tmp_path / "trace", tmp_path / "model.pt"
    attack = _attacks(trace)[name]
    torch.save({"model_state": weights, "extra": attack} if beside_weights else attack, path)
    with pytest.raises(CheckpointError, match=rf"contains code \(({name}).*Nothing was executed"):
        load_checkpoint(path)
    assert not trace.exists()
    torch.load(path, weights_only=False)
    assert trace.exists(), "the attack is a real one"


def test_an_unknown_function_is_replaced_and_not_called(tmp_path: Path, weights: Weights) -> None:
    trace, path = tmp_path / "trace", tmp_path / "model.pt"
    torch.save({"model_state": weights, "extra": Runs(leave_a_trace, str(trace))}, path)
    assert same_weights(load_checkpoint(path).state_dict(), weights)
    assert not trace.exists()


@pytest.fixture
def foreign_module(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Any]:
    """Make a module like a training library, which the reader will not have."""

    def make_module() -> Any:
        module: Any = types.ModuleType("trainer_library")
        source = """
class Loss:
    def __init__(self):
        self.weight = 3
    def __reduce__(self):
        return getattr, (Loss, "__name__")
class Logger:
    def __init__(self, root):
        self.root = root
    def log(self): pass
class Items(list): pass
class Table(dict): pass
class Slots:
    def __setstate__(self, state): raise RuntimeError("not to be called")
    def __getstate__(self): return {"x": 1}
"""
        exec(source, module.__dict__)
        for cls in (module.Loss, module.Logger, module.Items, module.Table, module.Slots):
            cls.__module__ = "trainer_library"
        monkeypatch.setitem(sys.modules, "trainer_library", module)
        return module

    return make_module


def test_a_training_checkpoint_with_unknown_classes_is_read(
    tmp_path: Path, weights: Weights, foreign_module: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    library = foreign_module()
    table = library.Table(a=1)
    items = library.Items([1, 2, table])
    state = {f"sam.{name}": tensor for name, tensor in weights.items()}
    state["decoder.samplers.0.conv.weight"] = torch.zeros(3)
    checkpoint = {
        "iteration": 100,
        "best_metric": np.float64(0.25),
        "model_state": torch.nn.Module().state_dict() | state,
        "optimizer_state": {"state": {0: {"exp_avg": torch.ones(5)}}, "param_groups": [{"lr": 1e-5}]},
        "init": {"logger": library.Logger("runs"), "items": items, "loss": library.Loss(), "slots": library.Slots()},
        "when": __import__("datetime").datetime(2026, 1, 1),
    }
    path = tmp_path / "best.pt"
    torch.save(checkpoint, path)
    monkeypatch.delitem(sys.modules, "trainer_library")
    read = read_checkpoint(path)
    assert read.format == "training checkpoint (model_state)"
    assert "trainer_library.Logger" in read.metadata["ignored"]
    assert "optimizer_state" in read.metadata["other_entries"]
    assert read.config == SMALL_VIT
    assert same_weights(load_checkpoint(path).state_dict(), weights)
    assert "trainer_library" not in sys.modules


@pytest.mark.parametrize("prefix", ["", "sam.", "module.", "_orig_mod.model."])
@pytest.mark.parametrize("nest", ["", "model_state", "state_dict", "model"])
def test_wrappers_around_the_weights_are_taken_off(prefix: str, nest: str, tmp_path: Path, weights: Weights) -> None:
    state: dict[str, Any] = {prefix + name: tensor for name, tensor in weights.items()}
    torch.save({nest: state, "epoch": 3} if nest else state, tmp_path / "model.pt")
    assert same_weights(load_checkpoint(tmp_path / "model.pt").state_dict(), weights)


def test_a_pickled_model_object_is_refused_with_advice(tmp_path: Path) -> None:
    torch.save(make(SMALL_VIT), tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match=r"whole pickled object.*state_dict"):
        read_checkpoint(tmp_path / "model.pt")


def test_entries_without_weights_are_listed(tmp_path: Path) -> None:
    torch.save({"epoch": 3, "lr": 0.1}, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="its entries: epoch, lr"):
        read_checkpoint(tmp_path / "model.pt")


def test_the_tolerant_reader_gives_the_same_tensors_as_torch(tmp_path: Path) -> None:
    base = torch.arange(60, dtype=torch.float32).reshape(6, 10)
    tensors: dict[str, Any] = {
        "plain": base,
        "transposed": base.t(),
        "part": base[2:4, 3:9:2],
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(3),
        "half": base.half(),
        "bfloat": base.bfloat16(),
        "integers": torch.arange(7),
        "flags": torch.tensor([True, False]),
        "parameter": torch.nn.Parameter(base[0] * 2),
    }
    torch.save(tensors, tmp_path / "plain.pt")
    torch.save({**tensors, "unknown": Runs(leave_a_trace, "x")}, tmp_path / "unknown.pt")
    expected, found = (read_tensors(tmp_path / name) for name in ("plain.pt", "unknown.pt"))
    assert found.ignored, "the second file went through the tolerant reader"
    assert not expected.ignored
    assert same_weights(found.tensors, expected.tensors)
    assert same_weights(found.tensors, {name: tensor.detach() for name, tensor in tensors.items()})


class Tagged(torch.Tensor):
    """A tensor of a class that only this test has."""


def test_tensors_of_other_classes_are_read_as_tensors(tmp_path: Path) -> None:
    values = torch.arange(6.0).reshape(2, 3)
    parameter = torch.nn.Parameter(values * 2)
    parameter.origin = "a parameter with an attribute"  # type: ignore[attr-defined]
    torch.save({"tagged": values.as_subclass(Tagged), "parameter": parameter}, tmp_path / "model.pt")
    found = read_tensors(tmp_path / "model.pt").tensors
    assert {type(tensor) for tensor in found.values()} <= {torch.Tensor, torch.nn.Parameter}
    assert torch.equal(found["tagged"], values)
    assert torch.equal(found["parameter"], values * 2)


def test_a_pickle_cannot_change_the_reader() -> None:
    # GLOBAL, then BUILD with (None, {"__defaults__": (), "offset": ()}): sets attributes of what it names
    state = b"N}X\x0c\x00\x00\x00__defaults__)sX\x06\x00\x00\x00offset)s\x86b"
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
    tensor = b"(" + storage + b"K\x00K\x04\x85K\x01\x85tR"
    function = b"ctorch._utils\n_rebuild_tensor_v2\n"
    expected, _ = read_pickle(b"\x80\x02" + function + tensor + b".")
    assert isinstance(expected, TensorRef)
    attacked, _ = read_pickle(b"\x80\x02" + function + state + tensor + state + b".")
    again, _ = read_pickle(b"\x80\x02" + function + tensor + b".")
    assert attacked == again == expected
    with pytest.raises(CheckpointError, match="cannot be read safely"):
        read_pickle(b"\x80\x02ccollections\nOrderedDict\n" + state + b".")  # the class itself


@pytest.mark.parametrize(
    ("shape", "stride", "offset"),
    [
        ((3,), (1, 1), 0),
        ((-1,), (1,), 0),
        ((0, 1 << 70), (1, 1), 0),
        (("a",), (1,), 0),
        ((5,), (1,), 0),
        ((2,), (1,), 3),
    ],
)
def test_tensors_that_make_no_sense_are_refused(shape: Any, stride: Any, offset: int) -> None:
    with pytest.raises(CheckpointError, match="damaged"):
        TensorRef(StorageRef("0", torch.float32, 4), offset, shape, stride).check()


def _rewrite(path: Path, change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, change(name, data))


def test_tensors_that_another_writer_did_not_align_are_read(tmp_path: Path, weights: Weights) -> None:
    path = tmp_path / "model.pt"
    torch.save({"model_state": weights, "unknown": Runs(leave_a_trace, "x")}, path)
    _rewrite(path, lambda name, data: data)
    assert same_weights(load_checkpoint(path).state_dict(), weights)


def test_a_compressed_archive_is_refused(tmp_path: Path, weights: Weights) -> None:
    path = tmp_path / "model.pt"
    torch.save(weights, path)
    _rewrite(path, lambda name, data: data, zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="compressed"):
        read_checkpoint(path)


@pytest.mark.parametrize("unknown", [True, False])
def test_data_shorter_than_its_tensors_is_refused(unknown: bool, tmp_path: Path, weights: Weights) -> None:
    path = tmp_path / "model.pt"
    torch.save({"model_state": weights, "unknown": Runs(leave_a_trace, "x") if unknown else 1}, path)
    _rewrite(path, lambda name, data: data[:8] if "/data/" in name else data)
    with pytest.raises(CheckpointError, match=r"file is damaged|checkpoint is damaged|file is truncated"):
        load_checkpoint(path)


def test_a_tensor_that_reaches_beyond_its_data_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save({"unknown": Runs(leave_a_trace, "x"), "w": torch.arange(300.0)}, path)
    # the shape (300,) is written as K/M + number; make it (400,) while the storage keeps its 300 numbers
    size = b"M" + (300).to_bytes(2, "little")

    def lengthen(name: str, data: bytes) -> bytes:
        if not name.endswith("data.pkl"):
            return data
        head, tail = data[: data.rindex(size)], data[data.rindex(size) + 3 :]
        return head + b"M" + (400).to_bytes(2, "little") + tail

    _rewrite(path, lengthen)
    with pytest.raises(CheckpointError, match="beyond its data"):
        read_tensors(path)


def test_a_damaged_pickle_is_refused(tmp_path: Path, weights: Weights) -> None:
    path = tmp_path / "model.pt"
    torch.save(weights, path)
    _rewrite(path, lambda name, data: data[: len(data) // 2] if name.endswith("data.pkl") else data)
    with pytest.raises(CheckpointError, match=r"checkpoint is damaged|cannot be read safely"):
        read_checkpoint(path)
