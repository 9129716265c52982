"""What the cards promise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from napari_sam.errors import ModelError
from napari_sam.model.config import CONFIGS
from napari_sam.zoo.cards import CARDS, get_card


@pytest.mark.parametrize("name", CARDS)
def test_every_card_is_complete(name: str) -> None:
    card = CARDS[name]
    assert card.name == name
    assert card.architecture in CONFIGS
    for text in (card.title, card.filename, card.licence, card.licence_url, card.domain, card.source, card.notes):
        assert text.strip()
    for digest, length in ((card.sha256, 64), (card.md5, 32), (card.xxh128, 32)):
        assert digest is None or re.fullmatch(f"[0-9a-f]{{{length}}}", digest)
    if card.url is not None:
        assert card.url.startswith("https://")
        assert card.checksum is not None, "nothing is downloaded that cannot be checked"
    if card.sha256 is None:
        assert re.search("xxh128|no checksum", card.notes), "the notes say that no sha256 is published"


def test_names_files_addresses_and_checksums_are_unique() -> None:
    cards = CARDS.values()
    assert len({card.filename for card in cards}) == len(cards)
    for attribute in ("url", "sha256", "md5", "xxh128"):
        values = [value for card in cards if (value := getattr(card, attribute)) is not None]
        assert len(set(values)) == len(values), attribute


def test_metas_file_names_agree_with_their_md5() -> None:
    for name in ("vit_b", "vit_l", "vit_h"):
        card = CARDS[name]
        assert card.md5 is not None
        assert card.filename == f"sam_{name}_{card.md5[:6]}.pth"


def test_the_strongest_checksum_is_used() -> None:
    assert get_card("vit_b").checksum == ("sha256", CARDS["vit_b"].sha256)
    assert get_card("vit_b_lm").checksum == ("xxh128", CARDS["vit_b_lm"].xxh128)
    assert get_card("sam_lite").checksum is None


def test_models_and_their_files_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        CARDS["new"] = CARDS["vit_b"]  # type: ignore[index]
    with pytest.raises(AttributeError):
        CARDS["vit_b"].url = "https://example.org"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("sam_vit_b", "vit_b"),
        ("SAM-ViT-H", "vit_h"),
        ("mobile_sam", "vit_t"),
        ("MobileSAM", "vit_t"),
        (" vit_b_lm ", "vit_b_lm"),
        ("sam-lite", "sam_lite"),
    ],
)
def test_aliases(alias: str, name: str) -> None:
    assert get_card(alias).name == name


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [("vit_x", "did you mean vit_"), ("sam_lit", "did you mean sam_lite"), ("zzz", "known models: sam_lite")],
)
def test_an_unknown_name_gets_a_hint(wrong: str, hint: str) -> None:
    with pytest.raises(ModelError, match=hint):
        get_card(wrong)


def test_the_documentation_lists_every_model_with_its_licence(repository: Path) -> None:
    rows = {}
    for line in (repository / "docs" / "models.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip().strip("|").split("|")]
        if len(cells) == 6 and cells[0] in CARDS:
            rows[cells[0]] = cells[1:]
    expected = {
        card.name: [
            card.architecture,
            card.domain,
            "in the package" if card.url is None else card.size_text,
            "none needed" if card.checksum is None else card.checksum[0],
            card.licence,
        ]
        for card in CARDS.values()
    }
    assert rows == expected
