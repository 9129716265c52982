"""What happens when memory runs out: smaller batches, then the processor, then a clear error; never a dead model."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from napari_sam.errors import Cancelled, ModelError, OutOfMemoryError
from napari_sam.model.efficientnet_lite import ImageFeatures
from napari_sam.model.sam import Sam
from napari_sam.predict.embedding import Embedding
from napari_sam.predict.execute import Executor, _copy_to_cpu
from napari_sam.predict.load import load_model
from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.predictor import Predictor
from napari_sam.types import Prompts
from napari_sam.zoo.checkpoints import save_checkpoint

IMAGE = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
PROMPTS = [Prompts([[10.0 + 3 * i, 20.0 + 4 * i]]) for i in range(20)]
GPU = torch.device("cuda:0")


def gpu_out_of_memory() -> Exception:
    return torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


class SmallMemory(nn.Module):
    """A model on a pretended device that holds few prompts, or not even the encoder; its copy on the processor does not
    share the limits."""

    def __init__(
        self, sam: Sam, batch: int = 1000, encoder: bool = True, error: Callable[[], Exception] = gpu_out_of_memory
    ) -> None:
        super().__init__()
        self.sam, self.batch, self.encoder, self.error = sam, batch, encoder, error
        self.batches: list[int] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> Sam:
        return self.sam

    @property
    def config(self) -> Any:
        return self.sam.config

    @property
    def device(self) -> torch.device:
        return self.sam.device

    def preprocess(self, image: torch.Tensor) -> torch.Tensor:
        return self.sam.preprocess(image)

    def encode(self, pixels: torch.Tensor, progress: Any = None) -> ImageFeatures:
        if not self.encoder:
            self.sam.encode(pixels, self._until_memory_runs_out(progress))
        return self.sam.encode(pixels, progress)

    def _until_memory_runs_out(self, progress: Any) -> Callable[[int, int], None]:
        def count(done: int, total: int) -> None:
            if progress is not None:
                progress(done, total)
            if done == 3:
                raise self.error()

        return count

    def image_context(self, features: ImageFeatures) -> Any:
        return self.sam.image_context(features)

    def decode_confident(self, context: Any, points: torch.Tensor, *others: Any) -> Any:
        self.batches.append(len(points))
        if len(points) > self.batch:
            raise self.error()
        return self.sam.decode_confident(context, points, *others)


def pretended(sam: SmallMemory, device: torch.device = GPU) -> LoadedModel:
    return LoadedModel(sam, "tiny", device, "fp32", "hash-of-tiny")  # type: ignore[arg-type]


@pytest.fixture
def expected(predictor: Predictor) -> tuple[Embedding, np.ndarray]:
    embedding = predictor.encode(IMAGE)
    return embedding, np.stack([p.logits for p in predictor.predict_many(embedding, PROMPTS)])


ERRORS = [gpu_out_of_memory, MemoryError, lambda: RuntimeError("MPS backend out of memory")]


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("device", [GPU, torch.device("mps"), torch.device("cpu")])
def test_the_batch_is_halved_until_it_fits(
    tiny_sam: Sam, expected: Any, error: Callable[[], Exception], device: torch.device
) -> None:
    embedding, logits = expected
    sam, messages = SmallMemory(tiny_sam, batch=3, error=error), []
    predictor = Predictor(pretended(sam, device), on_message=messages.append)
    found = predictor.predict_many(embedding, PROMPTS)
    assert_allclose(np.stack([p.logits for p in found]), logits, atol=1e-5)
    assert all("prompts at a time" in message for message in messages)
    assert 1 <= len(messages) <= 4
    seen = len(sam.batches)
    predictor.predict_many(embedding, PROMPTS)
    assert max(sam.batches[seen:]) <= 3  # remembered


def test_one_prompt_too_many_moves_decoding_to_the_processor(tiny_sam: Sam, expected: Any) -> None:
    embedding, logits = expected
    sam, messages = SmallMemory(tiny_sam, batch=0), []
    predictor = Predictor(pretended(sam), on_message=messages.append)
    found = predictor.predict_many(embedding, PROMPTS)
    assert_allclose(np.stack([p.logits for p in found]), logits, atol=1e-5)
    assert "continuing on the processor" in messages[-1]
    seen = len(sam.batches)
    predictor.predict(embedding, PROMPTS[0])
    assert len(sam.batches) == seen  # the small device is not asked again


def test_an_encoder_that_does_not_fit_moves_to_the_processor(tiny_sam: Sam, expected: Any) -> None:
    embedding, _ = expected
    messages: list[str] = []
    predictor = Predictor(pretended(SmallMemory(tiny_sam, encoder=False)), on_message=messages.append)
    for _ in range(2):
        assert_array_equal(predictor.encode(IMAGE).features, embedding.features)
    assert len(messages) == 1
    assert "continuing on the processor" in messages[0]


def test_progress_starts_again_on_the_processor_and_cancel_works_there(tiny_sam: Sam) -> None:
    predictor = Predictor(pretended(SmallMemory(tiny_sam, encoder=False)), on_message=lambda message: None)
    told: list[tuple[int, int]] = []
    predictor.encode(IMAGE, progress=lambda done, total: told.append((done, total)))
    done = [step for step, _ in told]
    total = told[0][1]
    assert done == [0, 1, 2, 3, *range(total + 1)]
    seen = len(told)
    with pytest.raises(Cancelled):
        predictor.encode(
            IMAGE,
            progress=lambda done, total: told.append((done, total)),
            cancelled=lambda: len(told) - seen >= 2,
        )
    assert len(told) - seen == 2


def test_a_processor_without_memory_is_an_error_and_the_model_stays_usable(tiny_sam: Sam, expected: Any) -> None:
    embedding, logits = expected
    sam = SmallMemory(tiny_sam, batch=0, encoder=False, error=MemoryError)
    predictor = Predictor(pretended(sam, torch.device("cpu")), on_message=lambda _: None)
    with pytest.raises(OutOfMemoryError, match="not enough to encode"):
        predictor.encode(IMAGE)
    with pytest.raises(OutOfMemoryError, match="not enough to decode"):
        predictor.predict_many(embedding, PROMPTS)
    sam.batch, sam.encoder = 1000, True
    assert_array_equal(predictor.encode(IMAGE).features, embedding.features)
    assert_allclose(predictor.predict_many(embedding, PROMPTS)[3].logits, logits[3], atol=1e-5)


def test_other_errors_are_not_hidden(tiny_sam: Sam, expected: Any) -> None:
    embedding, _ = expected
    broken = SmallMemory(tiny_sam, batch=0, encoder=False, error=lambda: RuntimeError("a bug"))
    predictor = Predictor(pretended(broken), on_message=lambda _: None)
    with pytest.raises(RuntimeError, match="a bug"):
        predictor.encode(IMAGE)
    with pytest.raises(RuntimeError, match="a bug"):
        predictor.predict(embedding, PROMPTS[0])


def test_a_copy_on_the_processor_is_equal_and_independent(tiny_model: LoadedModel) -> None:
    copy = _copy_to_cpu(tiny_model.sam)
    original, copied = tiny_model.sam.state_dict(), copy.state_dict()
    assert original.keys() == copied.keys()
    assert all(torch.equal(original[name], copied[name]) for name in original)
    assert not copy.training
    assert not {id(p) for p in copy.parameters()} & {id(p) for p in tiny_model.sam.parameters()}
    assert len(list(copy.buffers())) == len(list(tiny_model.sam.buffers()))


def test_values_that_are_not_finite_are_an_error(tiny_sam: Sam) -> None:
    class Overflowing(SmallMemory):
        def encode(self, pixels: torch.Tensor, progress: Any = None) -> ImageFeatures:
            return ImageFeatures(super().encode(pixels.float()).embedding * torch.inf)

    for precision, advice in (("fp32", "weights may be damaged"), ("bf16", 'use precision="fp32"')):
        model = LoadedModel(Overflowing(tiny_sam), "tiny", torch.device("cpu"), precision, "h")  # type: ignore[arg-type]
        with pytest.raises(ModelError, match=f"not finite in {precision}: .*{advice}"):
            Predictor(model).encode(IMAGE)


def test_bf16_encodes_nearly_the_same_and_decodes_in_fp32(
    tiny_model: LoadedModel, tiny_sam: Sam, tmp_path: Path, expected: Any
) -> None:
    embedding, _ = expected
    path = save_checkpoint(tiny_sam, tmp_path / "tiny.safetensors")
    reduced = load_model(checkpoint=path, device="cpu", precision="bf16", on_message=lambda _: None)
    assert reduced.precision == "bf16"
    assert reduced.hash == load_model(checkpoint=path, device="cpu").hash
    found = Predictor(reduced).encode(IMAGE)
    assert found.features.dtype == np.float32
    difference = np.abs(found.features - embedding.features)
    assert 0 < difference.max() < 0.2
    exact = [parameter.dtype for name, parameter in reduced.sam.named_parameters() if "image_encoder" not in name]
    assert set(exact) == {torch.float32}
    copied = _copy_to_cpu(reduced.sam)
    assert {parameter.dtype for parameter in copied.parameters()} == {torch.float32}
    same = LoadedModel(reduced.sam, "tiny", reduced.device, "bf16", "hash-of-tiny")
    assert_array_equal(
        Predictor(same).predict(embedding, PROMPTS[0]).logits,
        Predictor(tiny_model).predict(embedding, PROMPTS[0]).logits,
    )


def test_work_per_image_is_done_once_for_the_two_images_used_last(
    tiny_model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = Predictor(tiny_model)
    embeddings = [predictor.encode(IMAGE + i) for i in range(3)]
    made: list[int] = []
    original = Sam.image_context
    monkeypatch.setattr(Sam, "image_context", lambda self, features: made.append(1) or original(self, features))
    done = []
    for number in (0, 0, 1, 0, 2, 0, 1):
        predictor.predict(embeddings[number], PROMPTS[0])
        done.append(len(made))
    assert done == [1, 1, 2, 2, 3, 3, 4]


def test_contexts_do_not_keep_embeddings_alive(tiny_model: LoadedModel) -> None:
    executor = Executor(tiny_model)
    predictor = Predictor(tiny_model)
    predictor._executor = executor
    embedding = predictor.encode(IMAGE)
    predictor.predict(embedding, PROMPTS[0])
    assert len(executor._contexts) == 1
    del embedding
    assert len(executor._contexts) == 0
