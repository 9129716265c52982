"""What there is to do: the inputs of a run, what their results are called, and the planes of each."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from napari_sam.automatic.link_report import Plane
from napari_sam.automatic.series import linked_dimension, plane_order
from napari_sam.batch.prompts import find_prompts
from napari_sam.batch.request import BatchRequest
from napari_sam.errors import NapariSamError, ParameterError
from napari_sam.io.inputs import stem_of
from napari_sam.io.open_image import open_image
from napari_sam.io.source import ImageSource

_ZARR_METADATA = frozenset({"zarr.json", ".zarray", ".zattrs", ".zgroup", ".zmetadata"})


@dataclass(frozen=True)
class Layout:
    """The planes of one input, and what its labels look like.

    Attributes
    ----------
    axes : str
        Of the input.
    shape : tuple of int
        Of the input.
    dtype : str
        Of the input.
    stack_axes : str
        Letters of the dimensions that stack planes; the labels have these, then "YX".
    ranges : tuple of range
        The chosen planes along each of them.
    plane_hw : (int, int)
    scale : tuple of float, optional
        Size of a pixel along each dimension of the labels.
    unit : str, optional
        Unit of it along Y and X.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: str
    stack_axes: str
    ranges: tuple[range, ...]
    plane_hw: tuple[int, int]
    scale: tuple[float, ...] | None
    unit: str | None

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """Shape of the input without channels."""
        stacked = [n for n, letter in zip(self.shape, self.axes, strict=True) if letter not in "YXCS"]
        return (*stacked, *self.plane_hw)

    @property
    def label_axes(self) -> str:
        """Letters of the dimensions of the labels."""
        return self.stack_axes + "YX"

    @property
    def label_shape(self) -> tuple[int, ...]:
        """Shape of the labels."""
        return (*map(len, self.ranges), *self.plane_hw)

    def planes(self) -> Iterator[Plane]:
        """Yield the chosen planes in the order of the file."""
        return product(*self.ranges)

    def linking_order(self, link: str) -> Iterator[Plane]:
        """Yield the chosen planes so that those that are linked follow one another."""
        for plane in plane_order(self.stack_axes, tuple(map(len, self.ranges)), link):
            yield tuple(chosen[i] for chosen, i in zip(self.ranges, plane, strict=True))

    def axis_names(self) -> list[str]:
        """Return a name for each dimension that stacks planes: its letter, with a number if it is there twice."""
        letters = self.stack_axes.lower()
        return [one + (str(letters[:i].count(one)) if one in letters[:i] else "") for i, one in enumerate(letters)]


@dataclass(frozen=True)
class Item:
    """One input of a run.

    Attributes
    ----------
    number : int
        Counted from 0, in the order of the inputs.
    path : Path
        As the user named it.
    name : str
        What its results are called; see :func:`output_names`.
    key : str
        Its place seen from the folder of the results: the same after both were moved together.
    fingerprint : dict
        Size and time of change: tells whether it is still the same.
    layout : Layout or None
        None if it cannot be used.
    error : str
        Why it cannot be used.
    prompts : Path or None
        Labels whose objects are refined.
    """

    number: int
    path: Path
    name: str
    key: str
    fingerprint: dict[str, Any]
    layout: Layout | None = None
    error: str = ""
    prompts: Path | None = None


def plan_items(request: BatchRequest, root: Path) -> list[Item]:
    """Look at every input, without reading pixels; one that cannot be used gets an error, not the run.

    Parameters
    ----------
    request : BatchRequest
    root : Path
        Folder of the results.

    Raises
    ------
    ParameterError
        If the parameters fit none of the inputs: it is them that are wrong.
    """
    items: list[Item] = []
    unfit: list[ParameterError] = []
    for number, (path, name) in enumerate(zip(request.inputs, output_names(request.inputs), strict=True)):
        layout, error, prompts, state = None, "", None, fingerprint(path)
        try:
            layout = _layout(path, request)
            if request.prompts is not None:
                prompts = find_prompts(request.prompts, path, layout.plane_shape)
                state["prompts"] = fingerprint(prompts)
        except ParameterError as problem:
            unfit.append(problem)
            error = str(problem)
        except NapariSamError as problem:
            error = str(problem)
        items.append(Item(number, path, name, _key(path, root), state, layout, error, prompts))
    if unfit and len(unfit) == len(items):
        raise unfit[0]
    return items


def output_names(paths: Sequence[Path]) -> list[str]:
    """Return what the results of each input are called: its stem, where no other input has the same.

    Inputs of one stem get the folders in front that tell them apart (``a_cells`` for ``a/cells.tif``), or, in one
    folder, their suffix behind (``cells_png``); what is still the same is numbered. Capitals are not told apart, as
    some systems do not.
    """
    names = [stem_of(path) for path in paths]
    for number, group in _clashes(names):
        folders = [paths[i].resolve().parent for i in group]
        common = Path(os.path.commonpath(folders))
        inner = folders[group.index(number)].relative_to(common).parts
        names[number] = "_".join([*inner, names[number]])
    for number, _ in _clashes(names):
        names[number] = f"{names[number]}_{paths[number].suffix.lstrip('.').lower()}"
    taken: set[str] = set()
    for number, name in enumerate(names):
        counted, count = name, 1
        while counted.lower() in taken:
            count += 1
            counted = f"{name}_{count}"
        taken.add(counted.lower())
        names[number] = counted
    return names


def fingerprint(path: Path) -> dict[str, Any]:
    """Return size and time of the last change; of a zarr, those of its metadata and folders. Pixels are not read."""
    try:
        if not path.is_dir():
            state = path.stat()
            return {"size": state.st_size, "changed_ns": state.st_mtime_ns}
        states = [os.stat(one) for one in _zarr_parts(path)]
        return {"size": len(states), "changed_ns": max(state.st_mtime_ns for state in states)}
    except OSError:
        return {}


def _zarr_parts(path: Path) -> Iterator[str]:
    for folder, _, files in os.walk(path):
        yield folder
        yield from (os.path.join(folder, one) for one in files if one in _ZARR_METADATA)


def _clashes(names: Sequence[str]) -> list[tuple[int, list[int]]]:
    """Return the number of each name that is there several times, with the numbers of all of them."""
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        groups.setdefault(name.lower(), []).append(number)
    return [(number, group) for group in groups.values() if len(group) > 1 for number in group]


def _layout(path: Path, request: BatchRequest) -> Layout:
    source = open_image(path)
    try:
        linked_dimension(source.stack_axes, request.job.stack.link)
        return Layout(
            axes=source.axes,
            shape=tuple(source.shape),
            dtype=str(source.dtype),
            stack_axes=source.stack_axes,
            ranges=_chosen(path, source, request.ranges()),
            plane_hw=source.plane_hw,
            scale=_label_scale(source),
            unit=source.unit,
        )
    finally:
        source.close()


def _chosen(path: Path, source: ImageSource, slices: tuple[slice, ...]) -> tuple[range, ...]:
    """Apply the chosen ranges to the dimensions that stack planes; a single plane stays as it is."""
    ranges = [range(length) for length in source.stack_shape]
    if len(slices) > len(ranges) > 0:
        raise ParameterError(f"{path} has planes along {source.stack_axes}, but ranges for {len(slices)} were given.")
    for i, one in enumerate(slices[: len(ranges)]):
        if not ranges[i][one]:
            raise ParameterError(
                f"{path} has {len(ranges[i])} planes along {source.stack_axes[i]}: none is among the chosen ones "
                f"({_text(one)})."
            )
        ranges[i] = ranges[i][one]
    return tuple(ranges)


def _label_scale(source: ImageSource) -> tuple[float, ...] | None:
    if source.scale is None:
        return None
    stacking = [i for i, letter in enumerate(source.axes) if letter not in "YXCS"]
    dims = (*stacking, source.axes.index("Y"), source.axes.index("X"))
    return tuple(float(source.scale[i]) for i in dims)


def _text(one: slice) -> str:
    return ":".join("" if end is None else str(end) for end in (one.start, one.stop))


def _key(path: Path, root: Path) -> str:
    try:
        return Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()


def describe_item(item: Item) -> dict[str, Any]:
    """Describe an input for the report."""
    layout = item.layout
    description: dict[str, Any] = {
        "input": item.path.as_posix(),
        "location": item.key,
        "name": item.name,
        "fingerprint": item.fingerprint,
    }
    if layout is not None:
        description |= {
            "axes": layout.axes,
            "shape": list(layout.shape),
            "dtype": layout.dtype,
            "label_axes": layout.label_axes,
            "label_shape": list(layout.label_shape),
            "scale": None if layout.scale is None else list(layout.scale),
            "unit": layout.unit,
        }
    return description
