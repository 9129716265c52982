"""The banner asks one question at a time and says what the user wants, nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from napari_sam.gui.panels.recovery_banner import RecoveryBanner

pytestmark = pytest.mark.gui


@pytest.fixture
def banner(qtbot: Any) -> RecoveryBanner:
    made = RecoveryBanner()
    qtbot.addWidget(made.native)
    return made


def shown(banner: RecoveryBanner) -> list[str]:
    buttons = (banner.recover, banner.save, banner.discard, banner.later)
    return [button.name for button in buttons if not button.native.isHidden()]


def test_nothing_is_asked_at_first(banner: RecoveryBanner):
    assert banner.native.isHidden()


@pytest.mark.parametrize(
    ("can_recover", "can_save", "names"),
    [
        (True, False, ["recover", "discard_recovered", "recover_later"]),
        (False, True, ["save_recovered", "discard_recovered", "recover_later"]),
        (False, False, ["discard_recovered", "recover_later"]),
    ],
)
def test_only_what_makes_sense_is_offered(banner: RecoveryBanner, can_recover: bool, can_save: bool, names: list[str]):
    banner.ask("Recover <b>12</b> objects?", can_recover, can_save)
    assert not banner.native.isHidden()
    assert shown(banner) == names
    assert banner.text.native.text() == "Recover <b>12</b> objects?"
    assert banner.text.native.textFormat().name == "PlainText", "names of layers are not markup"
    banner.hide_question()
    assert banner.native.isHidden()


def test_buttons_say_what_is_wanted_and_rest_while_it_is_done(banner: RecoveryBanner):
    wishes: list[str] = []
    banner.requested.connect(wishes.append)
    banner.ask("?", True, True)
    for button in (banner.recover, banner.save, banner.discard, banner.later):
        button.native.click()
    assert wishes == ["recover", "save", "discard", "later"]
    banner.set_enabled(False)
    banner.recover.native.click()
    assert len(wishes) == 4
    banner.ask("and now?", True, True)
    banner.recover.native.click()
    assert len(wishes) == 5
    assert all(button.tooltip for button in (banner.recover, banner.save, banner.discard, banner.later))
