"""What a run is asked to do, and the names of everything it writes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from napari_sam.automatic.config import RefineConfig
from napari_sam.automatic.job import AutomaticJob
from napari_sam.errors import ParameterError

FORMATS = ("tif", "ome-zarr")
ENDINGS = {"tif": "_labels.tif", "ome-zarr": "_labels.ome.zarr"}
_SUFFIXES = {".tif": "tif", ".tiff": "tif", ".zarr": "ome-zarr"}
_RANGE = re.compile(r"(?P<one>-?\d+)|(?P<first>-?\d+)?:(?P<last>-?\d+)?")


@dataclass(frozen=True)
class BatchRequest:
    """What to do with which files.

    Attributes
    ----------
    inputs : tuple of Path
        Image files, as :func:`napari_sam.io.inputs.find_inputs` lists them.
    output : Path
        A folder; or, with one input, a file ending in .tif, .tiff or .zarr.
    job : AutomaticJob
    format : {"tif", "ome-zarr"}, optional
        Of the labels; what the name of a single file says, else tif, when left out.
    json_masks : bool
        Whether to write the masks in SA-1B form as well.
    planes : str, optional
        Which planes of a stack: A:B along its first dimension, A:B,C:D along the first two.
    prompts : Path, optional
        A labels image whose objects are refined instead of looking for any; for several inputs, a folder of them.
    refine : RefineConfig
        What becomes of objects that are refined.
    resume : bool
        Go on with an earlier run of the same request.
    overwrite : bool
        Begin anew, whatever is there.

    Raises
    ------
    ParameterError
        If these do not go together.
    """

    inputs: tuple[Path, ...]
    output: Path
    job: AutomaticJob
    format: str | None = None
    json_masks: bool = False
    planes: str | None = None
    prompts: Path | None = None
    refine: RefineConfig = field(default_factory=RefineConfig)
    resume: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.format not in (None, *FORMATS):
            raise ParameterError(f"format is {self.format!r}, but must be one of {', '.join(map(repr, FORMATS))}.")
        if self.resume and self.overwrite:
            raise ParameterError("Either resume or overwrite: go on with what is there, or begin anew?")
        named = _SUFFIXES.get(self.output.suffix.lower())
        if named and len(self.inputs) > 1 and not self.output.is_dir():
            raise ParameterError(
                f"{self.output} is the name of one file, but there are {len(self.inputs)} inputs; name a folder."
            )
        if self.is_file and self.format not in (None, named):
            raise ParameterError(f"{self.output} does not end as a file of the format {self.format} does.")
        self.ranges()

    @property
    def is_file(self) -> bool:
        """Whether ``output`` is the file of the labels, rather than a folder."""
        is_zarr = self.output.suffix.lower() == ".zarr"
        named = self.output.suffix.lower() in _SUFFIXES and len(self.inputs) == 1
        return named and (is_zarr or not self.output.is_dir())

    @property
    def label_format(self) -> str:
        """Format of the labels."""
        return self.format or (_SUFFIXES[self.output.suffix.lower()] if self.is_file else FORMATS[0])

    def ranges(self) -> tuple[slice, ...]:
        """Return ``planes`` as a slice for each of the first dimensions of a stack.

        Raises
        ------
        ParameterError
            If it is not understood.
        """
        if self.planes is None:
            return ()
        return tuple(_parse_range(self.planes, part.strip()) for part in self.planes.split(","))


@dataclass(frozen=True)
class Places:
    """Names of what a run writes.

    Attributes
    ----------
    root : Path
        The folder of all results.
    labels, masks : mapping of str to Path, as methods
    report, table : Path
        The report of the run, and the table of all objects.
    work : Path
        A hidden folder for what a later run goes on from; on the disk of the results.
    lock : Path
        A hidden file, held while a run is at work.
    """

    root: Path
    report: Path
    table: Path
    work: Path
    lock: Path
    single: Path | None
    ending: str

    @classmethod
    def of(cls, request: BatchRequest) -> Places:
        """Return the places of a request."""
        output, ending = request.output, ENDINGS[request.label_format]
        if not request.is_file:
            hidden = output / ".napari-sam-auto"
            return cls(
                output, output / "run.json", output / "objects.csv", hidden, hidden.with_suffix(".lock"), None, ending
            )
        root = output.parent
        stem = file_stem(output)
        hidden = root / f".{output.name}.napari-sam-auto"
        lock = root / f"{hidden.name}.lock"
        return cls(root, root / f"{stem}_run.json", root / f"{stem}_objects.csv", hidden, lock, output, ending)

    def labels(self, name: str) -> Path:
        """File (or zarr folder) of the labels of an input."""
        return self.single or self.root / f"{name}{self.ending}"

    def masks(self, name: str) -> Path:
        """File of the masks of an input in SA-1B form."""
        path = self.root / f"{file_stem(self.single) if self.single else name}.json"
        return path.with_name(f"{name}_masks.json") if path.name.lower() == self.report.name else path


def file_stem(path: Path) -> str:
    """Return the name of a result without what tells its format: ``cells`` for ``cells.ome.tif``."""
    return path.stem[:-4] if path.stem.lower().endswith(".ome") else path.stem


def _parse_range(text: str, part: str) -> slice:
    found = _RANGE.fullmatch(part)
    if found is None:
        raise ParameterError(f"planes is {text!r}, but must be A:B, such as 0:10, or such ranges between commas.")
    one, first, last = (None if found[name] is None else int(found[name]) for name in ("one", "first", "last"))
    return slice(first, last) if one is None else slice(one, one + 1 or None)
