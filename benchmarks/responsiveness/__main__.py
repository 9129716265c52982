"""``python -m benchmarks.responsiveness``: how alive napari stays while the Segment widget works."""

import sys

from benchmarks.responsiveness.main import main

if __name__ == "__main__":
    sys.exit(main())
