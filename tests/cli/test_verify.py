"""``manylabel verify``: the files of a bundle and the SHA-256 of their list."""

import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from manylabel import verify
from manylabel.cli.main import main


@pytest.fixture
def bundle(shapes_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle to tamper with."""
    return Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))


def run(*words: str | Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run ``manylabel verify``; return the exit code."""
    monkeypatch.setattr(sys, "argv", ["manylabel", "verify", *map(str, words)])
    monkeypatch.setenv("COLUMNS", "80")
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def test_every_file_is_listed_and_what_is_not_ours_is_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle / "notes\x1b.txt").touch()
    assert run(bundle, monkeypatch=monkeypatch) == 0

    printed = capsys.readouterr()
    found = verify(bundle)
    listed = "".join(f"{file.sha256}  {file.name}\n" for file in found.files)
    assert printed.out == f"{listed}SHA-256 of this list: {found.sha256}\n"
    assert found.sha256 == sha256(listed.encode()).hexdigest()
    assert "ignored, not part of the bundle: notes\\x1b.txt" in printed.err


def test_the_expected_bundle_is_accepted_and_another_one_refused(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = verify(bundle).sha256
    assert run(bundle, "--expect", expected, monkeypatch=monkeypatch) == 0
    capsys.readouterr()

    (bundle / "README.md").write_text("another card")

    assert run(bundle, "--expect", expected, monkeypatch=monkeypatch) == 2
    assert "is not the expected bundle" in " ".join(capsys.readouterr().err.split())


def test_damage_is_told_and_ends_with_2(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle / "out_of_fold.csv").write_bytes(b"")

    assert run(bundle, monkeypatch=monkeypatch) == 2
    assert "out_of_fold.csv: has changed since it was written" in " ".join(capsys.readouterr().err.split())


def test_edited_files_are_named(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (bundle / "README.md").write_text("another card")

    assert run(bundle, monkeypatch=monkeypatch) == 0
    assert "edited after training: README.md\n" in capsys.readouterr().err
