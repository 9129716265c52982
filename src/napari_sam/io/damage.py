"""What goes wrong when a file is read, in words that say which file and what to do."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from napari_sam.errors import FileFormatError

# What the readers of damaged files raise, by experience: none of them has one class of its own for that.
_DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    EOFError,
    SyntaxError,
    struct.error,
    zlib.error,
)


@contextmanager
def reading(path: str | Path, where: str = "") -> Iterator[None]:
    """Turn whatever a reader raises about a file into a FileFormatError that names it.

    Parameters
    ----------
    path : path
        The file.
    where : str
        The part of it, such as "plane (3,)".

    Raises
    ------
    FileFormatError
        If the file is missing, damaged or of an unsupported kind.
    """
    named = f"{where} of {path}" if where else f"{path}"
    try:
        yield
    except FileNotFoundError as error:
        raise FileFormatError(f"The image {path} does not exist.") from error
    except PermissionError as error:
        raise FileFormatError(f"{path} cannot be read: there is no permission to read it.") from error
    except UnidentifiedImageError as error:
        raise FileFormatError(f"{path} is not a TIFF, PNG, JPEG, BMP, WebP, NumPy or OME-Zarr file.") from error
    except Image.DecompressionBombError as error:
        raise FileFormatError(f"{path} is too large for this format ({error}); save it as TIFF.") from error
    except _DAMAGE as error:
        raise FileFormatError(f"{named} cannot be read: {_advice(error)}") from error


def _advice(error: Exception) -> str:
    if "imagecodecs" in str(error):
        return f"its compression is not supported without a further package ({error}); pip install imagecodecs."
    return f"it is damaged, truncated or of an unsupported kind ({str(error) or type(error).__name__})."
