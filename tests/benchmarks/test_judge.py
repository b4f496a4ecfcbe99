"""The judge: one yardstick for the scores of every tool."""

from pathlib import Path

import pytest

from benchmarks.judge import judge

LABELS = """image,labels,split
images/a.jpg,beach;boat,test
images/b.jpg,,test
images/c.jpg,boat,train
"""


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text(LABELS, encoding="utf-8")
    return path


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_scores_of_a_peer_are_cut_at_one_half(tmp_path: Path, labels: Path) -> None:
    scores = write(tmp_path / "scores.csv", "image,boat,beach\nimages/b.jpg,0.4,0.6\nimages/a.jpg,0.9,0.8\n")

    assert judge(scores, labels) == {"mAP": 1.0, "exact_match": 0.5, "exact_match_at_half": 0.5}


def test_decisions_of_manylabel_count_where_it_wrote_them(tmp_path: Path, labels: Path) -> None:
    scores = write(
        tmp_path / "scores.csv",
        "image,part,given,predicted,beach,boat\n"
        "images/c.jpg,out-of-fold,boat,boat,0.1,0.9\n"
        "images/a.jpg,test,beach;boat,beach;boat,0.4,0.3\n"
        "images/b.jpg,test,,,0.2,0.1\n",
    )

    assert judge(scores, labels) == {"mAP": 1.0, "exact_match": 1.0, "exact_match_at_half": 0.5}


def test_a_test_photo_without_scores_is_an_error(tmp_path: Path, labels: Path) -> None:
    scores = write(tmp_path / "scores.csv", "image,boat,beach\nimages/a.jpg,0.9,0.8\n")

    with pytest.raises(ValueError, match=r"1 of 2 test photos have no scores, e\.g\. images/b\.jpg"):
        judge(scores, labels)
