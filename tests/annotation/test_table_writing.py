"""A table is replaced as a whole, and a change by another program is noticed."""

import os
from pathlib import Path

import pytest

from manylabel.annotation.table_writing import WatchedTable, hash_of, replace_table
from manylabel.errors import InputError, OutputError


def accept(_: Path) -> None:
    """Let a table be written."""


def test_a_table_that_is_refused_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("old")

    def refuse(written: Path) -> None:
        assert written.read_text() == "new"
        raise InputError("no")

    with pytest.raises(InputError, match="no"):
        replace_table(path, b"new", check=refuse)

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_stay(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.touch()
    path.chmod(0o640)
    replace_table(path, b"new", check=accept)

    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").touch()
    link = tmp_path / "link.csv"
    link.symlink_to(tmp_path / "labels.csv")
    replace_table(link, b"new", check=accept)

    assert link.is_symlink()
    assert (tmp_path / "labels.csv").read_text() == "new"


def test_a_folder_in_place_of_a_table_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        replace_table(tmp_path, b"new", check=accept)


def test_a_table_that_does_not_exist_has_no_hash(tmp_path: Path) -> None:
    assert hash_of(tmp_path / "labels.csv") is None
    assert WatchedTable(tmp_path / "labels.csv").sha256() is None


def test_a_watched_table_is_read_again_only_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("one")
    n_read = 0

    def count(path: Path) -> str | None:
        nonlocal n_read
        n_read += 1
        return hash_of(path)

    monkeypatch.setattr("manylabel.annotation.table_writing.hash_of", count)
    watched = WatchedTable(path)
    first = watched.sha256()
    assert (watched.sha256(), n_read) == (first, 1)

    status = path.stat()
    path.write_text("two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert watched.sha256() != first
    assert n_read == 2

    path.unlink()
    assert watched.sha256() is None


def test_a_table_that_another_one_replaced_is_read_again_even_if_it_is_as_old_and_as_large(
    tmp_path: Path,
) -> None:
    path, other = tmp_path / "labels.csv", tmp_path / "other.csv"
    path.write_text("one")
    other.write_text("two")
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    watched = WatchedTable(path)
    first = watched.sha256()
    other.replace(path)

    assert watched.sha256() != first
