"""What all requests of the labeling page share.

In:  the labels of a folder of photos, the token of the page.
Out: permission to ask; the labels and photos as the page shows them, and what changed since it asked last.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated

import msgspec
import numpy as np
from fastapi import Depends, Request

from manylabel.annotation.journal import AddLabel, Answer, Change, RemoveLabel, RenameLabel, SetLabel
from manylabel.annotation.label_store import LabelStore
from manylabel.annotation.table_writing import FileState
from manylabel.config import ConstraintsConfig
from manylabel.live_model.messages import Estimate
from manylabel.live_model.trainer import Trainer
from manylabel.report.run_info import hide_folders_in_sentence
from manylabel.serving.labeling.assistant import Assistant
from manylabel.serving.labeling.exports import Exports
from manylabel.serving.labeling.model_in_use import ModelInUse
from manylabel.serving.labeling.models import TrainedModels, models_folder
from manylabel.serving.labeling.page_key import PageKey
from manylabel.serving.labeling.pictures import Pictures
from manylabel.types import Part

_MARKS = {1.0: "1", 0.0: "0"}
_UNKNOWN = "?"


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """A change that the table contradicts."""

    photo: str
    label: str
    found: str
    wanted: str


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that waits for its photo."""

    photo: str
    label: str
    wanted: str


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The table of labels on the disk.

    Attributes:
        name: Its name.
        given: The name of the file that the labels were read from.
        is_saved: It has all changes.
        is_changed_elsewhere: Another program changed it, so it is not written until it is read again.
        is_missing: Another program removed it, so it is not written until that is asked for.
        problem: Why it cannot be written, null if it can.
        conflicts: Changes that the table contradicts.
        pending: Answers that wait for photos that are not in the folder.
        removed_labels: Labels that another program removed.
        is_source_changed: The given file has other labels than those that the table was made from.
        is_partial: The table was gone; it has only the answers of its journal.
    """

    name: str
    given: str
    is_saved: bool
    is_changed_elsewhere: bool
    is_missing: bool
    problem: str | None
    conflicts: list[Conflict]
    pending: list[Pending]
    removed_labels: list[str]
    is_source_changed: bool
    is_partial: bool


class Learning(msgspec.Struct, frozen=True, kw_only=True):
    """What was learned from the answers, in short.

    Attributes:
        version: Another number whenever the queues may be others.
        n_scores: Another number whenever the scores are others.
        n_done: Photos that were read.
        n_photos: All photos.
        is_learning: Newer scores are on their way.
        problem: Why nothing is learned, null if something is.
        estimate: How good the scores are, null as long as too few photos are labeled.
        first: How good the first ones were.
        seconds: How long learning took last, null before that.
    """

    version: int
    n_scores: int
    n_done: int
    n_photos: int
    is_learning: bool
    problem: str | None
    estimate: Estimate | None
    first: Estimate | None
    seconds: float | None


class Labels(msgspec.Struct, frozen=True, kw_only=True):
    """All labels, or what changed since a revision.

    Attributes:
        revision: What to ask from next time.
        labels: The labels.
        names: The photos, by their numbers; empty if they are the same as at the revision asked for.
        parts: Part of the split per photo, null where none is given; empty if no photo has one, and
            where the photos are the same.
        answers: Of each photo that changed, by its number: a character per label, 1 present, 0 absent, ?
            unknown.
        notes: What the user should know, one sentence each.
        table: The table on the disk.
        learning: What was learned from the answers, null if nothing is to be learned.
    """

    revision: int
    labels: list[str]
    names: list[str]
    parts: list[Part | None]
    answers: dict[int, str]
    notes: list[str]
    table: Table
    learning: Learning | None


class UndoResult(msgspec.Struct, frozen=True, kw_only=True):
    """The effect of an undo.

    Attributes:
        changed: Everything that changed since the revision of the page, also by others.
        answers: Restored answers, by name of the photo (its number may be another by now) and by label.
        n_pending: Number of restored answers for photos that are not in the folder.
        renamed: Labels whose new name was undone: the name before the undo, the restored name.
        added: Labels that are back.
        removed: Labels that are gone again.
    """

    changed: Labels
    answers: dict[str, dict[str, Answer]]
    n_pending: int
    renamed: list[tuple[str, str]]
    added: list[str]
    removed: list[str]


class LabelingState:
    """What all requests share.

    Args:
        store: The labels.
        author: Name of whoever labels.
        token: What opens the page.
        port: Port of the server.
        assistant: What learns from the answers; None if nothing is to be learned.
        models: The models that are trained; not given: those beside the folder of the photos.
    """

    def __init__(
        self,
        store: LabelStore,
        *,
        author: str,
        token: str,
        port: int = 0,
        assistant: Assistant | None = None,
        models: TrainedModels | None = None,
    ) -> None:
        self.store = store
        self.constraints = ConstraintsConfig() if assistant is None else assistant.constraints
        self.assistant = assistant
        self.models = TrainedModels(models_folder(store.folder)) if models is None else models
        self.trainer = Trainer()
        self.model_in_use = ModelInUse()
        self.exports = Exports(self.models, photos=store.folder)
        self.key = PageKey(token, port=port)
        self.author = author
        self.pictures = Pictures()

    def close(self) -> None:
        """End all processes that the page has started, each of them also where another one fails to end."""
        with ExitStack() as ends:
            for one in (self.exports, self.model_in_use, self.trainer):
                ends.callback(one.close)

    def labels_since(self, revision: int | None) -> Labels:
        """Return what changed since a revision; None returns everything."""
        store = self.store
        with store.locked():
            answers, table = store.answers, store.state()
            since = -1 if revision is None or answers.labels_revision > revision else revision
            rows = np.flatnonzero(answers.revisions > since)
            is_listed = revision is None or store.names_revision > revision
            return Labels(
                revision=answers.revision,
                labels=list(answers.labels),
                names=list(answers.names) if is_listed else [],
                parts=list(store.parts) if is_listed and any(store.parts) else [],
                answers={
                    row: "".join(_MARKS.get(target, _UNKNOWN) for target in answers.targets[row].tolist())
                    for row in rows.tolist()
                },
                notes=[hide_folders_in_sentence(note) for note in store.notes],
                table=_describe(table),
                learning=None if self.assistant is None else _sum_up(self.assistant),
            )

    def sum_up_undo(self, undone: Sequence[Change], *, since: int) -> UndoResult:
        """Sum up an undo for the page."""
        with self.store.locked():
            known, n_pending = self.store.answers, 0
            answers: dict[str, dict[str, Answer]] = {}
            for change in undone:
                if isinstance(change, SetLabel) and known.has_photo(change.photo):
                    answers.setdefault(change.photo, {})[change.label] = change.after
                elif isinstance(change, SetLabel):
                    n_pending += 1
            return UndoResult(
                changed=self.labels_since(since),
                answers=answers,
                n_pending=n_pending,
                renamed=[(change.label, change.to) for change in undone if isinstance(change, RenameLabel)],
                added=[change.label for change in undone if isinstance(change, AddLabel)],
                removed=[change.label for change in undone if isinstance(change, RemoveLabel)],
            )


def _sum_up(assistant: Assistant) -> Learning:
    learned = assistant.learned
    scores = learned.scores
    return Learning(
        version=learned.version,
        n_scores=learned.n_scores,
        n_done=learned.n_done,
        n_photos=learned.n_photos,
        is_learning=learned.is_learning,
        problem=None if learned.problem is None else hide_folders_in_sentence(learned.problem),
        estimate=None if scores is None else scores.estimate,
        first=learned.first,
        seconds=None if scores is None else scores.seconds,
    )


def _describe(table: FileState) -> Table:
    return Table(
        name=table.path.name,
        given=table.given.name,
        is_saved=table.is_saved,
        is_changed_elsewhere=table.is_changed_elsewhere,
        is_missing=table.is_missing,
        problem=None if table.problem is None else hide_folders_in_sentence(table.problem),
        conflicts=[
            Conflict(photo=one.photo, label=one.label, found=one.found, wanted=one.wanted)
            for one in table.conflicts
        ],
        pending=[Pending(photo=one.photo, label=one.label, wanted=one.after) for one in table.pending],
        removed_labels=list(table.removed_labels),
        is_source_changed=table.is_source_changed,
        is_partial=table.is_partial,
    )


async def the_state(request: Request) -> LabelingState:
    """Return what all requests of an app share."""
    state: LabelingState = request.app.state.labeling
    return state


State = Annotated[LabelingState, Depends(the_state)]


async def check_cookie(state: State, request: Request) -> None:
    """Refuse requests of whoever did not open the page by its whole address.

    Raises:
        HTTPException: 401: the cookie is missing or wrong.
    """
    state.key.check(request)
