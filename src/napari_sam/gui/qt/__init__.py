"""Plumbing between napari, Qt and the background thread; knows nothing of segmentation."""
