"""Segmenting everything: our generator beside the official one, stage by stage."""
