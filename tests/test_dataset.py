"""Datasets: read from files and data frames, shown, checked, split."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import manylabel as ml
from manylabel.errors import ConfigError, InputError, TableError
from manylabel.types import LabelTable


@pytest.fixture
def data(shapes_folder: Path) -> ml.Dataset:
    """Return the 32 drawn photos."""
    return ml.Dataset.read(shapes_folder / "images", shapes_folder / "labels.csv")


def test_a_dataset_has_the_photos_and_labels_of_its_table(data: ml.Dataset, shapes_table: LabelTable) -> None:
    assert len(data) == 32
    assert data.labels == shapes_table.labels
    np.testing.assert_array_equal(data.targets, shapes_table.targets)


def test_options_go_to_the_reader(shapes_folder: Path) -> None:
    data = ml.Dataset.read(shapes_folder / "images", shapes_folder / "labels.csv", ignore=["square"])
    assert data.labels == ("circle", "triangle")


def test_a_frame_and_back_give_the_same_dataset(data: ml.Dataset, shapes_folder: Path) -> None:
    frame = data.to_frame()
    again = ml.Dataset.from_dataframe(frame, folder=shapes_folder / "images")
    assert again.table.names == data.table.names
    np.testing.assert_array_equal(again.targets, data.targets)


def test_the_order_of_rows_changes_nothing(data: ml.Dataset, shapes_folder: Path) -> None:
    shuffled = data.to_frame().sample(frac=1, random_state=0)
    again = ml.Dataset.from_dataframe(shuffled, folder=shapes_folder / "images")
    assert again.table.names == data.table.names


def test_missing_values_of_a_frame_are_unknown(data: ml.Dataset, shapes_folder: Path) -> None:
    frame = data.to_frame().reset_index().astype({"circle": "boolean"})
    frame.loc[0, "circle"] = pd.NA
    frame["square"] = frame["square"] == 1
    again = ml.Dataset.from_dataframe(frame, folder=shapes_folder / "images", photo_column="photo")
    assert np.isnan(again.targets[0, 0])
    assert set(again.targets[:, 1].tolist()) == {0.0, 1.0}
    assert "1 unknown value" in repr(again)


def test_every_problem_of_a_frame_is_told_at_once(data: ml.Dataset, shapes_folder: Path) -> None:
    frame = data.to_frame().reset_index().astype({"circle": object})
    names = frame["photo"].tolist()
    frame["circle"] = ["yes", *frame["circle"].tolist()[1:]]
    frame["photo"] = [names[0], "gone.png", names[2], names[2], *names[4:]]
    with pytest.raises(TableError) as caught:
        ml.Dataset.from_dataframe(frame, folder=shapes_folder / "images", photo_column="photo")
    told = str(caught.value)
    assert "row 0, column 'circle': given 'yes', expected 1, 0, True, False or a missing value" in told
    assert "'gone.png' is not a file in" in told
    assert f"'{names[2]}' is in more than one row" in told


def test_a_column_that_is_not_there_is_named_with_the_likely_one(data: ml.Dataset) -> None:
    with pytest.raises(TableError, match=r"no column 'squares'; did you mean 'square'"):
        ml.Dataset.from_dataframe(data.to_frame(), label_columns=["squares"])


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("labels.csv", "given str, expected a pandas data frame"),
        ({"circle": [1]}, "given dict, expected a pandas data frame"),
        (np.zeros((2, 2)), "given ndarray of float64 .*, expected a pandas data frame"),
    ],
)
def test_what_is_no_data_frame_is_refused(given: Any, problem: str) -> None:
    with pytest.raises(TableError, match=problem):
        ml.Dataset.from_dataframe(given)


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        (["circle", "circle", "triangle"], "the column 'circle' occurs or is chosen more than once"),
        ([0, 1, 2], "names of labels must be text, given '0', '1', '2'; try frame.columns ="),
        ([np.nan, "square", "triangle"], "names of labels must be text, given 'nan'"),
        ([("a", "circle"), ("a", "square"), ("b", "triangle")], "names of labels must be text"),
    ],
)
def test_columns_that_cannot_be_labels_are_told(
    data: ml.Dataset, shapes_folder: Path, columns: list[Any], problem: str
) -> None:
    frame = data.to_frame().set_axis(columns, axis="columns")
    with pytest.raises(TableError, match=problem):
        ml.Dataset.from_dataframe(frame, folder=shapes_folder / "images")


def test_label_columns_are_any_sequence_of_names_each_once(data: ml.Dataset, shapes_folder: Path) -> None:
    frame, folder = data.to_frame(), shapes_folder / "images"
    for columns in (frame.columns[:2], np.array(["circle", "square"])):
        chosen = ml.Dataset.from_dataframe(frame, folder=folder, label_columns=columns)
        assert chosen.labels == ("circle", "square")
        assert {type(label) for label in chosen.labels} == {str}
    with pytest.raises(TableError, match="'circle' occurs or is chosen more than once"):
        ml.Dataset.from_dataframe(frame, folder=folder, label_columns=["circle", "circle"])
    with pytest.raises(TableError, match=r"given 'circle', expected a list, such as \['circle'\]"):
        ml.Dataset.from_dataframe(frame, folder=folder, label_columns="circle")


def test_a_column_of_wrong_cells_and_an_index_of_no_photos_are_one_problem_each(data: ml.Dataset) -> None:
    frame = data.to_frame().astype(object)
    frame["circle"] = "yes"
    with pytest.raises(TableError) as caught:
        ml.Dataset.from_dataframe(frame, folder="nowhere")
    told = str(caught.value)
    assert "(and 31 more rows of this column)" in told
    assert "none of 32 photos is a file in nowhere" in told
    assert len(caught.value.problems) == 3


def test_a_split_keeps_all_photos_and_shares_every_label(data: ml.Dataset) -> None:
    train, test = data.split(test=0.25, seed=1)
    assert sorted(train.table.names + test.table.names) == list(data.table.names)
    assert len(test) == 8
    assert (train.targets.sum(axis=0) > 0).all()
    assert (test.targets.sum(axis=0) > 0).all()
    assert data.split(test=0.25, seed=1)[1].table.names == test.table.names


@pytest.mark.parametrize("test", [0, 1, -0.5, "0.2", None, float("nan"), True])
def test_a_share_that_splits_nothing_is_told(data: ml.Dataset, test: Any) -> None:
    with pytest.raises(ConfigError, match=r"test: given .*, expected a share above 0 and below 1"):
        data.split(test=test)


@pytest.mark.parametrize("seed", [-1, "a", None, 0.5])
def test_a_seed_is_a_whole_number(data: ml.Dataset, seed: Any) -> None:
    for use in (data.split, data.check):
        with pytest.raises(ConfigError, match=r"seed: given .*, expected a whole number, at least 0"):
            use(seed=seed)
    of_numpy: Any = np.int64(3)
    assert data.split(seed=of_numpy)[1].table.names == data.split(seed=3)[1].table.names


def test_files_and_frames_are_told_apart(data: ml.Dataset, shapes_folder: Path) -> None:
    frame: Any = data.to_frame()
    with pytest.raises(
        InputError, match=r"given DataFrame, expected a file or a folder; Dataset\.from_dataframe"
    ):
        ml.Dataset.read(shapes_folder / "images", frame)
    with pytest.raises(
        InputError, match=r"given DataFrame, expected what read_table returns; Dataset\.from_data"
    ):
        ml.Dataset(frame)


def test_an_unknown_option_is_told(shapes_folder: Path) -> None:
    with pytest.raises(ConfigError, match="no option 'delimeter'; did you mean 'delimiter'"):
        ml.Dataset.read(shapes_folder / "images", delimeter=",")  # type: ignore[call-arg]


def test_labels_that_no_photo_carries_are_read_to_evaluate(data: ml.Dataset, shapes_folder: Path) -> None:
    frame = data.to_frame().assign(star=0.0)
    frame.to_csv(shapes_folder / "labels.csv")
    with pytest.raises(TableError, match="no photo carries label 'star'"):
        ml.Dataset.read(shapes_folder / "images", shapes_folder / "labels.csv")
    read = ml.Dataset.read(shapes_folder / "images", shapes_folder / "labels.csv", purpose="evaluation")
    assert read.labels == ("circle", "square", "triangle", "star")


def test_findings_name_the_rows_of_the_dataset(data: ml.Dataset, shapes_folder: Path) -> None:
    data.table.photos[0].write_bytes(b"no photo")
    frame = data.to_frame()
    frame.iloc[7] = 0
    again = ml.Dataset.from_dataframe(frame, folder=shapes_folder / "images")
    found = {finding.kind: finding for finding in again.check().findings}
    assert 7 in found["no_label"].photos
    assert 6 not in found["no_label"].photos or not again.targets[6].any()


def test_a_check_says_what_train_does_about_a_label_of_no_photo(
    data: ml.Dataset, shapes_folder: Path
) -> None:
    frame = data.to_frame().assign(star=0.0)
    checked = ml.Dataset.from_dataframe(frame, folder=shapes_folder / "images").check()
    assert not checked.of_level("error")
    assert "star" in checked.to_frame().query("level == 'warning'")["text"].str.cat()


def test_a_check_finds_what_training_would_warn_of(data: ml.Dataset) -> None:
    kinds = {finding.kind for finding in data.check().findings}
    assert "small" in kinds


def test_a_dataset_shows_itself(data: ml.Dataset) -> None:
    assert repr(data).startswith("Dataset(32 photos, 3 labels; from labels.csv")
    assert "<th>circle</th>" in data._repr_html_()
