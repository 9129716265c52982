"""Choice of device and precision, with the machines we do not have injected."""

from collections.abc import Callable

import pytest
import torch

from napari_sam.errors import ModelError
from napari_sam.model.config import CONFIGS, SamConfig, ViTConfig
from napari_sam.predict import device as module
from napari_sam.predict.device import (
    free_cached_memory,
    has_fast_bf16,
    is_out_of_memory,
    resolve_device,
    resolve_precision,
)

CPU, CUDA, MPS = torch.device("cpu"), torch.device("cuda:0"), torch.device("mps")
SMALL_VIT = SamConfig(ViTConfig(embed_dim=96, depth=2, num_heads=2, global_attn_indexes=(1,)), img_size=256)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def pretend(gpus: int = 0, mps: bool = False, capability: tuple[int, int] = (8, 0), cpu_bf16: bool = False) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: capability)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": cpu_bf16}, raising=False)

    return pretend


class TestDevice:
    @pytest.mark.parametrize(("gpus", "mps", "expected"), [(2, True, "cuda"), (0, True, "mps"), (0, False, "cpu")])
    def test_auto_takes_the_first_there_is(
        self, machine: Callable[..., None], gpus: int, mps: bool, expected: str
    ) -> None:
        machine(gpus, mps)
        assert resolve_device("auto") == torch.device(expected)

    @pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1", "mps", torch.device("cuda:1")])
    def test_what_is_there_can_be_asked_for(self, machine: Callable[..., None], name: str) -> None:
        machine(2, mps=True)
        assert resolve_device(name) == torch.device(name)

    @pytest.mark.parametrize("name", ["cuda", "cuda:1", "mps"])
    def test_what_is_not_there_is_refused(self, machine: Callable[..., None], name: str) -> None:
        machine()
        with pytest.raises(ModelError, match='not available here; use device="auto"'):
            resolve_device(name)

    def test_a_gpu_too_many(self, machine: Callable[..., None]) -> None:
        machine(2)
        with pytest.raises(ModelError, match=r"this machine has 2 GPU"):
            resolve_device("cuda:2")

    @pytest.mark.parametrize("name", ["gpu", "", "cuda:x", "meta", 3.5])
    def test_nonsense_is_refused(self, machine: Callable[..., None], name: str) -> None:
        machine()
        with pytest.raises(ModelError, match='use "auto", "cpu"'):
            resolve_device(name)


class TestPrecision:
    @pytest.mark.parametrize(
        ("device", "options", "model", "expected"),
        [
            (CPU, {"cpu_bf16": True}, "vit_b", "bf16"),
            (CPU, {"cpu_bf16": True}, "vit_h", "bf16"),
            (CPU, {"cpu_bf16": True}, "sam_lite", "fp32"),
            (CPU, {"cpu_bf16": True}, "vit_t", "fp32"),
            (CPU, {"cpu_bf16": False}, "vit_b", "fp32"),
            (CUDA, {"gpus": 1, "capability": (9, 0)}, "vit_b", "bf16"),
            (CUDA, {"gpus": 1, "capability": (7, 5)}, "vit_b", "fp32"),
            (CUDA, {"gpus": 1, "capability": (8, 0)}, "sam_lite", "fp32"),
            (MPS, {"mps": True}, "vit_b", "fp32"),
        ],
    )
    def test_auto_is_bf16_only_where_it_is_faster(
        self,
        machine: Callable[..., None],
        device: torch.device,
        options: dict[str, object],
        model: str,
        expected: str,
    ) -> None:
        machine(**options)
        assert resolve_precision("auto", device, CONFIGS[model]) == expected

    def test_small_vits_stay_exact(self, machine: Callable[..., None]) -> None:
        machine(cpu_bf16=True)
        assert resolve_precision("auto", CPU, SMALL_VIT) == "fp32"

    @pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
    def test_a_wish_is_granted_on_a_gpu(self, machine: Callable[..., None], precision: str) -> None:
        machine(1)
        messages: list[str] = []
        assert resolve_precision(precision, CUDA, CONFIGS["vit_b"], messages.append) == precision
        assert messages == []

    def test_fp16_on_a_processor_becomes_fp32_and_says_so(self) -> None:
        messages: list[str] = []
        assert resolve_precision("fp16", CPU, CONFIGS["vit_b"], messages.append) == "fp32"
        assert "fp32 is used" in messages[0]

    def test_slow_bf16_is_granted_and_says_so(self, machine: Callable[..., None]) -> None:
        machine(cpu_bf16=False)
        messages: list[str] = []
        assert resolve_precision("bf16", CPU, CONFIGS["vit_b"], messages.append) == "bf16"
        assert "not faster" in messages[0]

    @pytest.mark.parametrize("precision", ["fp8", "float32", "", None])
    def test_anything_else_is_refused(self, precision: str) -> None:
        with pytest.raises(ModelError, match='use "auto", "fp32", "bf16" or "fp16"'):
            resolve_precision(precision, CPU, CONFIGS["vit_b"])

    @pytest.mark.parametrize("supported", [True, False])
    def test_older_torch_is_asked_in_another_way(self, monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: supported, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
        assert has_fast_bf16(CPU) is supported


class TestOutOfMemory:
    @pytest.mark.parametrize(
        "error",
        [
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
            MemoryError(),
            RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
            RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
            RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes."),
        ],
    )
    def test_recognised(self, error: BaseException) -> None:
        assert is_out_of_memory(error)

    @pytest.mark.parametrize("error", [RuntimeError("shapes do not match"), ValueError("out of memory"), OSError()])
    def test_other_errors_are_not(self, error: BaseException) -> None:
        assert not is_out_of_memory(error)

    def test_caches_are_freed_where_there_are_any(
        self, machine: Callable[..., None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        freed = []
        monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append("cuda"))
        monkeypatch.setattr(torch.mps, "empty_cache", lambda: freed.append("mps"))
        machine(1, mps=True)
        for device in (CPU, CUDA, MPS):
            free_cached_memory(device)
        machine()
        free_cached_memory(CUDA)
        assert freed == ["cuda", "mps"]


def test_messages_go_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    module.log_message("something to know")
    assert caplog.messages == ["something to know"]
