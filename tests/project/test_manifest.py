"""The plugin manifest: valid, consistent with the project, cheap to discover."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import npe2
import pytest
from npe2.manifest.utils import import_python_name

import napari_sam

MANIFEST = Path(napari_sam.__file__).parent / "napari.yaml"


@pytest.fixture(scope="module")
def manifest() -> npe2.PluginManifest:
    return npe2.PluginManifest.from_file(MANIFEST)


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text())["project"]


def test_the_names_agree(manifest: npe2.PluginManifest, project: dict[str, Any]) -> None:
    assert manifest.name == project["name"] == "napari-sam-studio"
    assert manifest.display_name == "Segment Anything"
    assert project["entry-points"]["napari.manifest"] == {project["name"]: "napari_sam:napari.yaml"}
    assert [point.value for point in entry_points(group="napari.manifest", name=project["name"])] == [
        "napari_sam:napari.yaml"
    ]


def test_the_version_is_written_once(project: dict[str, Any]) -> None:
    assert "version" not in project
    assert version("napari-sam-studio") == napari_sam.__version__


def test_the_manifest_in_the_root_is_the_package_s(repository: Path) -> None:
    assert (repository / "napari.yaml").is_symlink()
    assert (repository / "napari.yaml").resolve() == MANIFEST.resolve()


def test_every_command_can_be_imported(manifest: npe2.PluginManifest) -> None:
    commands = manifest.contributions.commands or []
    assert commands
    for command in commands:
        assert command.id.startswith("napari-sam-studio.")
        assert command.python_name is not None
        assert callable(import_python_name(command.python_name))


def test_discovery_imports_neither_torch_nor_the_widgets() -> None:
    code = (
        "import sys\n"
        "import npe2\n"
        "manager = npe2.PluginManager.instance()\n"
        "manager.discover()\n"
        "assert manager.get_manifest('napari-sam-studio').display_name == 'Segment Anything'\n"
        "heavy = {'torch', 'napari_sam.gui', 'napari_sam.model', 'napari_sam.predict'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_what_the_manifest_names_imports_no_torch(manifest: npe2.PluginManifest) -> None:
    modules = sorted({(command.python_name or "").split(":")[0] for command in manifest.contributions.commands or []})
    code = f"import sys\nimport {', '.join(modules)}\nassert 'torch' not in sys.modules\n"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
