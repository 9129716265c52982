"""Every error this package raises on purpose.

All derive from :class:`NapariSamError`, whose message says what was wrong, where, and what to do; the command line
prints it, the widgets show it, and scripts can catch one class.
"""


class NapariSamError(Exception):
    """Base class of every error raised on purpose by napari_sam."""


class ImageError(NapariSamError):
    """An image cannot be used: empty, complex, all NaN, or an axis order that makes no sense."""


class PromptError(NapariSamError):
    """A prompt cannot be used: wrong length, wrong shape, not finite, or outside the image."""


class ModelError(NapariSamError):
    """A model name, precision or device cannot be used."""


class CheckpointError(NapariSamError):
    """A checkpoint file is missing, truncated, unsafe, or does not fit any known architecture."""


class DownloadError(NapariSamError):
    """A download failed, stalled, or did not match its published checksum."""


class Cancelled(NapariSamError):
    """The user cancelled the operation; nothing was changed."""


class OutOfMemoryError(NapariSamError):
    """Neither the device nor the CPU has enough memory for the operation."""


class FileFormatError(NapariSamError):
    """A file cannot be read or written as the format its name promises."""


class KeyBindingError(NapariSamError):
    """A key cannot be bound, or the file that keeps the user's keys cannot be used."""


class PairError(NapariSamError):
    """A folder of annotated images holds no usable image/label pair, or a pair does not fit together."""


class ParameterError(NapariSamError):
    """A parameter of an operation, or the job file that holds it, cannot be used."""


class OutputError(NapariSamError):
    """Results cannot be written: the disk is full or read-only, or another run is at work in the same place."""


class WorkerError(NapariSamError):
    """Worker processes or a cluster cannot be started, reached, or kept at work."""
