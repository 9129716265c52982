"""What is in the wheel, and how large it is."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(repository)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_holds_what_the_package_needs_at_run_time(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for needed in ("napari.yaml", "py.typed", "data/coins.png", "zoo/weights/sam_lite.safetensors", "cli/main.py"):
        assert f"napari_sam/{needed}" in names


def test_it_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top.split("-")[0] for top in tops} == {"napari_sam", "napari_sam_studio"}
    assert not [name for name in wheel.namelist() if "__pycache__" in name or "/tests/" in name]


def test_it_holds_the_licences(wheel: zipfile.ZipFile) -> None:
    licences = {name.split("/licenses/")[1] for name in wheel.namelist() if "/licenses/" in name}
    assert {"LICENSE", "NOTICE.md", "LICENSES/Apache-2.0.txt"} <= licences


def test_the_bundled_model_is_small(wheel: zipfile.ZipFile) -> None:
    assert wheel.getinfo("napari_sam/zoo/weights/sam_lite.safetensors").file_size < 25e6


def test_the_base_package_asks_for_no_window(wheel: zipfile.ZipFile) -> None:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = Parser().parsestr(wheel.read(name).decode())
    base = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert base
    forbidden = ("napari", "pyqt", "pyside", "qtpy", "magicgui", "superqt", "torchvision")
    assert [line for line in base if line.lower().startswith(forbidden)] == []
