"""Lets ``python -m napari_sam`` run the ``napari-sam`` command."""

from napari_sam.cli.main import app

if __name__ == "__main__":
    app(prog_name="napari-sam")
