"""What every test gets: no test reads or writes the user's own models, caches and keys."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _private_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_SAM_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    # One for each test: a key changed by one test must not surprise the next.
    monkeypatch.setenv("NAPARI_SAM_CONFIG", str(tmp_path_factory.getbasetemp() / f"config-{uuid.uuid4().hex}"))
    monkeypatch.setenv("NAPARI_SAM_STATE", str(tmp_path_factory.getbasetemp() / f"state-{uuid.uuid4().hex}"))
    monkeypatch.delenv("NAPARI_SAM_MODELS", raising=False)


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return Path(__file__).parent.parent
