"""What a report says about the machine, how much memory this process took, and files written whole."""

from __future__ import annotations

import platform
import resource
from pathlib import Path

import torch


def peak_mb() -> int:
    """Return the peak resident MB of this process."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux a child begins with its parent's peak.
        peak = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(peak.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def processor() -> str:
    """Return the machine's architecture and the vector instructions torch uses."""
    return f"{platform.machine()} ({torch.backends.cpu.get_cpu_capability()})"


def write(path: Path, text: str) -> None:
    """Write a file under a temporary name and rename it."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def seconds(value: float) -> str:
    """Write a time with three digits."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"
