"""How alive napari stays while the Segment widget works; see docs/benchmarks.md."""
