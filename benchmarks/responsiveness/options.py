"""The options of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """How much is done.

    Attributes
    ----------
    size : int
        Height and width of images and planes.
    clicks : int
        Objects clicked, of each of two sizes.
    encodings : int
        Times the image is encoded.
    planes : int
        Planes of the lazy stacks.
    visits : int
        Slices visited for the memory they keep.
    embedding_mb : int
        Memory for embeddings while they are visited: less than the default, so that it is reached.
    """

    size: int = 2048
    clicks: int = 10
    encodings: int = 3
    planes: int = 2500
    visits: int = 200
    embedding_mb: int = 256


TINY = Options(size=256, clicks=2, encodings=1, planes=6, visits=4, embedding_mb=4)
