"""The predictor as its users call it."""

import threading
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from napari_sam.errors import Cancelled, ImageError, ModelError, OutOfMemoryError, PromptError
from napari_sam.predict import predictor as module
from napari_sam.predict.embedding import Embedding
from napari_sam.predict.loaded import LoadedModel
from napari_sam.predict.predictor import Predictor
from napari_sam.types import Prediction, Prompts

HEIGHT, WIDTH = 90, 120
IMAGE = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture(scope="module")
def shared(tiny_model: LoadedModel) -> tuple[Predictor, Embedding]:
    predictor = Predictor(tiny_model)
    return predictor, predictor.encode(IMAGE)


def mixed_prompts(logits: np.ndarray) -> list[Prompts]:
    """Every structure a prompt can have, interleaved."""
    kinds: list[dict[str, Any]] = [
        {"points_yx": [[30, 40]]},
        {"points_yx": [[30, 40], [50, 60]], "labels": [1, 0]},
        {"box_yxyx": [10, 20, 60, 80]},
        {"points_yx": [[30, 40]], "box_yxyx": [10, 20, 60, 80]},
        {"points_yx": [[30, 40]], "mask_logits": logits},
        {"mask_logits": logits},
    ]
    shifted = [{"points_yx": [[20 + i, 30]]} for i in range(11)]
    return [Prompts(**kind) for kind in (*kinds, *shifted, *kinds[::-1])]


class TestEncode:
    def test_what_an_embedding_holds(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        assert embedding.features.shape == (64, 16, 16)
        assert [array.shape for array in embedding.high_res] == [(64, 32, 32), (32, 64, 64)]
        assert embedding.image_hw == (HEIGHT, WIDTH)
        assert embedding.model_hash == predictor.model.hash
        assert embedding.preprocessing.source == "unchanged"
        assert embedding.nbytes == 4 * (64 * 16 * 16 + 64 * 32 * 32 + 32 * 64 * 64)

    def test_an_embedding_cannot_be_changed(self, shared: tuple[Predictor, Embedding]) -> None:
        _, embedding = shared
        with pytest.raises(AttributeError):
            embedding.model_hash = "other"  # type: ignore[misc]
        with pytest.raises(ValueError, match="read-only"):
            embedding.features[0] = 0
        with pytest.raises(ValueError, match="read-only"):
            embedding.high_res[0][0] = 0

    def test_the_image_is_not_modified_and_may_change_later(self, predictor: Predictor) -> None:
        image = IMAGE.copy()
        embedding = predictor.encode(image)
        assert_array_equal(image, IMAGE)
        before = embedding.features.copy()
        image[:] = 0
        assert_array_equal(embedding.features, before)

    def test_repeated_encoding_is_bit_equal(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        assert_array_equal(predictor.encode(IMAGE).features, embedding.features)

    def test_progress_comes_from_between_the_blocks_and_cancel_is_heard_there(self, predictor: Predictor) -> None:
        told: list[int] = []
        predictor.encode(IMAGE, progress=lambda done, total: told.append(done))
        assert told == list(range(18))
        with pytest.raises(Cancelled):
            predictor.encode(IMAGE, cancelled=lambda: told.append(-1) or len(told) > 18 + 5)
        assert len(told) == 18 + 6

    def test_grey_equals_its_colour_copy(self, predictor: Predictor) -> None:
        grey = IMAGE[..., 0]
        assert_array_equal(predictor.encode(grey).features, predictor.encode(np.stack([grey] * 3, -1)).features)

    def test_limits_and_channels_reach_the_picture(self, predictor: Predictor) -> None:
        image = (np.random.default_rng(1).random((60, 70, 5)) * 1000).astype(np.float32)
        embedding = predictor.encode(image, limits=[(0, 500), (0, 1000)], channels=(4, 2))
        assert embedding.preprocessing.channels == (4, 2)
        assert embedding.preprocessing.limits == ((0.0, 500.0), (0.0, 1000.0))

    def test_notes_are_handed_on(self, predictor: Predictor) -> None:
        assert any("NaN" in note for note in predictor.encode(np.array([[1.0, np.nan], [0.0, 2.0]])).notes)

    @pytest.mark.parametrize("shape", [(1, 1), (1, 50), (50, 1), (3, 2), (2, 3000)])
    def test_odd_sizes_give_masks_of_their_size(self, predictor: Predictor, shape: tuple[int, int]) -> None:
        prediction = predictor.predict(predictor.encode(np.zeros(shape, np.uint8)), Prompts([[0, 0]]))
        assert prediction.masks.shape == (3, *shape)

    def test_bad_images_are_refused(self, predictor: Predictor) -> None:
        with pytest.raises(ImageError):
            predictor.encode(np.zeros((0, 5), np.uint8))

    def test_cancelled_before_anything_is_done(self, predictor: Predictor) -> None:
        with pytest.raises(Cancelled):
            predictor.encode(IMAGE, cancelled=lambda: True)

    def test_an_image_too_large_for_the_memory(self, predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr(module, "resized_rgb", fail)
        with pytest.raises(OutOfMemoryError, match="cut it into pieces"):
            predictor.encode(IMAGE)


class TestPredict:
    @pytest.mark.parametrize(("multimask", "count"), [(True, 3), (False, 1)])
    def test_shapes_and_dtypes(self, shared: tuple[Predictor, Embedding], multimask: bool, count: int) -> None:
        predictor, embedding = shared
        prediction = predictor.predict(embedding, Prompts([[30, 40]]), multimask)
        assert (prediction.masks.shape, prediction.masks.dtype) == ((count, HEIGHT, WIDTH), np.bool_)
        assert (prediction.scores.shape, prediction.scores.dtype) == ((count,), np.float32)
        assert (prediction.logits.shape, prediction.logits.dtype) == ((count, 64, 64), np.float32)
        assert prediction.best == np.argmax(prediction.scores)

    def test_three_masks_and_one_mask_are_different_outputs(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        three, one = (predictor.predict(embedding, Prompts([[30, 40]]), multimask) for multimask in (True, False))
        assert all(np.abs(one.logits[0] - logits).max() > 1e-3 for logits in three.logits)

    def test_repeated_prediction_is_bit_equal(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        first, second = (predictor.predict(embedding, Prompts([[30, 40]], [0])) for _ in range(2))
        assert_array_equal(first.logits, second.logits)
        assert_array_equal(first.masks, second.masks)

    def test_logits_can_be_fed_back(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        first = predictor.predict(embedding, Prompts([[30, 40]]))
        for logits in (first.logits[1], first.logits[1:2]):
            second = predictor.predict(embedding, Prompts([[30, 40]], mask_logits=logits), multimask=False)
            assert second.masks.shape == (1, HEIGHT, WIDTH)

    def test_results_may_be_changed_by_their_owner(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        prediction = predictor.predict(embedding, Prompts([[30, 40]]))
        prediction.masks[:] = True
        prediction.logits[:] = 0
        prediction.scores[:] = 0
        assert not predictor.predict(embedding, Prompts([[30, 40]])).masks.all()

    def test_swapped_corners_are_the_same_box(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        one, other = (predictor.predict(embedding, Prompts(box_yxyx=b)) for b in ([10, 20, 60, 80], [60, 20, 10, 80]))
        assert_array_equal(one.logits, other.logits)

    def test_what_sticks_out_of_a_box_does_not_count(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        far, near = (
            predictor.predict(embedding, Prompts(box_yxyx=b)) for b in ([50, -400, 500, 60], [50, -1, HEIGHT, 60])
        )
        assert_array_equal(far.logits, near.logits)


class TestRefusals:
    @pytest.mark.parametrize(
        ("prompts", "message"),
        [
            (Prompts(), "no prompt"),
            (Prompts(points_yx=np.zeros((0, 2))), "no prompt"),
            (Prompts([[HEIGHT, 5]]), r"Point \(90.0, 5.0\) lies outside the image of 90 x 120"),
            (Prompts([[5, 5], [5, WIDTH]]), r"Point \(5.0, 120.0\) lies outside"),
            (Prompts([[-1, 5]]), "lies outside"),
            (Prompts(box_yxyx=[HEIGHT + 1, 5, HEIGHT + 20, 50]), "Box .* lies outside"),
            (Prompts(box_yxyx=[-20, 5, -1, 50]), "Box .* lies outside"),
            (Prompts(box_yxyx=[0, WIDTH, 5, WIDTH + 1]), "Box .* lies outside"),
            (Prompts(mask_logits=np.zeros((HEIGHT, WIDTH))), r"needs its own low-resolution logits, \(64, 64\)"),
            (Prompts([[5, 5]], mask_logits=np.zeros((256, 256))), r"shape \(256, 256\)"),
        ],
    )
    def test_bad_prompts(self, shared: tuple[Predictor, Embedding], prompts: Prompts, message: str) -> None:
        predictor, embedding = shared
        with pytest.raises(PromptError, match=message):
            predictor.predict(embedding, prompts)

    @settings(deadline=None, max_examples=10)
    @given(st.floats(-0.5, HEIGHT - 0.5), st.floats(-0.5, WIDTH - 0.5))
    def test_every_place_on_a_pixel_is_inside(
        self, shared: tuple[Predictor, Embedding], row: float, column: float
    ) -> None:
        predictor, embedding = shared
        assert np.isfinite(predictor.predict(embedding, Prompts([[row, column]]), False).logits).all()

    def test_of_many_the_bad_one_is_named_before_work_starts(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        with pytest.raises(PromptError, match=r"Prompt 2: Point \(-5.0, 5.0\)"):
            predictor.predict_many(embedding, [Prompts([[5, 5]]), Prompts([[5, 6]]), Prompts([[-5, 5]])])

    def test_an_embedding_of_another_model(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        model = predictor.model
        other = Predictor(LoadedModel(model.sam, "other", model.device, "fp32", "other-hash"))
        with pytest.raises(ModelError, match="another model than 'other'"):
            other.predict(embedding, Prompts([[5, 5]]))


class TestPredictMany:
    @pytest.mark.parametrize("multimask", [True, False])
    def test_the_same_as_one_by_one(self, shared: tuple[Predictor, Embedding], multimask: bool) -> None:
        predictor, embedding = shared
        prompts = mixed_prompts(predictor.predict(embedding, Prompts([[30, 40]])).logits[0])
        together = predictor.predict_many(embedding, prompts, multimask)
        assert len(together) == len(prompts)
        for prompt, many in zip(prompts, together, strict=True):
            one = predictor.predict(embedding, prompt, multimask)
            assert_allclose(many.logits, one.logits, atol=2e-5)
            assert_allclose(many.scores, one.scores, atol=2e-5)
            assert (many.masks != one.masks).mean() < 1e-3

    def test_nothing_to_do(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        assert predictor.predict_many(embedding, []) == []

    def test_progress_counts_up_to_all(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        seen: list[tuple[int, int]] = []
        predictor.predict_many(
            embedding, [Prompts([[5, i]]) for i in range(10)], progress=lambda done, total: seen.append((done, total))
        )
        assert seen == [(done, 10) for done in range(1, 11)]

    def test_cancelled_between_batches(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        answers = iter([False, False, True])
        done: list[int] = []
        with pytest.raises(Cancelled):
            predictor.predict_many(
                embedding,
                [Prompts([[5, i]]) for i in range(100)],
                progress=lambda number, _: done.append(number),
                cancelled=lambda: next(answers),
            )
        assert 0 < len(done) < 100
        assert predictor.predict(embedding, Prompts([[5, 5]])).masks.shape[0] == 3

    def test_one_at_a_time_without_holding_all(self, shared: tuple[Predictor, Embedding]) -> None:
        predictor, embedding = shared
        prompts = [Prompts([[5, 5]]), Prompts(box_yxyx=[1, 1, 9, 9]), Prompts([[6, 6]])]
        assert [index for index, _ in predictor.iter_predictions(embedding, prompts)] == [0, 2, 1]

    def test_masks_too_large_for_the_memory(
        self, shared: tuple[Predictor, Embedding], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr(module, "masks_at_image_size", fail)
        with pytest.raises(OutOfMemoryError, match="iter_predictions"):
            shared[0].predict(shared[1], Prompts([[5, 5]]))


def test_threads_share_a_predictor(shared: tuple[Predictor, Embedding]) -> None:
    predictor, embedding = shared
    other = predictor.encode(IMAGE[::-1])
    jobs = [(e, Prompts([[10 + i, 20 + 2 * i]])) for i in range(8) for e in (embedding, other)]
    expected = [predictor.predict(*job).logits for job in jobs]
    found: dict[int, Prediction] = {}

    def work(numbers: range) -> None:
        for number in numbers:
            found[number] = predictor.predict(*jobs[number])

    threads = [threading.Thread(target=work, args=(range(i, len(jobs), 4),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, logits in enumerate(expected):
        assert_allclose(found[number].logits, logits, atol=1e-5)


def test_no_gradients_are_kept(shared: tuple[Predictor, Embedding]) -> None:
    predictor, embedding = shared
    assert torch.is_grad_enabled()
    predictor.predict(embedding, Prompts([[5, 5]]))
    assert torch.is_grad_enabled()
    assert all(p.grad is None for p in predictor.model.sam.parameters())
