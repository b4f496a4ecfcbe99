"""People label, processes are killed, other programs edit the table, photos come and go: no answer is lost.

In:  random steps, drawn by hypothesis; a model of what was confirmed.
Out: after every step, the labels are those of the model. An answer differs only where another program changed
     it; where that contradicts a person, it is listed.
"""

import math
import shutil
from collections.abc import Callable
from hashlib import sha256
from itertools import product
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from manylabel.annotation.answers import to_answer, to_target
from manylabel.annotation.author import Author
from manylabel.annotation.journal import Answer, Written
from manylabel.annotation.label_store import LabelStore
from manylabel.annotation.open_labels import OpenedLabels, open_labels
from manylabel.config import DataConfig
from manylabel.data.formats import read_table
from manylabel.errors import InputError, TableError
from tests.annotation.conftest import kill

ADA = Author(name="Ada", client="1")
PHOTOS = ("a.jpg", "b.jpg", "in/c.jpg")
AWAY = "in/c.jpg"  # may be moved away
LABELS = ("beach", "boat", "lake", "old town", "x;y")
TABLES = (
    None,
    "image,beach,boat\na.jpg,1,0\nb.jpg,0,1\n",
    "image;beach;boat;note\r\na.jpg;x;;hot\r\nb.jpg;;x;\r\nin/c.jpg;x;x;\r\n",
    "image,labels\na.jpg,beach;boat\nb.jpg,boat\n",
    "image,labels,unknown labels\na.jpg,beach,boat\nb.jpg,boat,\nin/c.jpg,beach,\n",
)

photos, labels = st.sampled_from(PHOTOS), st.sampled_from(LABELS)
answers: st.SearchStrategy[Answer] = st.sampled_from(["present", "absent", "unknown"])
Model = dict[str, dict[str, Answer]]  # by label and photo


class RandomLabeling(RuleBasedStateMachine):
    """A store of labels beside a model of it."""

    store: LabelStore

    @initialize(text=st.sampled_from(TABLES))
    def begin(self, text: str | None) -> None:
        self.root = Path(mkdtemp())
        self.photos, self.table = self.root / "photos", self.root / "labels.csv"
        for name in PHOTOS:
            (self.photos / name).parent.mkdir(parents=True, exist_ok=True)
            (self.photos / name).touch()
        if text is not None:
            self.table.write_bytes(text.encode())
        self.store = LabelStore(self.photos, self.table)
        self.model: Model = self.look()
        self.past: list[Model] = []

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.root)

    def look(self) -> Model:
        """Return the answers of the store."""
        found = self.store.answers
        return {label: {name: found.answer(name, label) for name in found.names} for label in found.labels}

    def act(self, change: Callable[[], object], after: Model) -> None:
        """Make a change that may be refused, as answers about photos that are elsewhere would be lost."""
        try:
            change()
        except InputError as error:
            if "photos outside the folder" not in str(error) and "wait for photos" not in str(error):
                raise
            return
        if after != self.model:
            self.past.append(self.model)
        self.model = after

    @rule(photo=photos, label=labels, answer=answers)
    def answer(self, photo: str, label: str, answer: Answer) -> None:
        if label in self.model and photo in self.store.answers.names:
            after = {**self.model, label: {**self.model[label], photo: answer}}
            self.act(lambda: self.store.set(ADA, [(photo, label, answer)]), after)

    @rule(label=labels)
    def add(self, label: str) -> None:
        if label not in self.model:
            after: Model = {**self.model, label: dict.fromkeys(PHOTOS, "unknown")}
            self.act(lambda: self.store.add_label(ADA, label), after)

    @rule(label=labels, to=labels)
    def rename(self, label: str, to: str) -> None:
        if label in self.model and to not in self.model:
            after = {to if name == label else name: row for name, row in self.model.items()}
            self.act(lambda: self.store.rename_label(ADA, label, to), after)

    @rule(label=labels)
    def remove(self, label: str) -> None:
        if label in self.model:
            after = {name: row for name, row in self.model.items() if name != label}
            self.act(lambda: self.store.remove_label(ADA, label), after)

    @rule(label=labels, into=labels)
    def merge(self, label: str, into: str) -> None:
        if label in self.model and into in self.model and label != into:
            after = {name: dict(row) for name, row in self.model.items() if name != label}
            for photo in self.store.answers.names:
                after[into][photo] = join(self.model[label][photo], self.model[into][photo])
            self.act(lambda: self.store.merge_label(ADA, label, into), after)

    @precondition(lambda self: self.past)
    @rule()
    def undo(self) -> None:
        assert self.store.undo(ADA)
        before, self.model = self.model, self.past.pop()
        if AWAY not in self.store.answers.names:  # that a label was absent there went with the label
            self.model = {
                label: row if label in before else {**row, AWAY: "unknown"}
                for label, row in self.model.items()
            }

    @rule()
    def write(self) -> None:
        try:
            self.store._writer.write()
        except InputError as error:
            if "no photo has an answer" not in str(error):
                raise

    @rule(is_killed=st.booleans())
    def open_again(self, is_killed: bool) -> None:
        kill(self.store) if is_killed else self.store.close()
        self.open()
        assert self.store.state().conflicts == ()
        assert self.store.state().removed_labels == ()
        assert not self.store.state().is_partial

    def open(self) -> None:
        try:
            self.store = LabelStore(self.photos, self.table)
        except TableError:  # only photos that were moved away have a line
            self.come_back()
            self.store = LabelStore(self.photos, self.table)
        self.past = []

    @rule(is_killed=st.booleans())
    def move_away(self, is_killed: bool) -> None:
        if (self.photos / AWAY).exists():
            shutil.move(self.photos / "in", self.root / "in")
            self.open_again(is_killed)

    def come_back(self) -> None:
        if (self.root / "in").exists():
            shutil.move(self.root / "in", self.photos / "in")

    @rule(is_killed=st.booleans())
    def bring_back(self, is_killed: bool) -> None:
        self.come_back()
        self.open_again(is_killed)
        assert self.store.state().pending == ()

    @rule(is_reloaded=st.booleans())
    def delete_the_table(self, is_reloaded: bool) -> None:
        has_answers = any(answer != "unknown" for row in self.look().values() for answer in row.values())
        if has_answers and self.table.exists():  # without answers, no table is written
            with self.store._writer.paused():
                self.table.unlink()
                assert self.store.state().is_missing
            if is_reloaded:
                assert self.store.reload() == ()
            else:
                self.open_again(is_killed=False)

    @rule(photo=photos, label=labels, answer=answers)
    def edit_elsewhere(self, photo: str, label: str, answer: Answer) -> None:
        def edit(opened: OpenedLabels) -> None:
            if photo in opened.folder.names:
                opened.file.set(opened.folder.names.index(photo), label, to_target(answer))

        self.change_elsewhere(label, edit, cells={(photo, label): answer})

    @rule(label=labels)
    def remove_elsewhere(self, label: str) -> None:
        def edit(opened: OpenedLabels) -> None:
            if not opened.file.has_strangers(label):
                for row in opened.file.rows():
                    opened.file.set(row, label, math.nan)
                opened.file.remove(label)

        self.change_elsewhere(label, edit, cells={})

    def read_table(self) -> OpenedLabels | None:
        """Read the table as another program does."""
        try:
            return open_labels(self.photos, self.table, config=DataConfig())
        except TableError:
            return None

    def change_elsewhere(
        self,
        edited: str,
        edit: Callable[[OpenedLabels], None],
        *,
        cells: dict[tuple[str, str], Answer],
    ) -> None:
        """Let another program edit the table; the store reads it again."""
        with self.store._writer.paused():
            opened = self.read_table() if self.table.exists() else None
            if opened is None or edited not in opened.labels:
                return
            before = self.table.read_bytes()
            edit(opened)
            self.table.write_bytes(opened.file.content())
            again = self.read_table()
            is_table = again is not None and set(again.labels) <= set(opened.labels)  # remarks are no labels
            # A table as it was before is one from a backup: all changes since then are made again.
            known = {entry.sha256 for entry in self.store.entries if isinstance(entry, Written)}
            known.add(sha256(before).hexdigest())
            if not is_table or sha256(self.table.read_bytes()).hexdigest() in known:
                self.table.write_bytes(before)
                return
        assert self.store.state().is_changed_elsewhere
        conflicts = {(one.photo, one.label): one for one in self.store.reload()}
        found = self.look()
        for label in self.model:
            assert label in found or label in self.store.state().removed_labels
        for label, photo in product(found, self.store.answers.names):
            if label not in self.model:
                assert edited not in self.model  # it was given answers, so it was not removed
            elif found[label][photo] != self.model[label][photo]:
                # A label that was renamed or removed since then had another name, or none, in the table.
                wrote = cells.get((photo, label if edited in self.model else edited))
                assert (photo, label) in conflicts or found[label][photo] == wrote
        for (photo, label), conflict in conflicts.items():
            assert conflict.found == found.get(label, {}).get(photo, "unknown") != conflict.wanted
        away = {label: row.get(AWAY, "unknown") for label, row in self.model.items()}
        self.model = {label: {AWAY: away.get(label, "unknown"), **row} for label, row in found.items()}
        self.past = []

    @invariant()
    def labels_are_those_of_the_model(self) -> None:
        found = self.look()
        assert set(found) == set(self.model)
        for label, row in found.items():
            assert row == {photo: self.model[label][photo] for photo in row}

    @invariant()
    def a_saved_table_has_every_answer(self) -> None:
        with self.store.locked():
            if not self.store.state().is_saved or not self.table.exists() or self.store.answers.revision == 0:
                return
            try:
                read = read_table(self.table, photos=self.photos, purpose="checking")
            except TableError:  # no label is known for any photo
                return
        for label, photo in product(read.labels, self.store.answers.names):
            if photo in read.names:
                target = read.targets[read.names.index(photo), read.labels.index(label)]
                assert to_answer(target) == self.model[label][photo]
            else:
                assert self.model[label][photo] == "unknown"


def join(first: Answer, second: Answer) -> Answer:
    """Return the answer for a label that two labels were merged into."""
    if "present" in (first, second):
        return "present"
    return "absent" if first == second == "absent" else "unknown"


@pytest.mark.parametrize("n_runs", [60, pytest.param(500, marks=pytest.mark.slow)])
def test_no_answer_is_lost_whatever_happens(n_runs: int) -> None:
    run_state_machine_as_test(
        RandomLabeling, settings=settings(max_examples=n_runs, stateful_step_count=25, deadline=None)
    )
