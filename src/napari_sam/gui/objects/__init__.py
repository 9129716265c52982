"""Committed objects: patches of label pixels, ids, and everything that edits them."""
