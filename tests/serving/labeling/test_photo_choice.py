"""Photos that are chosen on the page."""

import os
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp

from manylabel.annotation.label_store import LabelStore
from manylabel.errors import InputError
from manylabel.serving.labeling.photo_choice import PhotoChoice

APP = Starlette()


@pytest.fixture
def choice() -> PhotoChoice:
    """Return a choice that opens labels as the page does."""

    def open_photos(photos: Path, labels: Path | None) -> ASGIApp:
        LabelStore(photos, labels).close()
        return APP

    return PhotoChoice(open_photos)


def test_a_folder_is_chosen_as_people_write_it(
    choice: PhotoChoice, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(photos.parent))
    monkeypatch.setenv("USERPROFILE", str(photos.parent))

    choice.choose_folder(' "~/photos" ')

    assert choice.app is APP


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("", "give the path of a folder of photos"),
        (' "" ', "give the path of a folder of photos"),
        ("a\0b", "give the path of a folder of photos"),
        ("none", "none: no such folder"),
        ("a.txt", "a.txt: is a file, expected a folder of photos"),
        ("empty", "empty: no photos in this folder or below it"),
        ("x" * 5000, "File name too long"),
    ],
)
def test_a_folder_that_cannot_be_used_is_told(
    given: str, problem: str, choice: PhotoChoice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.txt").touch()

    with pytest.raises(InputError, match=problem):
        choice.choose_folder(given)

    assert choice.app is None


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="every folder can be written")
def test_a_folder_that_cannot_be_written_is_told(choice: PhotoChoice, photos: Path) -> None:
    photos.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written"):
        choice.choose_folder(str(photos))
    photos.chmod(0o700)


def test_labels_that_cannot_be_read_are_told_and_can_be_mended(choice: PhotoChoice, photos: Path) -> None:
    (photos / "labels.csv").write_text("image,boat\nnone.jpg,1\n")
    with pytest.raises(InputError, match=r"none\.jpg"):
        choice.choose_folder(str(photos))
    (photos / "labels.csv").unlink()

    choice.choose_folder(str(photos))

    assert choice.app is APP


@pytest.mark.usefixtures("empty_folder")
def test_the_sample_is_written_once_and_keeps_its_labels(choice: PhotoChoice) -> None:
    choice.choose_sample()
    table = Path("postcards/labels.csv")
    assert len(list(Path("postcards/images").iterdir())) == 200
    table.write_text("image,labels\nimages/0001.jpg,lake\n")

    again = PhotoChoice(choice._open_photos)
    again.choose_sample()

    assert again.app is APP
    assert table.read_text() == "image,labels\nimages/0001.jpg,lake\n"


@pytest.mark.usefixtures("empty_folder")
def test_another_folder_of_that_name_is_not_touched(choice: PhotoChoice) -> None:
    Path("postcards").mkdir()
    Path("postcards/mine.jpg").touch()

    with pytest.raises(InputError, match="postcards: this folder has other files; rename or move it"):
        choice.choose_sample()

    assert list(Path("postcards").iterdir()) == [Path("postcards/mine.jpg")]


@pytest.mark.usefixtures("empty_folder")
def test_photos_are_chosen_once(choice: PhotoChoice, photos: Path) -> None:
    choice.choose_folder(str(photos))

    with pytest.raises(InputError, match="photos were chosen already"):
        choice.choose_folder(str(photos))
    with pytest.raises(InputError, match="photos were chosen already"):
        choice.choose_sample()
    assert not Path("postcards").exists()
