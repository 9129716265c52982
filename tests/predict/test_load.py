"""load_model: names, files, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_sam import NapariSamError, load_model
from napari_sam.errors import CheckpointError, ModelError
from napari_sam.model.config import CONFIGS, TinyViTConfig
from napari_sam.model.sam import Sam
from napari_sam.predict.load import _same_network
from napari_sam.zoo.checkpoints import save_checkpoint

REFERENCE = Path(__file__).parent.parent / "data" / "reference"


@pytest.fixture
def tiny_file(tmp_path: Path, tiny_sam: Sam) -> Path:
    return save_checkpoint(tiny_sam, tmp_path / "tiny.safetensors")


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_sam: Sam) -> Path:
    """A folder of NAPARI_SAM_MODELS in which a small file stands for the bundled model."""
    folder = tmp_path / "models"
    save_checkpoint(tiny_sam, folder / "sam_lite.safetensors")
    monkeypatch.setenv("NAPARI_SAM_MODELS", str(folder))
    return folder


class TestFiles:
    def test_a_checkpoint_is_loaded_at_once(self, tiny_file: Path, tiny_sam: Sam) -> None:
        model = load_model(checkpoint=tiny_file, device="cpu")
        tiny_file.unlink()
        assert model.config == tiny_sam.config
        assert (model.device, model.precision, model.path) == (torch.device("cpu"), "fp32", tiny_file)
        assert not model.sam.training
        loaded = model.sam.state_dict()
        assert all(torch.equal(loaded[name], value) for name, value in tiny_sam.state_dict().items())

    def test_a_path_may_be_text(self, tiny_file: Path) -> None:
        assert load_model(checkpoint=str(tiny_file)).path == tiny_file

    def test_the_hash_names_the_weights_not_the_file(self, tiny_file: Path, tiny_sam: Sam, tmp_path: Path) -> None:
        copy = save_checkpoint(tiny_sam, tmp_path / "copy.safetensors", {"another": "header"})
        changed = Sam(tiny_sam.config).eval()
        other = save_checkpoint(changed, tmp_path / "other.safetensors")
        hashes = [load_model(checkpoint=path).hash for path in (tiny_file, copy, other)]
        assert hashes[0] == hashes[1] != hashes[2]

    def test_an_official_file_of_unusual_size_is_recognised(self) -> None:
        model = load_model(checkpoint=REFERENCE / "vit_small.safetensors", device="cpu")
        assert model.config.img_size == 256
        assert model.precision == "fp32"  # small: bf16 would not be faster

    @pytest.mark.parametrize("name", ["missing.pth", ""])
    def test_a_missing_file_says_what_to_do(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(CheckpointError, match=r"(does not exist|is a folder); pass the path"):
            load_model(checkpoint=tmp_path / name)

    def test_a_damaged_file_is_named(self, tiny_file: Path) -> None:
        tiny_file.write_bytes(tiny_file.read_bytes()[:1000])
        with pytest.raises(CheckpointError, match=r"tiny\.safetensors"):
            load_model(checkpoint=tiny_file)

    @pytest.mark.parametrize("name", ["vit_b", "vit_t", "sam_lite"])
    def test_a_name_that_contradicts_the_file(self, name: str) -> None:
        with pytest.raises(ModelError, match=f"the name '{name}' means"):
            load_model(name, checkpoint=REFERENCE / "vit_small.safetensors")


class TestNames:
    def test_without_name_and_file_the_bundled_model_is_meant(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[str] = []

        def remember(name: str) -> Path:
            asked.append(name)
            return REFERENCE / "vit_small.safetensors"

        monkeypatch.setattr("napari_sam.predict.load.require_model", remember)
        load_model()
        assert asked == ["sam_lite"]

    def test_a_file_of_another_network_under_a_known_name(self, offline: Path) -> None:
        with pytest.raises(ModelError, match=r"sam_lite.safetensors holds the architecture"):
            load_model("sam_lite")

    def test_an_unknown_name(self) -> None:
        with pytest.raises(ModelError, match="vit_x"):
            load_model("vit_x")

    def test_a_model_that_is_not_here_says_how_to_get_it(self) -> None:
        with pytest.raises(NapariSamError, match="napari-sam models download vit_b"):
            load_model("vit_b")


@pytest.mark.parametrize("options", [{"precision": "fp8"}, {"device": "abacus"}])
def test_bad_options_are_refused_before_anything_is_read(tmp_path: Path, options: dict[str, str]) -> None:
    with pytest.raises(ModelError):
        load_model(checkpoint=REFERENCE / "vit_small.safetensors", **options)


def test_fp16_on_a_processor_is_replaced_and_told(tiny_file: Path) -> None:
    messages: list[str] = []
    model = load_model(checkpoint=tiny_file, device="cpu", precision="fp16", on_message=messages.append)
    assert model.precision == "fp32"
    assert len(messages) == 1


def test_networks_are_compared_not_pixel_statistics(tiny_sam: Sam) -> None:
    from dataclasses import replace

    assert _same_network(tiny_sam.config, replace(tiny_sam.config, pixel_mean=(1.0, 2.0, 3.0)))
    assert not _same_network(tiny_sam.config, replace(tiny_sam.config, prompt_embed_dim=32))


def test_a_name_fits_whatever_size_tinyvits_unused_classifier_has():
    without_head = replace(CONFIGS["vit_t"], encoder=TinyViTConfig(num_classes=0))
    assert without_head != CONFIGS["vit_t"]
    assert _same_network(without_head, CONFIGS["vit_t"])
    assert not _same_network(without_head, CONFIGS["vit_b"])
