"""Thresholds as a table, and as users change them."""

from pathlib import Path

import numpy as np
import pytest

from manylabel.bundle.threshold_files import (
    ThresholdSource,
    change_thresholds,
    read_thresholds,
    write_thresholds,
)
from manylabel.errors import ConfigError
from manylabel.types import Thresholds

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
        f"{path}, line 3: 'high' is no number from 0 to 1",
        f"{path}, line 4: label 'a=b' has a threshold already",
        f"{path}, line 5: '1.01' is no number from 0 to 1",
        f"{path}, line 6: '' is no number from 0 to 1",
        "threshold a=b=nan: 'nan' is no number from 0 to 1",
        "threshold moon=0.5: unknown label 'moon'; known labels: sea, sky, a=b, Hồ Gươm",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "t.csv: cannot be read: No such file"),
        (b"", "t.csv, line 1: expected the columns label,threshold, found ''"),
        (b"\xff\xfe", "t.csv: is no text in UTF-8"),
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
