"""What chose the thresholds of a bundle, written and read back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from manylabel.bundle.out_of_fold import OutOfFold, read_out_of_fold, write_out_of_fold
from manylabel.errors import BundleError

KEPT = OutOfFold(
    names=("=1+1.jpg", "a, b.jpg", "c.jpg"),
    # Each would be a column twice if columns were called as labels alone.
    labels=("photo", "photo probability", "fold"),
    targets=np.array([[1.0, 0.0, np.nan], [0.0, 1.0, 1.0], [np.nan, 0.0, 0.0]]),
    scores=np.array([[0.9, 0.125, 0.5], [0.0, 1.0, 0.25], [0.3, 0.2, 0.1]]),
    groups=np.array([4, 4, 9]),
    folds=np.array([1, 0, 1]),
)


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
        (lambda text: text.replace("photo target", "target"), "its columns do not fit the labels"),
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
