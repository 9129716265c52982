"""Unattended runs over files: job files, resume, workers, reports."""
