"""Importing torch in the background thread without stopping the Qt thread.

An import runs in its own thread, but two things stop all threads: Python holds its global lock while the loader of the
operating system takes in a library of several hundred megabytes, and the garbage collector, called in again and again
by the hundred thousand objects an import makes, looks at every object of the process each time. Together that is half
a second during which napari would not move.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

# The libraries the others depend on. That they exist, and under which names, is not promised: none of it is needed.
LARGE_LIBRARIES = ("libtorch_cpu.so", "libtorch_cpu.dylib")


def import_torch() -> None:
    """Import torch; as any import does, once only."""
    if "torch" in sys.modules:
        return
    _load_libraries()
    with collector_at_rest():
        import torch  # noqa: F401


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Let the garbage collector rest, and then take what was made meanwhile for old, without looking at it.

    Modules, classes and functions stay until the process ends: to search them for garbage, again and again as they
    become more, finds none. Whatever is garbage among them after all is found by the next full collection.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        # Somebody else's frozen objects would be thawed with ours.
        if gc.get_freeze_count() == 0:
            gc.freeze()
            gc.unfreeze()
        gc.enable()


def _load_libraries() -> None:
    """Load torch's large libraries by a foreign call, during which Python's other threads run."""
    spec = find_spec("torch")
    if spec is None or not spec.submodule_search_locations or os.name != "posix":
        return
    folder = Path(spec.submodule_search_locations[0]) / "lib"
    dlopen = ctypes.CDLL(None).dlopen
    dlopen.restype, dlopen.argtypes = ctypes.c_void_p, (ctypes.c_char_p, ctypes.c_int)
    for path in (folder / name for name in LARGE_LIBRARIES):
        if path.is_file():
            # What cannot be loaded so is loaded, or complained of, by the import itself.
            dlopen(os.fsencode(path), os.RTLD_NOW)
