"""Segment everything: point grid, candidates, filters, labels; stacks, tiles and linking."""
