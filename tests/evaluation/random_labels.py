"""Small random label images: objects, and a prediction of them that is moved, split, merged, missed and made up."""

from __future__ import annotations

import numpy as np

SIDE = 48


def random_pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted labels, (48, 48) int32; ids are not consecutive, and the last seeds are empty somewhere."""
    rng = np.random.default_rng(seed)
    truth, predicted = np.zeros((2, SIDE, SIDE), np.int32)
    for i in range(0 if seed == 6 else 14):
        top, left, height, width = (int(n) for n in rng.integers([0, 0, 3, 3], [44, 44, 14, 14]))
        truth[top : top + height, left : left + width] = 3 * i + 2
        shift = rng.integers(-2, 3, 2)
        kind = rng.choice(["found", "found", "split", "merged", "missed"])
        if kind == "missed":
            continue
        rows = slice(max(top + int(shift[0]), 0), top + int(shift[0]) + height)
        columns = slice(max(left + int(shift[1]), 0), left + int(shift[1]) + width)
        predicted[rows, columns] = 100 if kind == "merged" else 7 * i + 5
        if kind == "split":
            predicted[rows, left : left + width // 2] = 7 * i + 6
    for i in range(2):
        top, left = (int(n) for n in rng.integers(0, 40, 2))
        predicted[top : top + 4, left : left + 4] = 200 + i
    return truth, predicted * (seed != 7)
