"""Tests of napari_sam.zoo."""
