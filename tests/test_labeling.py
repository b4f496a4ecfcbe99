"""Photos that are worth labeling next, from a folder of which some are labeled."""

import csv
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from manylabel import suggest
from manylabel.bundle.folder import read_bundle
from manylabel.data.find import find_photos
from manylabel.data.photos import open_photo
from manylabel.engines.base import relative_error
from manylabel.engines.frozen import score_with_features
from manylabel.engines.openvino import has_native_bf16
from manylabel.engines.torch import load_classifier, torch_predictor
from manylabel.errors import ConfigError, InputError, MissingExtraError, OutputError, TableError
from manylabel.labeling import Suggestions, write_suggestions
from manylabel.preprocess import resize_photo
from manylabel.review.active_learning import choose_to_label, mean_entropy
from manylabel.types import Progress, Scores

# Where the processor has 16-bit numbers, the backbone runs in them.
ATOL = 0.05 if has_native_bf16() else 1e-4


@pytest.fixture
def images(shapes_folder: Path) -> Path:
    """Return a folder of photos."""
    return shapes_folder / "images"


@pytest.fixture
def bundle(shapes_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle that does not say what it was trained with."""
    copy = Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))
    (copy / "split.csv").unlink()
    return copy


def test_what_is_suggested_is_what_scores_and_features_say(bundle: Path, images: Path) -> None:
    suggestions = suggest(bundle, images, n=5)

    paths = find_photos(images)
    names = [path.name for path in paths]
    seen = score_with_features(read_bundle(bundle), paths, names=names)
    chosen = choose_to_label(seen.scores, seen.features, n=5)
    assert suggestions.scores.names == tuple(names[row] for row in chosen)
    assert suggestions.n_unlabeled == 32
    assert suggestions.notes[0].startswith("which photos the bundle was trained with is not known")
    np.testing.assert_allclose(suggestions.uncertainty, mean_entropy(suggestions.scores.values))


@pytest.mark.parametrize("n_views", [1, 3])
def test_scores_and_features_are_those_of_torch(n_views: int, bundle: Path, images: Path) -> None:
    opened = read_bundle(bundle)
    preprocessing = replace(opened.config.preprocessing, n_views=n_views)
    opened = replace(opened, config=replace(opened.config, preprocessing=preprocessing))
    paths = find_photos(images)
    (images / "00.png").write_bytes(b"no photo")

    seen = score_with_features(opened, paths, names=[path.name for path in paths], device="cpu")

    photos = [open_photo(path) for path in paths[1:]]
    pixels = np.stack([resize_photo(photo, preprocessing) for photo in photos])
    with torch.inference_mode():
        features = load_classifier(opened).features(torch.from_numpy(pixels)).numpy()
    scores = torch_predictor(opened, device="cpu", precision="fp32").predict_proba(photos)
    assert seen.rows.tolist() == list(range(1, 32))
    assert relative_error(seen.features, features) < (0.05 if has_native_bf16() else 1e-3)
    np.testing.assert_allclose(seen.scores, scores, atol=ATOL)


def test_the_labels_that_a_photo_is_unsure_about_come_with_the_nearest_to_a_half_first(
    bundle: Path, images: Path
) -> None:
    suggestions = suggest(bundle, images, n=1)
    unsure = replace(suggestions.scores, values=np.array([[0.3, 0.95, 0.55]]))
    suggestions = replace(suggestions, scores=unsure)

    distances = [
        abs(suggestions.scores.values[0, suggestions.scores.labels.index(label)] - 0.5)
        for label in suggestions.unsure_labels(0)
    ]
    assert len(distances) == 2
    assert distances == sorted(distances)
    assert suggestions.unsure_labels(0, most=1) == suggestions.unsure_labels(0)[:1]


def test_labeled_photos_are_left_out_and_those_with_only_unknown_cells_are_not(
    bundle: Path, images: Path
) -> None:
    table = images.parent / "some.csv"
    lines = [f"{number:02}.png,1,0," for number in range(20)] + ["20.png,,,"]
    table.write_text("\n".join(["image,circle,square,triangle", *lines]) + "\n", encoding="utf-8")

    suggestions = suggest(bundle, images, table, n=50)

    assert sorted(suggestions.scores.names) == [f"{number}.png" for number in range(20, 32)]
    assert suggestions.n_unlabeled == 12
    assert suggestions.notes == ("20 photos are labeled by some.csv and left out",)


def test_copies_of_labeled_photos_come_last(bundle: Path, images: Path) -> None:
    table = images.parent / "some.csv"
    table.write_text("image,circle\n00.png,1\n01.png,0\n", encoding="utf-8")
    shutil.copy(images / "00.png", images / "copy.png")

    assert suggest(bundle, images, table, n=31).scores.names[-1] == "copy.png"


def test_photos_of_the_training_are_left_out_by_their_names(shapes_bundle: Path, images: Path) -> None:
    (images / "new").mkdir()
    for number in range(4):
        (images / f"{number:02}.png").rename(images / "new" / f"fresh{number}.png")

    suggestions = suggest(shapes_bundle, images)

    assert sorted(suggestions.scores.names) == [f"new/fresh{number}.png" for number in range(4)]
    assert suggestions.notes[0].startswith("28 photos have the names of photos that the bundle was trained")


def test_the_split_of_a_run_counts_for_its_bundles(bundle: Path, images: Path) -> None:
    placed = Path(shutil.copytree(bundle, images.parent / "run" / "models" / "squeezenet1_1"))
    (images.parent / "run" / "split.csv").write_text(
        "image,part,fold,n_known\nimages/00.png,train,,3\n01.png,test,,1\n02.png,train,,0\n", encoding="utf-8"
    )

    suggestions = suggest(placed, images, n=50)

    assert len(suggestions.scores.names) == 30
    assert not {"00.png", "01.png"} & set(suggestions.scores.names)


def test_photos_that_cannot_be_read_are_listed(bundle: Path, images: Path) -> None:
    (images / "07.png").write_bytes(b"no photo")
    heard: list[Progress] = []

    suggestions = suggest(bundle, images, n=50, on_progress=heard.append)

    assert [failure.path.name for failure in suggestions.failures] == ["07.png"]
    assert len(suggestions.scores.names) == 31
    assert "07.png" not in suggestions.scores.names
    assert (heard[-1].done, heard[-1].total) == (32, 32)


def test_nothing_to_suggest_is_told(bundle: Path, shapes_bundle: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no unlabeled photos; 32 photos are labeled by"):
        suggest(bundle, images, images.parent / "labels.csv")
    with pytest.raises(InputError, match=r"no unlabeled photos; 32 photos have the names"):
        suggest(shapes_bundle, images)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: holds no unlabeled photos; it is empty"):
        suggest(bundle, tmp_path / "empty")
    for photo in images.iterdir():
        photo.write_bytes(b"no photo")
    with pytest.raises(InputError, match=r"not one unlabeled photo can be read; the first problems:\n00.png"):
        suggest(bundle, images)


@pytest.mark.parametrize("n", [2.5, "3", None])
def test_a_number_of_photos_is_whole(bundle: Path, images: Path, n: Any) -> None:
    with pytest.raises(ConfigError, match=r"n: given .*, expected a whole number, at least 1"):
        suggest(bundle, images, n=n)
    files: Any = [images]
    with pytest.raises(InputError, match="photos: given list, expected a folder"):
        suggest(bundle, files)


def test_wrong_wishes_are_told(bundle: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="n: given 0, expected a whole number, at least 1"):
        suggest(bundle, images, n=0)
    with pytest.raises(TableError):
        suggest(bundle, images, tmp_path / "gone.csv")


def test_a_missing_torch_is_told_with_the_command_that_installs_it(
    bundle: Path, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "manylabel.engines.frozen", None)

    with pytest.raises(MissingExtraError, match=r"Suggesting photos needs .*'\.\[train\]'"):
        suggest(bundle, images)


def test_suggestions_are_written_with_rank_and_scores(bundle: Path, images: Path, tmp_path: Path) -> None:
    suggestions = suggest(bundle, images, n=3)

    write_suggestions(tmp_path / "deep" / "next.csv", suggestions)

    with (tmp_path / "deep" / "next.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == list(suggestions.scores.names)
    assert [row["rank"] for row in rows] == ["1", "2", "3"]
    assert [float(row["uncertainty"]) for row in rows] == pytest.approx(suggestions.uncertainty, abs=1e-6)
    assert [float(row["square"]) for row in rows] == pytest.approx(suggestions.scores.values[:, 1], abs=1e-6)
    with pytest.raises(OutputError, match="deep: cannot be written"):
        write_suggestions(tmp_path / "deep", suggestions)


def test_a_label_that_is_called_like_a_column_has_another_column(tmp_path: Path) -> None:
    suggestions = Suggestions(
        scores=Scores(names=("a.jpg",), labels=("rank", "image"), values=np.array([[0.5, 0.25]])),
        uncertainty=np.array([0.9]),
        n_unlabeled=1,
        notes=(),
        failures=(),
    )

    write_suggestions(tmp_path / "next.csv", suggestions)

    lines = (tmp_path / "next.csv").read_text(encoding="utf-8").splitlines()
    assert lines == [
        "image,rank,uncertainty,rank (score),image (score)",
        "a.jpg,1,0.900000,0.500000,0.250000",
    ]
