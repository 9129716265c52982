"""Measures of quality against annotated images."""
