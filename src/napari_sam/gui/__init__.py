"""The napari side: layers, widgets, keys and threads. The only package that imports napari, Qt and magicgui."""
