"""Comparisons with the official packages, and how alive the window stays; see docs/benchmarks.md."""
