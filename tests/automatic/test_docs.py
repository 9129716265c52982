"""The examples of docs/stacks.md run, one after the other, as the page says."""

import re
from pathlib import Path

import pytest
import torch

from napari_sam.model.config import SAM_LITE
from napari_sam.model.sam import Sam
from napari_sam.zoo.checkpoints import save_checkpoint


def test_examples_run_as_written(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = re.findall(r"```python\n(.*?)```", (repository / "docs" / "stacks.md").read_text(), re.DOTALL)
    assert len(examples) == 3
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_checkpoint(Sam(SAM_LITE), tmp_path / "models" / "sam_lite.safetensors")
    monkeypatch.setenv("NAPARI_SAM_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    exec(compile("\n".join(examples), "docs/stacks.md", "exec"), {})
    assert {path.name for path in tmp_path.iterdir()} == {"models", "labels.zarr"}
    assert capsys.readouterr().out == "() () () ()\n"
