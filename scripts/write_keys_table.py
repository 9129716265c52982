"""Write the table of keys in docs/segment.md from the table in the code; with --check, only say whether it is right."""

from __future__ import annotations

import sys
from pathlib import Path

from napari_sam.gui.keymap import KEYMAP

PAGE = Path(__file__).parent.parent / "docs" / "segment.md"
BEGIN, END = "<!-- keys: written by scripts/write_keys_table.py -->", "<!-- end of keys -->"


def keys_table() -> str:
    """Return the table of the default keys, in markdown."""
    rows = [f"| {f'`{action.key}`' if action.key else ''} | {action.text} | `{action.method}` |" for action in KEYMAP]
    return "\n".join(["| key | what it does | name in scripts |", "| --- | --- | --- |", *rows])


def with_table(page: str) -> str:
    """Return the page with what lies between the markers replaced."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{PAGE} has lost its markers '{BEGIN}' and '{END}'.")
    return f"{before}{BEGIN}\n\n{keys_table()}\n\n{END}{after}"


def main(check: bool) -> int:
    """Write the page, or compare it."""
    old = PAGE.read_text(encoding="utf-8")
    new = with_table(old)
    if check and new != old:
        print(f"The keys in {PAGE} are not those in the code: run scripts/write_keys_table.py.")
        return 1
    if new != old:
        PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
