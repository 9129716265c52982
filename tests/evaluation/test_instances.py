"""Scores over a folder of annotated images."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_sam.errors import Cancelled, PairError
from napari_sam.evaluation.instances import (
    evaluate_instances,
    image_entry,
    image_rows,
    mean_over_sources,
    summarise_instances,
)
from napari_sam.io.pairs import ImagePair, find_pairs


def truth() -> np.ndarray:
    labels = np.zeros((20, 30), np.uint16)
    labels[2:8, 2:8], labels[10:18, 15:25] = 1, 2
    return labels


@pytest.fixture
def pairs(tmp_path: Path) -> list[ImagePair]:
    for source, names in {"cells": "ab", "empty": "a"}.items():
        for name in names:
            (tmp_path / source).mkdir(exist_ok=True)
            labels = truth() * (source == "cells")
            Image.fromarray((labels > 0).astype(np.uint8) * 200).save(tmp_path / source / f"{name}_img.png")
            Image.fromarray(labels).save(tmp_path / source / f"{name}_lab.png")
    return find_pairs(tmp_path)


def first_object_only(pair: ImagePair) -> np.ndarray:
    return (truth() == 1) * 7 if pair.source == "cells" else np.zeros((1, 20, 30), int)


def test_objects_and_images_are_counted_by_source(pairs: list[ImagePair]) -> None:
    images = evaluate_instances(pairs, first_object_only, [0.5, 0.9])
    assert [(image.source, image.name) for image in images] == [("cells", "a"), ("cells", "b"), ("empty", "a")]
    summary = summarise_instances(images)
    cells = summary["cells"]
    assert (cells["images"], cells["objects"]) == (2, 4)
    assert [entry["threshold"] for entry in cells["pooled"]] == [0.5, 0.9]
    assert cells["pooled"][1]["tp"] == 2
    assert cells["pooled"][0]["f1"] == pytest.approx(2 / 3)
    assert cells["by_image"][0]["recall"] == 0.5
    assert cells["msa"] == 0.5
    assert math.isnan(summary["empty"]["msa"])
    means = mean_over_sources(summary)
    assert means["msa"] == 0.5  # the empty source says nothing
    assert means["pooled"][0]["f1"] == pytest.approx(2 / 3)


def test_the_table_has_a_row_for_every_image_and_threshold(pairs: list[ImagePair]) -> None:
    images = evaluate_instances(pairs, first_object_only, [0.5, 0.9])
    rows = image_rows(images)
    assert [(row["source"], row["name"], row["threshold"]) for row in rows][:2] == [
        ("cells", "a", 0.5),
        ("cells", "a", 0.9),
    ]
    assert rows[0]["precision"] == 1
    assert rows[0]["splits"] == 0
    assert image_entry(images[0])["thresholds"][1]["fn"] == 1


def test_bad_pairs_are_named_and_the_rest_goes_on(pairs: list[ImagePair]) -> None:
    pairs[0].label_path.unlink()
    failures: list[str] = []
    images = evaluate_instances(
        pairs, first_object_only, on_failure=lambda pair, error: failures.append(f"{pair.name}: {error}")
    )
    assert len(images) == 2
    assert len(failures) == 1
    assert "a_lab.png is missing" in failures[0]
    with pytest.raises(PairError, match="missing"):
        evaluate_instances(pairs, first_object_only)


def test_labels_of_another_shape_are_an_error(pairs: list[ImagePair]) -> None:
    with pytest.raises(PairError, match="shape"):
        evaluate_instances(pairs, lambda pair: truth().T)


def test_cancel_stops_between_images(pairs: list[ImagePair]) -> None:
    with pytest.raises(Cancelled, match="after 0 of 3"):
        evaluate_instances(pairs, first_object_only, cancelled=lambda: True)
