"""Tests of the napari side."""
