"""``python -m benchmarks``: the comparison with the official packages."""

import sys

from benchmarks.compare_official import main

if __name__ == "__main__":
    sys.exit(main())
