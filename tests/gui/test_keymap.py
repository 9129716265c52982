from __future__ import annotations

from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes
from napari.utils.key_bindings import coerce_keybinding

from napari_sam.gui.keymap import KEYMAP, KeyBinder


class Target:
    def __init__(self) -> None:
        self.called: list[str] = []

    def __getattr__(self, name: str):
        return lambda: self.called.append(name)


def test_every_key_is_unique_and_free_in_napari():
    keys = [action.key for action in KEYMAP]
    assert len(set(keys)) == len(keys)
    taken = {str(key) for owner in (ViewerModel, Image, Labels, Points, Shapes) for key in owner.class_keymap}
    assert not taken & set(keys)


def test_every_action_is_a_method_of_the_widget():
    from napari_sam.gui.segment_widget import SegmentWidget

    assert all(callable(getattr(SegmentWidget, action.method, None)) for action in KEYMAP)


def test_keys_call_their_method_and_are_free_again_after_unbind():
    viewer, target = ViewerModel(), Target()
    binder = KeyBinder(viewer, target)
    assert binder.bind() == []
    viewer.keymap[coerce_keybinding("G")](viewer)
    assert target.called == ["commit"]
    binder.unbind()
    assert not viewer.keymap
    assert not binder.active


def test_a_key_of_somebody_else_is_left_alone():
    viewer = ViewerModel()

    def theirs(viewer: ViewerModel) -> None:
        pass

    viewer.bind_key("G", theirs)
    binder = KeyBinder(viewer, Target())
    assert binder.bind() == ["G"]
    assert viewer.keymap[coerce_keybinding("G")] is theirs
    binder.unbind()
    assert list(viewer.keymap.values()) == [theirs]
