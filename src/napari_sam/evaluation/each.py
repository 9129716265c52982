"""One annotated image after another: a bad one is named, the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from napari_sam.errors import Cancelled, NapariSamError


class Named(Protocol):
    """Something of a source, with a name."""

    @property
    def source(self) -> str:
        """Data set it belongs to."""

    @property
    def name(self) -> str:
        """Name within the source."""


Pair = TypeVar("Pair", bound=Named)
Result = TypeVar("Result")
Failed = Callable[[Pair, NapariSamError], None]


def each_pair(
    pairs: Sequence[Pair],
    measure: Callable[[Pair], Result],
    *,
    on_failure: Failed[Pair] | None = None,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Iterator[Result]:
    """Measure pair after pair.

    Parameters
    ----------
    pairs : sequence
    measure : callable
        Takes a pair.
    on_failure : callable, optional
        Told (pair, error) of a pair that cannot be measured, which is then left out. Without it the error ends all.
    progress : callable, optional
        Told (done, total).
    cancelled : callable, optional
        Asked before each pair; True stops.

    Yields
    ------
    result of ``measure``

    Raises
    ------
    Cancelled
        When ``cancelled()`` becomes true.
    """
    for done, pair in enumerate(pairs):
        if cancelled is not None and cancelled():
            raise Cancelled(f"Evaluation stopped after {done} of {len(pairs)} images.")
        try:
            yield measure(pair)
        except Cancelled:
            raise
        except NapariSamError as error:
            if on_failure is None:
                raise
            on_failure(pair, error)
        if progress is not None:
            progress(done + 1, len(pairs))
