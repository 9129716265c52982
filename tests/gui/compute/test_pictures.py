"""What is kept of the images the model was shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_sam.geometry.window import Window
from napari_sam.gui.compute.jobs import ModelChoice, SegmentJob
from napari_sam.gui.compute.pictures import THUMBNAIL, Pictures, exact_rgb, picture_of
from napari_sam.gui.view.drawn import Channel, DrawnReader
from napari_sam.gui.view.planes import Plane
from napari_sam.gui.view.reading import PlaneReader
from napari_sam.predict.composite import LUT_SIZE, LayerLook
from napari_sam.predict.preprocess import resized_rgb

PIXELS = np.random.default_rng(0).integers(0, 4000, (90, 120)).astype(np.uint16)
WHOLE = Window(0, 0, 90, 120)


def job_on(pixels: np.ndarray[Any, Any], limits: Any = (0.0, 4000.0), index: int = 0) -> SegmentJob:
    plane = Plane((0, 1), (), (pixels.shape[0], pixels.shape[1]))
    return SegmentJob(ModelChoice(), index, plane, limits, PlaneReader([pixels], plane))


def test_the_thumbnail_and_the_texts_are_of_what_the_encoder_gets():
    job = job_on(PIXELS)
    picture = picture_of(job, PIXELS, WHOLE, 1024, ("a note",))
    expected, _, _ = resized_rgb(PIXELS, 120, (0, 4000))
    np.testing.assert_array_equal(picture.thumbnail, expected)
    assert (picture.read_hw, picture.model_hw) == ((90, 120), (768, 1024))
    assert (picture.channels, picture.notes) == ("grey", ("a note",))
    ((layer_id, name, report),) = picture.reports
    assert (layer_id, name, report.limits) == (None, "", (0, 4000))
    exact, _, _ = resized_rgb(PIXELS, 1024, (0, 4000))
    np.testing.assert_array_equal(exact_rgb(job, picture), exact)


def test_thumbnails_of_large_images_are_small():
    large = np.zeros((1500, 900, 3), np.uint8)
    picture = picture_of(job_on(large, None), large, Window(0, 0, 1500, 900), 1024, ())
    assert max(picture.thumbnail.shape) == THUMBNAIL
    assert picture.channels == "red, green, blue"


def test_a_window_is_read_again_where_it_lay():
    job = job_on(PIXELS)
    window = Window(20, 40, 32, 48)
    picture = picture_of(job, PIXELS[20:52, 40:88], window, 64, ())
    expected, _, _ = resized_rgb(PIXELS[20:52, 40:88], 64, (0, 4000))
    np.testing.assert_array_equal(exact_rgb(job, picture), expected)


def test_every_drawn_channel_has_its_report():
    ramp = np.linspace(0, 1, LUT_SIZE + 1, dtype=np.float32)[:, None] * np.ones(4, np.float32)
    hot = np.random.default_rng(0).integers(50, 90, PIXELS.shape).astype(np.uint16)
    hot[5, 5] = 60000
    job = job_on(PIXELS, None)
    looks = LayerLook((0, 4000), ramp, name="nuclei"), LayerLook((0, 60000), ramp, name="actin")
    readers = PlaneReader([PIXELS], job.plane), PlaneReader([hot], job.plane)
    drawn = DrawnReader(
        [Channel(number, read, look) for number, (read, look) in enumerate(zip(readers, looks, strict=True))]
    )
    job = replace(job, read=drawn)
    picture = picture_of(job, job.read(), WHOLE, 1024, ())
    assert picture.channels == "composite of nuclei, actin"
    assert [(layer, name, len(report.findings)) for layer, name, report in picture.reports] == [
        (0, "nuclei", 0),
        (1, "actin", 1),
    ]


def test_memory_is_bounded_and_the_least_used_goes_first():
    picture = picture_of(job_on(PIXELS), PIXELS, WHOLE, 1024, ())
    pictures = Pictures(max_bytes=3 * picture.thumbnail.nbytes)
    jobs = [job_on(PIXELS, index=index) for index in range(4)]
    for job in jobs[:3]:
        pictures.add(job, PIXELS, WHOLE, 1024)
    pictures.use(jobs[0], WHOLE)
    pictures.add(jobs[3], PIXELS, WHOLE, 1024)
    assert [pictures.get(job) is not None for job in jobs] == [True, False, True, True]


def test_the_window_used_last_is_shown():
    pictures, job = Pictures(), job_on(PIXELS)
    left, right = Window(0, 0, 90, 60), Window(0, 60, 90, 60)
    pictures.add(job, PIXELS[:, :60], left, 1024)
    pictures.add(job, PIXELS[:, 60:], right, 1024)
    found = pictures.get(job)
    assert found is not None
    assert found.window == right
    pictures.use(job, left)
    found = pictures.get(job)
    assert found is not None
    assert found.window == left


@pytest.mark.parametrize("pixels", [PIXELS.astype(float), np.zeros((90, 120), np.uint8), PIXELS > 2000])
def test_any_image_has_a_picture(pixels: np.ndarray[Any, Any]):
    assert picture_of(job_on(pixels, None), pixels, WHOLE, 1024, ()).thumbnail.dtype == np.uint8
