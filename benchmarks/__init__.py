"""Comparisons with the official packages; see docs/benchmarks.md."""
