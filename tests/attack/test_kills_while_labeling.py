"""People label, and the process that keeps their labels is killed at any moment: no confirmed label is lost.

In:  a process that changes labels one after the other, and says so after each; moments drawn from a seed.
Out: after each kill, the journal has every change that was confirmed; opened again, so has the table.
"""

import random
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest

from manylabel.annotation.answers import Answers
from manylabel.annotation.author import Author
from manylabel.annotation.journal import Answer, SetLabel, Written, journal_path, read_journal
from manylabel.annotation.label_store import LabelStore
from manylabel.data.formats import read_table

FEW, MANY = 2, 30
N_PHOTOS, LABELS = 40, ("beach", "boat", "old town")

LABELING = """
import random, sys
from pathlib import Path
from manylabel.annotation.author import Author
from manylabel.annotation.label_store import LabelStore

chance = random.Random(int(sys.argv[3]))
with LabelStore(Path(sys.argv[1]), Path(sys.argv[2])) as store:
    print("open", flush=True)
    while True:
        photo, label = chance.choice(store.answers.names), chance.choice(store.answers.labels)
        answer = chance.choice(["present", "absent", "unknown"])
        if store.answers.answer(photo, label) != answer:
            store.set(Author(name="Ada"), [(photo, label, answer)])
            print("confirmed", flush=True)
"""


def make_photos(folder: Path) -> Path:
    folder.mkdir()
    for number in range(N_PHOTOS):
        (folder / f"{number:02}.jpg").touch()
    return folder


def label_and_kill(photos: Path, table: Path, *, seed: int, seconds: float) -> int:
    """Label for some seconds, then kill the process; return how many changes it had confirmed."""
    words = [sys.executable, "-c", LABELING, str(photos), str(table), str(seed)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        time.sleep(seconds)
        process.kill()
        said = process.stdout.read()
    return said.count("confirmed\n")


def read_sets(table: Path) -> list[SetLabel]:
    return [entry for entry in read_journal(journal_path(table)) if isinstance(entry, SetLabel)]


def replayed(before: dict[tuple[str, str], Answer], changes: list[SetLabel]) -> dict[tuple[str, str], Answer]:
    """Return the answers after all changes; each continues what the one before it left."""
    found = dict(before)
    for change in changes:
        assert found[change.photo, change.label] == change.before
        found[change.photo, change.label] = change.after
    return found


@pytest.mark.parametrize("n_kills", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("text", [None, "image,labels\n00.jpg,beach;boat\n01.jpg,boat\n"])
def test_no_confirmed_label_is_lost(n_kills: int, text: str | None, tmp_path: Path) -> None:
    photos, table = make_photos(tmp_path / "photos"), tmp_path / "labels.csv"
    if text is not None:
        table.write_text(text)
    with LabelStore(photos, table) as store:
        for label in LABELS:
            if label not in store.answers.labels:
                store.add_label(Author(), label)
        before = {cell: store.answers.answer(*cell) for cell in product(store.answers.names, LABELS)}
    chance, n_confirmed = random.Random(1), len(read_sets(table))

    for kill in range(n_kills):
        n_confirmed += label_and_kill(photos, table, seed=kill, seconds=chance.uniform(0, 1.2))
        # One more may be in the journal: it was kept, and the process was killed before it said so.
        assert n_confirmed <= len(read_sets(table)) <= n_confirmed + 1
        n_confirmed = len(read_sets(table))

    with LabelStore(photos, table) as store:
        expected = replayed(before, read_sets(table))
        assert {cell: store.answers.answer(*cell) for cell in expected} == expected
        assert store.state().conflicts == ()
    read = read_table(table, photos=photos, purpose="checking")
    found = Answers(read.names, read.labels, read.targets)
    for (photo, label), answer in expected.items():
        if photo in read.names and label in read.labels:
            assert found.answer(photo, label) == answer
        else:
            assert answer == "unknown"
    assert list(tmp_path.glob(".*")) == []
    assert any(isinstance(entry, Written) for entry in read_journal(journal_path(table)))
