"""Coordinates and frames: pure functions on numpy arrays."""
