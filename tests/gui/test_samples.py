from __future__ import annotations

import socket
from pathlib import Path

import numpy as np
import pytest
from npe2 import PluginManifest

import napari_sam
from napari_sam.gui import samples

MANIFEST = Path(napari_sam.__file__).with_name("napari.yaml")


@pytest.mark.parametrize("name", ["coins", "cell", "histology", "gravel", "nuclei_stack"])
def test_samples_open_without_a_network(name: str, monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object) -> None:
        raise AssertionError("a sample asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    ((data, kwargs, kind),) = getattr(samples, name)()
    assert kind == "image"
    assert data.size > 10_000
    assert np.ptp(data) > 100
    assert kwargs["name"]


def test_the_stack_is_the_same_every_time_and_has_units():
    ((first, kwargs, _),) = samples.nuclei_stack()
    assert kwargs["units"] == ("um", "um", "um")
    assert len(kwargs["scale"]) == first.ndim == 3
    np.testing.assert_array_equal(first, samples.synthetic_nuclei())


def test_the_manifest_names_only_what_exists():
    manifest = PluginManifest.from_file(MANIFEST)
    manifest.validate_imports()
    commands = {command.id for command in manifest.contributions.commands}
    used = {widget.command for widget in manifest.contributions.widgets}
    used |= {sample.command for sample in manifest.contributions.sample_data}
    used |= {item.command for items in manifest.contributions.menus.values() for item in items}
    assert used == commands
    assert "napari-sam-studio.segment" in commands
