"""``python -m benchmarks.automatic``: segmenting everything, beside the official generator."""

import sys

from benchmarks.automatic.main import main

if __name__ == "__main__":
    sys.exit(main())
