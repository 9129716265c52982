"""What sessions that do not run any more left behind, read in a background thread, in words for the user."""

from __future__ import annotations

import time
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

from napari_sam.errors import NapariSamError
from napari_sam.gui.recovery.folder import JournalFile, JournalFolder
from napari_sam.gui.recovery.state import ImageIdentity, JournalError, JournalState, replay
from napari_sam.io.append_log import read_log
from napari_sam.io.labels import write_label_planes


@dataclass(frozen=True, eq=False)
class Offer:
    """Work that can be recovered.

    Attributes
    ----------
    file : JournalFile
        Its journal.
    state : JournalState
        What the journal says.
    objects, prompts : int
        How many there are.
    damaged : int
        Entries that could not be read.
    torn : bool
        Whether the last action was cut off.
    """

    file: JournalFile
    state: JournalState
    objects: int
    prompts: int
    damaged: int = 0
    torn: bool = False

    @property
    def image(self) -> ImageIdentity:
        """The image it belongs to."""
        return self.state.image

    @property
    def crashed(self) -> bool:
        """Whether the session did not end as it should."""
        return not self.state.ended

    @property
    def amount(self) -> str:
        """How much there is, such as "12 objects and 3 prompts"."""
        parts = [_count(self.objects, "object"), _count(self.prompts, "prompt")]
        return " and ".join(part for part in parts if part)

    @property
    def when(self) -> str:
        """When the last entry was written, in local time, such as "22 Nov 17:03"."""
        at = time.localtime(self.state.time)
        year = "" if at.tm_year == time.localtime().tm_year else f" {at.tm_year}"
        return f"{at.tm_mday} {time.strftime('%b', at)}{year} {time.strftime('%H:%M', at)}"

    @property
    def question(self) -> str:
        """What to ask the user who has the image open."""
        before = "The last session on this image ended unexpectedly." if self.crashed else "Perhaps not saved:"
        return f"{before} Recover {self.amount} of '{self.image.name}' from {self.when}?"

    @property
    def hint(self) -> str:
        """What to tell the user who does not."""
        where = f" ({self.image.path})" if self.image.path else ""
        return (
            f"{self.amount} of '{self.image.name}'{where} from {self.when} can be recovered: open that image, "
            "or save the objects to a file."
        )

    @property
    def losses(self) -> str:
        """What is missing, in words; empty if nothing is."""
        parts = []
        if self.torn:
            parts.append("The very last action was cut off.")
        if self.damaged:
            parts.append(f"{_count(self.damaged, 'damaged entry', 'damaged entries')} had to be left out.")
        if self.state.reference is not None:
            parts.append(
                f"Of the large layer '{self.state.reference}' only what was changed since it was opened is here."
            )
        return " ".join(parts)


@dataclass(frozen=True, eq=False)
class Unreadable:
    """A journal that cannot be used.

    Attributes
    ----------
    file : JournalFile
        Where it lies.
    reason : str
        What is wrong with it.
    """

    file: JournalFile
    reason: str

    @property
    def text(self) -> str:
        """What to tell the user."""
        return f"The autosave file {self.file.path} cannot be used: {self.reason}. It was left as it is."


def find_offers(folder: JournalFolder, skip: Container[str] = ()) -> list[Offer | Unreadable]:
    """Return what can be recovered, the newest first, and what cannot; journals named in ``skip`` are left out."""
    folder.prune()
    found = (read_offer(file) for file in folder.left_behind() if file.name not in skip)
    return [each for each in found if each is not None]


def read_offer(file: JournalFile) -> Offer | Unreadable | None:
    """Return what one journal offers; None if that is nothing."""
    try:
        if file.path.stat().st_size == 0:  # killed before the first entry
            return None
        content = read_log(file.path)
        state = replay(content.entries)
    except OSError:  # removed by another session meanwhile
        return None
    except JournalError as error:
        return Unreadable(file, str(error))
    except NapariSamError as error:
        return Unreadable(file, str(error).rstrip("."))
    offer = Offer(
        file, state, len(state.labels.ids()), state.prompt_count, len(content.damaged) + state.lost, content.torn
    )
    return offer if offer.objects or offer.prompts else None


def save_objects(offer: Offer, path: Path) -> Path:
    """Write the objects of an offer as a labels TIFF; raises FileFormatError if that cannot be."""
    labels, image = offer.state.labels, offer.image
    highest = max(labels.ids(), default=0)
    unit = image.unit or "pixel"
    return write_label_planes(path, labels.planes(), labels.grid.shape, highest, image.scale or None, unit)


def _count(number: int, one: str, many: str = "") -> str:
    if number == 0:
        return ""
    return f"{number} {one if number == 1 else many or one + 's'}"
