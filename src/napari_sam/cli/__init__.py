"""The ``napari-sam`` command. Its modules import torch and napari inside functions, so that help is instant."""
