"""The tables of a bundle: thresholds, also as users change them, and out-of-fold predictions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from manylabel.bundle.tables import (
    OutOfFold,
    ThresholdSource,
    change_thresholds,
    read_out_of_fold,
    read_thresholds,
    write_out_of_fold,
    write_thresholds,
)
from manylabel.errors import BundleError, ConfigError
from manylabel.types import Thresholds

KEPT = OutOfFold(
    names=("=1+1.jpg", "a, b.jpg", "c.jpg"),
    # Each would be a column twice if columns were called as labels alone.
    labels=("photo", "photo probability", "fold"),
    targets=np.array([[1.0, 0.0, np.nan], [0.0, 1.0, 1.0], [np.nan, 0.0, 0.0]]),
    scores=np.array([[0.9, 0.125, 0.5], [0.0, 1.0, 0.25], [0.3, 0.2, 0.1]]),
    groups=np.array([4, 4, 9]),
    folds=np.array([1, 0, 1]),
)
LABELS = ("sea, sky", "a=b", "Hồ Gươm")
THRESHOLDS = Thresholds(values=np.array([0.25, 1 / 3, 0.75]), origin="best F1 per label")


def test_thresholds_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_thresholds(tmp_path / "t.csv", LABELS, THRESHOLDS.values)

    np.testing.assert_array_equal(read_thresholds(tmp_path / "t.csv", LABELS), THRESHOLDS.values)


@pytest.mark.parametrize(
    "text",
    [
        "label,threshold\na=b,0.9\n",
        "\ufeffLabel;Threshold\r\na=b;0,9\r\n;\r\n",
        "threshold\tlabel\tremark\n0.9\ta=b\tmine",
    ],
)
def test_some_labels_are_changed_by_a_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")

    changed = change_thresholds(THRESHOLDS, LABELS, tmp_path / "t.csv")

    np.testing.assert_array_equal(changed.values, [0.25, 0.9, 0.75])
    assert changed.changes == ("thresholds were given: a=b 0.9 (0.333 in the bundle)",)


def test_later_sources_win(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("label,threshold\na=b,0.9\nHồ Gươm,0\n", encoding="utf-8")

    changed = change_thresholds(THRESHOLDS, LABELS, [tmp_path / "t.csv", {"a=b": "1"}])

    np.testing.assert_array_equal(changed.values, [0.25, 1, 0])


def test_what_changes_nothing_is_not_told() -> None:
    assert change_thresholds(THRESHOLDS, LABELS, {"a=b": 1 / 3}) is THRESHOLDS
    assert change_thresholds(THRESHOLDS, LABELS, []) is THRESHOLDS


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    rows = ["label,threshold", "Ho Gươm,0.5", "a=b,high", "a=b,0.5", '"sea, sky",1.01', "Hồ Gươm"]
    (tmp_path / "t.csv").write_text("\n".join(rows), encoding="utf-8")

    with pytest.raises(ConfigError) as caught:
        change_thresholds(THRESHOLDS, LABELS, [tmp_path / "t.csv", {"a=b": float("nan"), "moon": 0.5}])

    path = tmp_path / "t.csv"
    assert str(caught.value).splitlines() == [
        f"{path}, line 2: unknown label 'Ho Gươm'; did you mean 'Hồ Gươm'? "
        "Known labels: sea, sky, a=b, Hồ Gươm",
        f"{path}, line 3: 'high' is not a number from 0 to 1",
        f"{path}, line 4: label 'a=b' already has a threshold",
        f"{path}, line 5: '1.01' is not a number from 0 to 1",
        f"{path}, line 6: '' is not a number from 0 to 1",
        "threshold a=b=nan: 'nan' is not a number from 0 to 1",
        "threshold moon=0.5: unknown label 'moon'; known labels: sea, sky, a=b, Hồ Gươm",
    ]


@pytest.mark.parametrize("given", [0.5, None, [0.5, 0.4], np.array([0.5, 0.4])])
def test_thresholds_without_labels_are_told(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"thresholds: given .*, expected numbers by label"):
        change_thresholds(THRESHOLDS, LABELS, given)


def test_a_series_gives_thresholds_and_a_number_no_label() -> None:
    series: Any = pd.Series({"a=b": 0.25})
    assert change_thresholds(THRESHOLDS, LABELS, series).values[1] == 0.25
    wrong: Any = {1: 0.5}
    with pytest.raises(ConfigError, match="unknown label '1'"):
        change_thresholds(THRESHOLDS, LABELS, wrong)


def test_a_decimal_comma_among_commas_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"label,threshold\n{LABELS[1]},0,9\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"t\.csv, line 2: '0,9' is not a number from 0 to 1"):
        change_thresholds(THRESHOLDS, LABELS, tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "t.csv: cannot be read: No such file"),
        (b"", "t.csv, line 1: expected the columns label,threshold, found ''"),
        (b"\xff\xfe", "t.csv: is not UTF-8 text"),
        (b"label,threshold\n" + b"x" * 2**24 + b"x,1", "t.csv, line 2: cannot be read: field larger than"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(content: bytes | None, problem: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "t.csv").write_bytes(content)

    for given in (tmp_path / "t.csv", str(tmp_path / "t.csv")):
        source: ThresholdSource = given
        with pytest.raises(ConfigError, match=problem):
            change_thresholds(THRESHOLDS, LABELS, source)


def test_what_was_changed_is_one_line_whatever_labels_hold() -> None:
    changed = change_thresholds(
        Thresholds(values=np.array([0.5]), origin="half"), ["sea\x1b[2J\n"], {"sea\x1b[2J\n": 0.9}
    )
    assert changed.changes == (r"thresholds were given: sea\x1b[2J\n 0.9 (0.5 in the bundle)",)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_out_of_fold(tmp_path / "o.csv", KEPT)

    read = read_out_of_fold(tmp_path / "o.csv", KEPT.labels)

    assert (read.names, read.labels) == (KEPT.names, KEPT.labels)
    for name in ("targets", "scores", "groups", "folds"):
        np.testing.assert_array_equal(getattr(read, name), getattr(KEPT, name))


def test_no_two_columns_have_the_same_name(tmp_path: Path) -> None:
    write_out_of_fold(tmp_path / "o.csv", KEPT)

    heading = (tmp_path / "o.csv").read_text(encoding="utf-8").splitlines()[0].split(",")

    assert len(set(heading)) == len(heading) == 9


def test_folds_are_a_partition() -> None:
    assert [fold.tolist() for fold in KEPT.fold_rows] == [[1], [0, 2]]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace("photo target", "target"), "its columns do not match the labels"),
        (lambda text: text.replace("0.90000000", "high"), "is damaged: could not convert"),
        (lambda text: text.replace("0.90000000", "1.9"), "is damaged: a probability lies outside"),
        (lambda text: text.replace("0.90000000,1", "0.90000000,2"), "is damaged: a target is neither"),
        (lambda text: text + "d.jpg,1\r\n", "is damaged"),
        (lambda text: "", "is damaged"),
    ],
)
def test_a_damaged_file_is_told(change: object, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "o.csv"
    write_out_of_fold(path, KEPT)
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")  # type: ignore[operator]

    with pytest.raises(BundleError, match=f"o.csv: .*{problem}"):
        read_out_of_fold(path, KEPT.labels)


def test_sizes_that_do_not_fit_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="targets have shape"):
        replace(KEPT, names=("a.jpg",))
