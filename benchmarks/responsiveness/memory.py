"""How much memory this process has."""

from __future__ import annotations

import gc
import resource
from pathlib import Path


def resident_mb() -> float:
    """Return the resident memory in MiB, garbage collected; the peak where the system tells no more."""
    gc.collect()
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    line = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
