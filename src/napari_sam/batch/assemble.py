"""From the finished planes of an input to its results: labels, masks, and its part of the table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_sam.automatic.link_report import LinkReport, Plane
from napari_sam.automatic.series import SeriesLinker
from napari_sam.batch.failures import writing
from napari_sam.batch.plan import Item, Layout, describe_item
from napari_sam.batch.request import BatchRequest, Places
from napari_sam.batch.results import read_labels, read_records, read_rows, read_seconds
from napari_sam.batch.table import table_row, write_table
from napari_sam.batch.workspace import Workspace
from napari_sam.io.labels import write_label_planes
from napari_sam.io.ome_zarr import write_label_zarr
from napari_sam.io.sa1b import annotation, write_annotations

_WRITERS = {"tif": write_label_planes, "ome-zarr": write_label_zarr}


@dataclass(frozen=True)
class Assembler:
    """Puts the planes of inputs together.

    Attributes
    ----------
    request : BatchRequest
    places : Places
    work : Workspace
        Holds a result for every plane.
    """

    request: BatchRequest
    places: Places
    work: Workspace

    def assemble(self, item: Item, layout: Layout) -> dict[str, Any]:
        """Write the results of an input under their final names, each whole, and tell about them.

        Labels are read twice, a plane at a time: once to link, once to write. Doing it again after a kill gives the
        same bytes.

        Parameters
        ----------
        item : Item
        layout : Layout
            Its layout.

        Returns
        -------
        dict
            Its entry in the report of the run.

        Raises
        ------
        OutputError
            If something cannot be written.
        ImageError
            If there are more objects than labels can number.
        """
        ids = self._link(item, layout)
        self._write_labels(item, layout, ids)
        if self.request.json_masks:
            self._write_masks(item, layout, ids)
        part = self.work.table(item)
        with writing(part):
            write_table(part, layout.axis_names(), self._rows(item, layout, ids))
        return self._entry(item, layout, ids)

    def _link(self, item: Item, layout: Layout) -> _Ids:
        if self.request.prompts is not None and self.request.job.stack.link == "none":
            return self._given(item, layout)
        config = self.request.job.stack
        linker = SeriesLinker(config, layout.stack_axes)
        tables: dict[Plane, NDArray[np.uint32]] = {}
        for plane in layout.linking_order(config.link):
            tables.update(linker.add(plane, read_labels(self.work.result(item, plane))))
        tables.update(linker.finish())
        return _Ids(tables, linker.last_id, linker.last_id, linker.report)

    def _given(self, item: Item, layout: Layout) -> _Ids:
        """Keep the ids of the prompts."""
        tables, found = {}, np.zeros(0, np.uint32)
        for plane in layout.planes():
            ids = np.array([row.id for row in read_rows(self.work.result(item, plane))], np.uint32)
            tables[plane] = np.arange(ids.max(initial=0) + 1, dtype=np.uint32)
            found = np.union1d(found, ids)
        return _Ids(tables, int(found.max(initial=0)), len(found), LinkReport())

    def _write_labels(self, item: Item, layout: Layout, ids: _Ids) -> None:
        target = self.places.labels(item.name)
        temporary = self.work.item_folder(item) / target.name
        with writing(target):
            _WRITERS[self.request.label_format](
                temporary,
                self._labels(item, layout, ids),
                layout.label_shape,
                ids.last,
                layout.scale,
                layout.unit,
                layout.label_axes,
            )
            self.work.publish(temporary, target)

    def _labels(self, item: Item, layout: Layout, ids: _Ids) -> Iterator[NDArray[np.uint32]]:
        for plane in layout.planes():
            yield ids.tables[plane][read_labels(self.work.result(item, plane))]

    def _write_masks(self, item: Item, layout: Layout, ids: _Ids) -> None:
        target = self.places.masks(item.name)
        temporary = self.work.item_folder(item) / target.name
        with writing(target):
            write_annotations(temporary, self._annotations(item, layout, ids), layout.plane_hw, item.path.name)
            self.work.publish(temporary, target)

    def _annotations(self, item: Item, layout: Layout, ids: _Ids) -> Iterator[dict[str, Any]]:
        """Yield the annotation of each object on each plane; beyond SA-1B, it says which label and which plane."""
        for plane in layout.planes():
            result = self.work.result(item, plane)
            where = {"plane": list(plane)} if plane else {}
            for row, record in zip(read_rows(result), read_records(result), strict=True):
                label = int(ids.tables[plane][row.id])
                if label:
                    yield {**annotation(record), "label": label, **where}

    def _rows(self, item: Item, layout: Layout, ids: _Ids) -> Iterator[dict[str, Any]]:
        for plane in layout.planes():
            for row in read_rows(self.work.result(item, plane)):
                label = int(ids.tables[plane][row.id])
                if label:
                    yield table_row(item.path.as_posix(), layout, plane, label, row)

    def _entry(self, item: Item, layout: Layout, ids: _Ids) -> dict[str, Any]:
        planes = list(layout.planes())
        seconds = sum(read_seconds(self.work.result(item, plane)) for plane in planes)
        return {
            **describe_item(item),
            "status": "done",
            "error": None,
            "seconds": round(seconds, 3),
            "objects": ids.count,
            "planes": len(planes),
            "labels": self.places.labels(item.name).name,
            "masks": self.places.masks(item.name).name if self.request.json_masks else None,
            "links": _links(ids.report) if self.request.job.stack.link != "none" else None,
        }


@dataclass(frozen=True)
class _Ids:
    """The id in the labels of each object of each plane."""

    tables: dict[Plane, NDArray[np.uint32]]
    last: int
    count: int
    report: LinkReport


def _links(report: LinkReport) -> dict[str, Any]:
    return {
        "splits": [asdict(one) for one in report.splits],
        "merges": [asdict(one) for one in report.merges],
        "gaps": [asdict(one) for one in report.gaps],
        "dropped": [asdict(one) for one in report.dropped],
    }
