"""The models that were trained on the labeling page."""

import shutil
from pathlib import Path

import pytest

from manylabel.errors import InputError
from manylabel.serving.labeling.models import TrainedModels, hash_of_tested, models_folder


@pytest.fixture
def models(tmp_path: Path) -> TrainedModels:
    return TrainedModels(tmp_path / "photos.models")


def test_there_are_none_before_the_first_training(models: TrainedModels) -> None:
    assert models.listed() == []
    assert models.check_new(" model 1 ") == "model 1"


def test_what_is_no_run_is_left_out(models: TrainedModels) -> None:
    for name in ("empty", ".hidden", "broken"):
        (models.folder / name).mkdir(parents=True)
    (models.folder / "broken" / "results.json").write_text("{}")

    assert models.listed() == []
    with pytest.raises(InputError, match="'broken' has no report"):
        models.report("broken")
    with pytest.raises(InputError, match="there is a model 'empty' already"):
        models.check_new("empty")


def test_models_that_were_tested_on_the_same_photos_are_told_from_others(tmp_path: Path) -> None:
    def split(name: str, *parts: str) -> str:
        (tmp_path / name).mkdir()
        lines = [f"{number}.jpg,{part},,2" for number, part in enumerate(parts)]
        (tmp_path / name / "split.csv").write_text("\n".join(["image,part,fold,n_known", *lines]))
        return hash_of_tested(tmp_path / name, part="test", labels=["boat"])

    first = split("a", "train", "test", "train", "test")
    assert first == split("b", "val", "test", "train", "test")
    assert first != split("c", "test", "train", "train", "test")
    whole = [hash_of_tested(tmp_path / name, part="out_of_fold", labels=["boat"]) for name in ("a", "c")]
    assert whole[0] == whole[1]
    assert first != hash_of_tested(tmp_path / "a", part="test", labels=["boat", "lake"])
    assert hash_of_tested(tmp_path / "gone", part="test", labels=["boat"]) == ""


@pytest.mark.parametrize("name", ["", " ", ".", "..", ".a", "a/b", "a\\b", "../x", "a\nb", "x" * 61, "a\0b"])
def test_a_name_is_a_plain_one(models: TrainedModels, name: str) -> None:
    with pytest.raises(InputError):
        models.check_new(name)
    with pytest.raises(InputError):
        models.report(name)
    with pytest.raises(InputError):
        models.bundle(name, "efficientnet_lite0")


def test_a_link_out_of_the_folder_is_a_run_like_others_but_a_name_cannot_leave_it(
    models: TrainedModels, tmp_path: Path
) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "report.html").write_text("no")
    models.folder.mkdir()

    with pytest.raises(InputError, match="there is no model"):
        models.report("../secret")


def test_models_lie_beside_the_photos_and_not_in_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert models_folder(tmp_path / "photos") == tmp_path / "photos.models"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert models_folder(Path()) == tmp_path / "here.models"


def test_a_run_that_is_gone_is_not_listed_any_more(models: TrainedModels) -> None:
    (models.folder / "a").mkdir(parents=True)
    shutil.rmtree(models.folder / "a")
    assert models.listed() == []
