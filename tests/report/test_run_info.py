"""How a run was made, told without telling who made it."""

from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import pytest

from manylabel.report.run_info import gather_machine, gather_run_info, gather_versions, hide_folders


def gather(command: list[str], *, config_toml: str = "") -> str:
    started = datetime.now(UTC) - timedelta(seconds=90)
    info = gather_run_info(
        command,
        started=started,
        stage_seconds={"report": 1.0},
        seed=7,
        recipe="quick",
        config_toml=config_toml,
    )
    assert 90 <= info.seconds < 120
    assert info.started == started.isoformat(timespec="seconds")
    assert (info.seed, info.recipe, info.stage_seconds) == (7, "quick", {"report": 1.0})
    return info.command


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        (
            ["/opt/bin/manylabel", "compare", "photos", "my labels.csv"],
            "manylabel compare photos 'my labels.csv'",
        ),
        (["manylabel", "train", "/home/ada/photos"], "manylabel train '…/photos'"),
        (["manylabel", "--out=/home/ada/runs/x"], "manylabel '--out=…/x'"),
        (["manylabel", "--weights", "vgg16=/home/ada/vgg16.pth"], "manylabel --weights 'vgg16=…/vgg16.pth'"),
        (["manylabel", "--set", "training.epochs=20"], "manylabel --set training.epochs=20"),
        (["manylabel", r"C:\Users\ada\photos"], "manylabel '…/photos'"),
        ([], ""),
    ],
)
def test_the_command_is_shown_without_the_folders_of_this_machine(command: list[str], shown: str) -> None:
    assert gather(command) == shown


def test_paths_below_the_working_folder_become_relative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert hide_folders(f'out = "{tmp_path.as_posix()}/runs/x"') == 'out = "runs/x"'


def test_settings_keep_their_values_but_for_folders() -> None:
    settings = 'a = 1  # the "best" one\nweights = ["x=/home/ada/x.pth", "y.pth"]\n'
    assert hide_folders(settings) == 'a = 1  # the "best" one\nweights = ["x=…/x.pth", "y.pth"]\n'


def test_versions_are_those_that_are_installed() -> None:
    versions = gather_versions()
    assert versions["numpy"] == version("numpy")
    assert list(versions)[:2] == ["python", "manylabel"]


def test_the_machine_is_told_in_words() -> None:
    machine = gather_machine()
    assert {"processor", "cores", "system"} <= set(machine)
    assert all(machine.values())
