"""``manylabel app``: what is wrong is told before a page is opened."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from manylabel.cli.main import main


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return what runs the command and returns its error, behind its exit code."""

    def answer(*words: str | Path) -> str:
        monkeypatch.setattr(sys, "argv", ["manylabel", "app", "--no-browser", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return f"{ended.value.code}: {' '.join(capsys.readouterr().err.split())}"

    return answer


def test_settings_that_are_no_constraints_are_refused(run: Callable[..., str], tmp_path: Path) -> None:
    found = run(tmp_path, "--set", "training.epochs=3")

    assert found.startswith("2: ")
    assert "--set training.epochs=3: app only uses constraints.*" in found


def test_a_model_that_is_none_is_told(run: Callable[..., str], tmp_path: Path) -> None:
    assert str(tmp_path / "none") in run(tmp_path, "--model", tmp_path / "none")


def test_a_folder_without_photos_is_told(run: Callable[..., str], tmp_path: Path) -> None:
    assert run(tmp_path, "--no-suggest").startswith("2: ")
