"""The folder of the feature cache."""

import json
import logging
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from manylabel.errors import ConfigError, OutputError
from manylabel.io.cache import (
    cache_limit_bytes,
    clear_cache,
    default_cache,
    details_path,
    engine_folder,
    feature_path,
    list_cache,
    make_room,
    mark_used,
    pictures_folder,
)
from manylabel.io.files import try_to_lock

DAY = 24 * 60 * 60


def save(folder: Path, letter: str, *, n_bytes: int = 1000, age: float = 0.0, **metadata: str) -> Path:
    """Put features of some size into the cache, last used some seconds ago."""
    path = feature_path(folder, letter * 64)
    path.parent.mkdir(parents=True, exist_ok=True)
    details = json.dumps(metadata).encode()
    details_path(path).write_bytes(details)
    path.write_bytes(bytes(n_bytes - len(details)))
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def save_engine(folder: Path, letter: str, *, age: float = 0.0) -> Path:
    """Put a converted model into the cache, last used some seconds ago."""
    path = engine_folder(folder, letter * 64)
    path.mkdir(parents=True)
    (path / "model.bin").write_bytes(bytes(500))
    (path / "facts.json").write_text(json.dumps({"network": "resnet50"}), encoding="utf-8")
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def letters(folder: Path) -> str:
    """Return which files there are, by the letter they were saved under."""
    return "".join(sorted(path.name[0] for path in folder.rglob("*.npy")))


def test_the_user_may_say_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "here"))
    assert default_cache() == tmp_path / "here"

    monkeypatch.delenv("MANYLABEL_CACHE")
    assert default_cache().name == "manylabel"


@pytest.mark.parametrize(
    ("given", "n_bytes"), [(None, 20 * 10**9), ("", 20 * 10**9), ("5", 5 * 10**9), ("0.5", 5 * 10**8)]
)
def test_the_user_may_say_how_large_the_cache_may_grow(
    given: str | None, n_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MANYLABEL_CACHE_GB", raising=False)
    if given is not None:
        monkeypatch.setenv("MANYLABEL_CACHE_GB", given)

    assert cache_limit_bytes() == n_bytes


@pytest.mark.parametrize("given", ["much", "0", "-1", "nan", "inf", "20 GB"])
def test_a_limit_that_is_no_positive_number_is_told(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MANYLABEL_CACHE_GB", given)

    with pytest.raises(ConfigError) as raised:
        cache_limit_bytes()
    assert str(raised.value) == (
        f"MANYLABEL_CACHE_GB: given '{given}', expected a positive number of gigabytes, e.g. 20"
    )


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "manylabel")
    ages = {"a": 50, "b": 400, "c": 300, "d": 100}
    for letter, age in ages.items():
        save(tmp_path, letter, age=age)
    newest = save(tmp_path, "e")

    make_room(newest, limit_bytes=3000)

    assert letters(tmp_path) == "ade"
    assert caplog.messages == [
        "cache: removed the 2 least recently used entries to stay below 3e-06 GB (MANYLABEL_CACHE_GB)"
    ]


def test_converted_models_count_and_go_like_features(tmp_path: Path) -> None:
    engine = save_engine(tmp_path, "e", age=200)
    save(tmp_path, "a", age=100)

    found = {entry.what: entry for entry in list_cache(tmp_path).entries}
    assert (found["converted model"].model, found["converted model"].path) == ("resnet50", engine)
    assert found["converted model"].n_bytes > 500

    make_room(save(tmp_path, "b"), limit_bytes=2000)
    assert not engine.exists()
    assert letters(tmp_path) == "ab"

    newest = save_engine(tmp_path, "f")
    make_room(newest, limit_bytes=10)
    assert (newest.exists(), letters(tmp_path)) == (True, "")

    assert clear_cache(tmp_path).n_entries == 1
    assert list(tmp_path.iterdir()) == []


def save_pictures(folder: Path, letter: str, *, n: int, age: float) -> Path:
    """Put small pictures of 1000 bytes into the cache, last used some seconds ago."""
    path = pictures_folder(folder, letter * 64)
    path.mkdir(parents=True)
    for number in range(n):
        (path / f"{number:064}.jpg").write_bytes(bytes(1000))
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_small_pictures_of_a_folder_are_one_entry_that_goes_as_a_whole(tmp_path: Path) -> None:
    old, new = save_pictures(tmp_path, "a", n=3, age=300), save_pictures(tmp_path, "b", n=2, age=100)
    save(tmp_path, "f", age=200)

    entries = list_cache(tmp_path).entries
    assert [(entry.path, entry.what, entry.n_bytes) for entry in entries if entry.path != old] == [
        (new, "small pictures", 2000),
        (feature_path(tmp_path, "f" * 64), None, 1000),
    ]

    make_room(save(tmp_path, "e"), limit_bytes=4500)
    assert (old.exists(), new.exists(), letters(tmp_path)) == (False, True, "ef")
    assert clear_cache(tmp_path).n_entries == 3
    assert list(tmp_path.iterdir()) == []


def test_a_cache_within_its_limit_keeps_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "manylabel")
    save(tmp_path, "a", age=100)
    make_room(save(tmp_path, "b"), limit_bytes=2000)

    assert letters(tmp_path) == "ab"
    assert not caplog.messages


def test_a_file_that_was_read_stays_longer(tmp_path: Path) -> None:
    first, _ = save(tmp_path, "a", age=200), save(tmp_path, "b", age=100)
    mark_used(first)
    make_room(save(tmp_path, "c"), limit_bytes=2000)

    assert letters(tmp_path) == "ac"


def test_marking_a_file_that_is_gone_is_no_error(tmp_path: Path) -> None:
    mark_used(tmp_path / "gone")


def test_the_newest_file_stays_even_above_the_limit(tmp_path: Path) -> None:
    save(tmp_path, "a", age=100)
    newest = save(tmp_path, "b", age=200)
    make_room(newest, limit_bytes=10)

    assert letters(tmp_path) == "b"


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX tell who still writes")
def test_what_a_killed_process_left_goes_and_what_is_being_written_stays(tmp_path: Path) -> None:
    newest = save(tmp_path, "a")
    folder = newest.parent
    ages = {
        f"{'b' * 64}.1-x.partial": 2 * DAY,
        f"{'c' * 64}.1-x.partial": DAY / 2,
        f"{'d' * 64}.1-x.partial": DAY / 2,
        f"{'e' * 64}.1-x.partial": 1,
        f"{'f' * 64}.lock": 2 * DAY,
        f"{'9' * 64}.lock": DAY / 2,
    }
    for name, age in ages.items():
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age, time.time() - age))

    with (folder / f"{'d' * 64}.1-x.partial").open("rb") as file:
        assert try_to_lock(file)
        make_room(newest, limit_bytes=10**9)

    assert sorted({path.name[0] for path in folder.iterdir()}) == ["9", "a", "d", "e"]


def test_a_file_that_cannot_be_removed_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, "a", age=300)
    save(tmp_path, "b", age=200)
    newest = save(tmp_path, "c")
    unlink = Path.unlink

    def refuse_some(path: Path, *, missing_ok: bool = False) -> None:
        if path.name.startswith("a"):
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse_some)
    make_room(newest, limit_bytes=2000)
    assert letters(tmp_path) == "ac"

    with pytest.raises(OutputError, match=r"a\.npy: cannot be removed: Permission denied"):
        clear_cache(tmp_path)
    assert letters(tmp_path) == "a"


def test_files_that_vanish_meanwhile_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for letter in "abcd":
        save(tmp_path, letter)
    stat = Path.stat

    def lose(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path.name.startswith("b"):
            path.unlink(missing_ok=True)  # before it is looked at
        found = stat(path, follow_symlinks=follow_symlinks)
        if path.name.startswith("c"):
            path.unlink(missing_ok=True)  # after it was looked at
        return found

    monkeypatch.setattr(Path, "stat", lose)
    assert [file.path.name[0] for file in list_cache(tmp_path).entries][-2:] == ["c", "a"]
    make_room(feature_path(tmp_path, "d" * 64), limit_bytes=10)
    clear_cache(tmp_path)

    monkeypatch.undo()
    assert letters(tmp_path) == ""


def test_several_processes_may_make_room_at_once(tmp_path: Path) -> None:
    for letter in "abcdef":
        save(tmp_path, letter)
    newest = save(tmp_path, "0")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: make_room(newest, limit_bytes=1000), range(16)))

    assert letters(tmp_path) == "0"


def test_the_cache_is_listed_by_last_use(tmp_path: Path) -> None:
    save(tmp_path, "a", age=200, model="resnet50", n_photos="200", n_views="4", what="features")
    save(tmp_path, "b", age=100, n_bytes=3000)
    damaged = save(tmp_path, "c")
    damaged.write_bytes(b"no array")
    details_path(damaged).write_bytes(b"{")
    os.utime(damaged, (0, 0))

    contents = list_cache(tmp_path)

    assert contents.folder == tmp_path
    assert contents.limit_bytes == 20 * 10**9
    assert contents.n_bytes == 4009
    assert [
        (file.path.name[0], file.model, file.n_photos, file.n_views, file.what) for file in contents.entries
    ] == [
        ("b", None, None, None, None),
        ("a", "resnet50", 200, 4, "features"),
        ("c", None, None, None, None),
    ]


def test_no_cache_is_an_empty_one(feature_cache: Path) -> None:
    assert list_cache().entries == ()
    assert list_cache().folder == feature_cache
    assert clear_cache().n_bytes == 0
    feature_cache.touch()
    assert list_cache().entries == ()


def test_clearing_removes_everything_that_is_ours_and_nothing_else(tmp_path: Path) -> None:
    save(tmp_path, "a")
    folder = save(tmp_path, "b").parent
    (folder / f"{'c' * 64}.1-x.partial").write_bytes(b"half")
    (folder / f"{'c' * 64}.lock").touch()
    (folder / f"{'d' * 64}.json").write_bytes(b"of nothing")
    (folder / "model.npy").write_bytes(b"of the user")

    cleared = clear_cache(tmp_path)

    assert (cleared.folder, cleared.n_entries, cleared.n_bytes) == (tmp_path, 2, 2014)
    assert [path.name for path in folder.iterdir()] == ["model.npy"]

    (folder / "model.npy").unlink()
    clear_cache(tmp_path)
    assert not folder.exists()


@pytest.fixture
def homeless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the user one that the system does not know; return where the cache of such users lies."""

    def fail(_: str) -> Path:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("MANYLABEL_CACHE")
    monkeypatch.setattr("manylabel.io.cache.user_cache_path", fail)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"manylabel-{os.getuid()}"


@pytest.mark.skipif(os.name != "posix", reason="elsewhere every user has a home")
def test_a_user_without_a_home_has_a_cache_that_nobody_else_writes_to(homeless: Path) -> None:
    assert default_cache() == homeless == default_cache()
    assert homeless.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.name != "posix", reason="elsewhere every user has a home")
@pytest.mark.usefixtures("homeless")
def test_a_home_that_python_cannot_name_is_none(homeless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("manylabel.io.cache.user_cache_path", lambda _: Path("~/.cache/manylabel"))

    assert default_cache() == homeless


@pytest.mark.skipif(os.name != "posix", reason="elsewhere every user has a home")
@pytest.mark.parametrize("kind", ["a link", "open to all", "a file"])
def test_a_folder_of_others_is_no_cache(kind: str, homeless: Path, tmp_path: Path) -> None:
    match kind:
        case "a link":
            (tmp_path / "elsewhere").mkdir(mode=0o700)
            homeless.symlink_to(tmp_path / "elsewhere")
        case "open to all":
            homeless.mkdir()
            homeless.chmod(0o777)
        case _:
            homeless.touch()

    with pytest.raises(ConfigError, match=r"has no home, and .* is not private; set MANYLABEL_CACHE"):
        default_cache()
