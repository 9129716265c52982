"""Prompts to tokens: how many, in which order, with which embeddings (all as in the official code)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_sam.model.sam import Sam

POINT = torch.tensor([[[30.0, 40.0]]])
TWO = torch.tensor([[[30.0, 40.0], [100.0, 200.0]]])
BOX = torch.tensor([[10.0, 20.0, 110.0, 90.0]])
POSITIVE = torch.tensor([[1]])


def tokens(sam: Sam, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None) -> Tensor:
    with torch.inference_mode():
        return sam.prompt_encoder.sparse_tokens(points, labels, boxes)[0]


@pytest.mark.parametrize(
    ("points", "labels", "boxes", "count"),
    [
        (POINT, POSITIVE, None, 2),  # and the padding point
        (TWO, torch.tensor([[1, 0]]), None, 3),
        (None, None, BOX, 2),
        (POINT, POSITIVE, BOX, 3),  # no padding beside a box
        (None, None, None, 0),
    ],
)
def test_number_of_tokens(
    small_sam: Sam, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None, count: int
) -> None:
    assert tokens(small_sam, points, labels, boxes).shape == (count, 64)


def test_padding_token_has_no_position(small_sam: Sam) -> None:
    found = tokens(small_sam, POINT, POSITIVE, None)
    torch.testing.assert_close(found[1], small_sam.prompt_encoder.not_a_point_embed.weight[0])
    explicit = tokens(small_sam, TWO, torch.tensor([[1, -1]]), None)
    torch.testing.assert_close(explicit[1], found[1], rtol=0, atol=0)


def test_labels_choose_the_embedding(small_sam: Sam) -> None:
    encoder = small_sam.prompt_encoder
    position = encoder.pe_layer.encode((POINT[0, 0] + 0.5) / 256)
    for label in (0, 1):
        found = tokens(small_sam, POINT, torch.tensor([[label]]), None)[0]
        torch.testing.assert_close(found, position + encoder.point_embeddings[label].weight[0])
    # The official torch code gives labels 2 and 3 no embedding.
    torch.testing.assert_close(tokens(small_sam, POINT, torch.tensor([[2]]), None)[0], position)


def test_box_corners_follow_the_points(small_sam: Sam) -> None:
    both, box = tokens(small_sam, POINT, POSITIVE, BOX), tokens(small_sam, None, None, BOX)
    torch.testing.assert_close(both[1:], box)
    encoder = small_sam.prompt_encoder
    for corner, embedding in enumerate(encoder.point_embeddings[2:]):
        position = encoder.pe_layer.encode((BOX[0, 2 * corner : 2 * corner + 2] + 0.5) / 256)
        torch.testing.assert_close(box[corner], position + embedding.weight[0])


def test_x_is_scaled_by_the_width_and_comes_first(small_sam: Sam) -> None:
    matrix = small_sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
    x, y = (30.5 / 256) * 2 - 1, (40.5 / 256) * 2 - 1
    angles = 2 * torch.pi * (x * matrix[0] + y * matrix[1])
    expected = torch.cat([angles.sin(), angles.cos()]) + small_sam.prompt_encoder.point_embeddings[1].weight[0]
    torch.testing.assert_close(tokens(small_sam, POINT, POSITIVE, None)[0], expected, rtol=0, atol=1e-5)


def test_without_mask_every_token_gets_the_no_mask_embedding(small_sam: Sam) -> None:
    dense = small_sam.prompt_encoder.dense_embedding(None)
    assert dense.shape == (1, 64, 16, 16)
    torch.testing.assert_close(dense[0, :, 3, 5], small_sam.prompt_encoder.no_mask_embed.weight[0])


def test_mask_prompt_replaces_it(small_sam: Sam) -> None:
    with torch.inference_mode():
        dense = small_sam.prompt_encoder.dense_embedding(torch.zeros(2, 1, 64, 64))
    assert dense.shape == (2, 64, 16, 16)
    assert not torch.allclose(dense[:1], small_sam.prompt_encoder.dense_embedding(None))
