"""The object commands of one session: they run on what is shown, and tell the user what they did or why they cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_sam.errors import PromptError
from napari_sam.gui.objects.adopt import take_over
from napari_sam.gui.objects.editor import ObjectEditor
from napari_sam.gui.objects.plan import INSTANCE, CommitSettings

if TYPE_CHECKING:
    from napari.components import LayerList

    from napari_sam.gui.session import SegmentSession


class ObjectCommands:
    """Commit, edit, delete, merge, and which layer takes the objects.

    Parameters
    ----------
    layers : LayerList
        ``viewer.layers``.
    session : SegmentSession
        The session on the image.
    """

    def __init__(self, layers: LayerList, session: SegmentSession) -> None:
        self._layers = layers
        self._session = session
        self.editor = ObjectEditor(lambda: session.tools.layers, session.perform, self.find_labels)

    def commit(self, settings: CommitSettings | None = None) -> None:
        """Write the proposal of the shown plane into the objects layer and clear that plane's prompts."""
        settings = settings or CommitSettings()
        self._run(self.editor.commit, settings, settings.mode, must_be_answered=True)

    def edit_object(self, object_id: int | None = None, mode: str = INSTANCE) -> None:
        """Open a committed object of the shown plane again; None is the one under the cursor, else the selected one."""
        self._run(self.editor.edit_object, object_id, mode)

    def delete_object(self, object_id: int | None = None, mode: str = INSTANCE) -> None:
        """Remove a committed object; None is the one under the cursor, else the selected one."""
        self._run(self.editor.delete_object, object_id, mode)

    def merge_objects(self, ids: Sequence[int] | None = None, mode: str = INSTANCE) -> None:
        """Let objects join the first one; None: the one under the cursor joins the selected one."""
        self._run(self.editor.merge_objects, ids, mode)

    def id_to_continue(self, object_id: int | None = None) -> int:
        """Return the object the next commits shall go on with: the given one, that under the cursor, the last; or 0."""
        scene = self._session.scene()
        if object_id is not None or scene is None:
            return object_id or 0
        under = self.editor.id_at(scene.plane, scene.cursor)
        return under or (self.editor.last[-1] if self.editor.last else 0)

    def find_labels(self, layer_id: str) -> Labels | None:
        """Return the labels layer of a ``unique_id``, or None if there is none in the viewer."""
        found = (layer for layer in self._layers if str(layer.unique_id) == layer_id)
        return next((layer for layer in found if isinstance(layer, Labels)), None)

    def use_layer(self, layer: Labels | None = None) -> None:
        """Let a labels layer of the viewer take the objects, or a copy of one that cannot; None makes a new layer."""
        session = self._session
        try:
            taken, text = take_over(self._layers, session.image, layer)
        except PromptError as error:
            session.notice.emit(str(error))
            return
        session.tools.use_objects(taken)
        session.notice.emit(text)

    def _run(self, command: Callable[..., str], argument: Any, mode: str, must_be_answered: bool = False) -> None:
        session = self._session
        session.tools.settle()
        scene = session.scene(mode)
        if scene is None:
            return
        if must_be_answered and not scene.is_answered:
            session.refresh()
            session.message.emit("The mask of the last prompt is still being computed: commit again in a moment.")
            return
        try:
            session.message.emit(command(scene, argument))
        except PromptError as error:
            session.message.emit(str(error))
