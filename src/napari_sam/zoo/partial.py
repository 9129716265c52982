"""The unfinished file of a download (``NAME.part``) and what is needed to go on with it (``NAME.part.json``)."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Origin:
    """Where the bytes of an unfinished file come from.

    ``validator`` is the server's ETag or date, ``total`` the size of the whole file; None where it gave none.
    """

    url: str
    validator: str | None
    total: int | None


class PartFile:
    """``NAME.part`` beside the file it will become.

    Only the holder of the download's lock may use it.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.path = target.with_name(target.name + ".part")
        self._record = target.with_name(target.name + ".part.json")

    def size(self) -> int:
        """Bytes there already."""
        return self.path.stat().st_size if self.path.exists() else 0

    def origin(self, url: str) -> Origin | None:
        """Return what is known about the bytes there, or None if they are not from ``url`` or cannot be trusted."""
        try:
            record = json.loads(self._record.read_text(encoding="utf-8"))
            origin = Origin(record["url"], record["validator"], record["total"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
        too_long = isinstance(origin.total, int) and self.size() > origin.total
        return origin if origin.url == url and not too_long else None

    def begin(self, origin: Origin) -> None:
        """Empty the file and note where its bytes will come from."""
        self.discard()
        temporary = self._record.with_name(self._record.name + ".tmp")
        temporary.write_text(json.dumps(asdict(origin)), encoding="utf-8")
        temporary.replace(self._record)

    def discard(self) -> None:
        """Delete what was downloaded so far."""
        self._record.unlink(missing_ok=True)
        if self.size():  # an empty one may stay
            self.path.unlink()

    def finish(self) -> None:
        """Give the whole, checked file its name."""
        with self.path.open("rb+") as file:
            os.fsync(file.fileno())
        self.path.replace(self.target)
        self._record.unlink(missing_ok=True)
