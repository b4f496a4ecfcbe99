"""``manylabel labels``: what was changed is shown, undone and exported."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from manylabel.annotation.author import Author
from manylabel.annotation.journal import journal_path
from manylabel.annotation.label_store import LabelStore
from manylabel.cli.main import main
from tests.annotation.conftest import kill

TABLE = "image,boat,beach\na.jpg,1,0\nb.jpg,0,1\n"


@pytest.fixture
def changed(tmp_path: Path) -> tuple[Path, Path]:
    """Return photos and a table that two people have changed."""
    photos, table = tmp_path / "photos", tmp_path / "labels.csv"
    photos.mkdir()
    for name in "abc":
        (photos / f"{name}.jpg").touch()
    table.write_text(TABLE)
    with LabelStore(photos, table) as store:
        store.set(Author(name="Ada"), [("a.jpg", "boat", "absent"), ("c.jpg", "boat", "present")])
        store.set(Author(name="Bo"), [("c.jpg", "beach", "absent")])
    return photos, table


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return what runs the command and returns what it prints; an error begins with its exit code."""

    def answer(*words: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["manylabel", "labels", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return printed.out if not ended.value.code else f"{ended.value.code}: {printed.err}"

    return answer


def test_the_changed_labels_are_listed_with_who_changed_them(
    changed: tuple[Path, Path], run: Callable[..., str]
) -> None:
    lines = [line.split() for line in run("diff", *changed).splitlines()]

    assert lines[1:4] == [
        ["a.jpg", "boat", "present", "absent", "Ada"],
        ["c.jpg", "boat", "unknown", "present", "Ada"],
        ["c.jpg", "beach", "unknown", "absent", "Bo"],
    ]
    assert " ".join(lines[4]).startswith("3 answers on 2 photos changed in")


def test_actions_are_undone_one_by_one(changed: tuple[Path, Path], run: Callable[..., str]) -> None:
    assert run("undo", *changed) == "Undone: 1 change\n"
    assert run("undo", *changed) == "Undone: 2 changes\n"
    assert run("undo", *changed) == "Nothing to undo.\n"

    assert changed[1].read_text() == TABLE + "c.jpg,?,?\n"  # its line stays
    assert run("diff", *changed).startswith("0 answers on 0 photos changed")


def test_labels_are_exported_to_another_table(
    changed: tuple[Path, Path], run: Callable[..., str], tmp_path: Path
) -> None:
    out = tmp_path / "new.csv"
    run("export", *changed, "--out", out)

    assert out.read_text() == "image,boat,beach\na.jpg,0,0\nb.jpg,0,1\nc.jpg,1,0\n"
    assert "exists" in run("export", *changed, "--out", out)


def test_an_export_only_reads_even_while_labels_are_changed(
    changed: tuple[Path, Path], run: Callable[..., str], tmp_path: Path
) -> None:
    photos, table = changed
    journal = journal_path(table)
    with LabelStore(photos, table):
        before = table.stat().st_mtime_ns, journal.stat().st_mtime_ns
        assert run("export", *changed, "--out", tmp_path / "new.csv").startswith("Written:")
        assert (table.stat().st_mtime_ns, journal.stat().st_mtime_ns) == before


def test_an_export_tells_which_answers_it_leaves_out(
    changed: tuple[Path, Path], run: Callable[..., str], tmp_path: Path
) -> None:
    photos, table = changed
    store = LabelStore(photos, table)
    store.set(Author(), [("b.jpg", "boat", "present"), ("c.jpg", "boat", "absent")])
    kill(store)
    table.write_text(TABLE.replace("b.jpg,0", "b.jpg,?"))
    (photos / "c.jpg").unlink()

    printed = " ".join(run("export", *changed, "--out", tmp_path / "new.csv").split())

    assert "Left out: 1 answer on photos that are not in the folder, e.g. c.jpg" in printed
    assert "Left out: 1 answer that the table contradicts, e.g. on b.jpg" in printed


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["export"], "export needs --out FILE"),
        (["diff", "--out", "x.csv"], "--out is for export only"),
        (["dif"], "'dif' is not one of"),
    ],
)
def test_what_cannot_be_done_is_told(
    words: list[str], problem: str, changed: tuple[Path, Path], run: Callable[..., str]
) -> None:
    assert problem in " ".join(run(words[0], *changed, *words[1:]).split())
