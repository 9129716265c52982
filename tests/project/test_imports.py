"""The layers at run time, in fresh interpreters: what really gets loaded, lazy imports included."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import napari_sam

GUI = {"napari", "qtpy", "vispy", "magicgui", "superqt", "PyQt6", "PyQt5", "PySide6"}
BELOW_GUI = sorted(
    module.name
    for module in pkgutil.iter_modules(napari_sam.__path__)
    if module.name not in ("gui", "__main__") and not module.name.startswith("_")
)


def loaded_by(code: str) -> set[str]:
    """Top-level names of the modules that `code` loads in a fresh interpreter."""
    report = "\nimport sys\nprint(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def modules_of(package: str) -> list[str]:
    """All modules of a subpackage, or the module itself."""
    code = (
        "import importlib, pkgutil\n"
        f"top = importlib.import_module('napari_sam.{package}')\n"
        "for module in pkgutil.walk_packages(getattr(top, '__path__', []), top.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
    )
    return code.splitlines()


def test_the_list_of_packages_is_not_empty() -> None:
    assert {"types", "geometry", "model", "zoo", "io", "predict", "cli"} <= set(BELOW_GUI)


def test_importing_the_package_loads_neither_torch_nor_a_window() -> None:
    loaded = loaded_by("import napari_sam; napari_sam.Prompts; napari_sam.NapariSamError")
    assert not loaded & (GUI | {"torch", "zarr", "skimage", "scipy", "transformers"})


@pytest.mark.parametrize("package", BELOW_GUI)
def test_nothing_below_gui_loads_napari_or_qt(package: str) -> None:
    assert not loaded_by("\n".join(modules_of(package))) & GUI


def test_the_networks_load_torch_and_no_other_dependency() -> None:
    loaded = loaded_by("\n".join(modules_of("model")))
    assert "torch" in loaded
    assert not loaded & {"skimage", "scipy", "tifffile", "zarr", "safetensors", "typer", "transformers", "PIL"}


def test_public_names_resolve_and_unknown_ones_do_not() -> None:
    for name in napari_sam.__all__:
        assert getattr(napari_sam, name).__name__ == name
    with pytest.raises(AttributeError, match="nosuch"):
        _ = napari_sam.nosuch
