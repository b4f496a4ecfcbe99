"""What commands print."""

import io
import logging
import re
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from manylabel.apply import Evaluation
from manylabel.cli import console
from manylabel.cli.main import main
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import Said, show_evaluation
from manylabel.errors import PhotoError
from manylabel.evaluation.intervals import Interval
from manylabel.predictors.batch import Predictions
from manylabel.types import Progress, Scores


def predictions(n_photos: int) -> Predictions:
    """Return predictions of two labels for photos with names that look like markup."""
    values = np.tile([0.25, 0.875], (n_photos, 1))
    return Predictions(
        scores=Scores(
            names=tuple(f"[red]{number}.jpg" for number in range(n_photos)),
            labels=("sea", "[bold]sky"),
            values=values,
        ),
        decisions=values > [0.2, 0.5],
        thresholds=np.array([0.2, 0.5]),
        rows=np.arange(n_photos),
        failures=(PhotoError(Path("[b]roken.jpg"), "the file is empty"),),
        failure_rows=np.array([n_photos]),
    )


def show_predictions(predicted: Predictions) -> None:
    """Print predictions that come all at once."""
    said = Said()
    said.add(predicted)
    said.show(is_written=False)


def test_predictions_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    show_predictions(predictions(2))

    printed = capsys.readouterr()
    assert [line.split() for line in printed.out.splitlines()] == [
        ["Photo", "Labels"],
        ["[red]0.jpg", "[bold]sky", "88%,", "sea", "25%"],
        ["[red]1.jpg", "[bold]sky", "88%,", "sea", "25%"],
    ]
    assert printed.err == "not read: [b]roken.jpg: the file is empty\n"


def test_many_predictions_are_cut_off_with_a_word_on_how_to_get_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_predictions(predictions(53))

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 50 + 1
    assert lines[-1] == "and 3 more photos; --out FILE writes all of them"


def test_many_unreadable_photos_are_cut_off_too(capsys: pytest.CaptureFixture[str]) -> None:
    said = Said()
    for _ in range(53):
        said.add(predictions(0))
    said.show(is_written=False)

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 50 + 1
    assert lines[-1] == "and 3 more that cannot be read; --out FILE writes all of them"


@pytest.mark.parametrize(("subject", "has_rate"), [("photos", True), ("vgg", False)])
def test_photos_per_second_are_shown_and_epochs_are_not(
    subject: str, monkeypatch: pytest.MonkeyPatch, *, has_rate: bool
) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(console, "stderr", terminal)
    with show_progress() as listener:
        for done in (1, 2, 3):
            listener(Progress(subject=subject, stage="scoring", done=done, total=3))
            time.sleep(0.01)

    assert isinstance(terminal.file, io.StringIO)
    assert ("/s" in terminal.file.getvalue()) is has_rate


def test_a_photo_without_labels_is_told_from_one_that_was_not_judged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    nothing = predictions(1)
    nothing.decisions[:] = False
    show_predictions(nothing)

    assert capsys.readouterr().out.splitlines()[1].split() == ["[red]0.jpg", "(none)"]


def test_metrics_that_are_undefined_are_printed_without_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    undefined = np.array([np.nan])
    evaluation = Evaluation(
        labels=("[sea]",),
        metrics={"mAP": float("nan"), "exact_match": 0.25},
        baselines={"all-negative": {"mAP": float("nan"), "exact_match": 0.125}},
        intervals={
            "mAP": Interval(low=np.nan, high=np.nan),
            "exact_match": Interval(low=0.05, high=0.7),
        },
        per_label={
            "n_positive": np.array([0.0]),
            **dict.fromkeys(("average_precision", "precision", "recall", "f1"), undefined),
        },
        n_photos=4,
        engine="torch, fp32",
        notes=("[b]e careful",),
        failures=(),
    )
    show_evaluation(evaluation)

    lines = capsys.readouterr().out.splitlines()
    assert not any("nan" in line for line in lines)
    assert any(
        line.split() == ["Exact", "match", "25.0", "%", "5.0", "%", "to", "70.0", "%", "12.5", "%"]
        for line in lines
    )
    assert any(line.startswith("[sea]") and " 0" in line for line in lines)
    assert lines[:2] == ["Judged on 4 photos (torch, fp32).", "Note: [b]e careful"]
    assert lines[-1] == "What a network has to beat: all-negative gives no label to any photo."


def test_prose_ends_lines_between_words_on_a_terminal_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = []
    for is_terminal in (True, False):
        file = io.StringIO()
        screen = Console(file=file, force_terminal=is_terminal, width=20, color_system=None)
        monkeypatch.setattr(console, "stdout", screen)
        console.show_sentence("Note: twelve photos carry [no] label.")
        said.append(file.getvalue().splitlines())

    assert [line.rstrip() for line in said[0]] == ["Note: twelve photos", "carry [no] label."]
    assert said[1] == ["Note: twelve photos carry [no] label."]


def test_a_stage_is_a_line_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress() as listener:
        for done in (1, 2, 3):
            listener(Progress(subject="[vgg]", stage="features", done=done, total=3))
        listener(Progress(subject="[vgg]", stage="training", done=1, total=2))

    assert capsys.readouterr().err == "[vgg]: features 3/3\n"


def test_a_stage_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(console, "stderr", terminal)
    with show_progress() as listener:
        listener(Progress(subject="[vgg]", stage="features", done=1, total=3))
        listener(Progress(subject="[vgg]", stage="features", done=3, total=3))
        # A second round of the same stage, e.g. of the test photos, is a bar of its own.
        listener(Progress(subject="[vgg]", stage="features", done=4, total=8))

    assert isinstance(terminal.file, io.StringIO)
    text = terminal.file.getvalue()
    assert "[vgg]: features" in text
    assert "3/3" in text
    assert "4/8" in text


def test_bars_fit_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    monkeypatch.setattr(console, "stderr", terminal)
    with show_progress() as listener:
        for subject in ("timm/vit_tiny_patch16_224", "photos"):
            listener(Progress(subject, "activations of other photos", done=1, total=20_000))
            listener(Progress(subject, "activations of other photos", done=20_000, total=20_000))

    assert isinstance(terminal.file, io.StringIO)
    lines = terminal.file.getvalue().replace("\x1b[2K", "\n").splitlines()
    finished = [line for line in lines if "20000/20000" in line]
    assert all(re.search(r"\d:\d\d$", line.strip()) for line in finished)
    assert len(finished) >= 2


def test_what_the_library_logs_is_shown_while_it_works(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("manylabel.somewhere")
    with show_progress():
        logger.warning("a photo [1] was left out")
    assert capsys.readouterr().err.strip() == "a photo [1] was left out"

    assert not logging.getLogger("manylabel").handlers


def test_the_sample_command_draws_where_and_how_much_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, object] = {}

    def draw_sample(folder: Path, **options: object) -> Path:
        asked.update(options, folder=folder)
        return folder / "labels.csv"

    monkeypatch.setitem(sys.modules, "manylabel.data.sample", SimpleNamespace(draw_sample=draw_sample))
    monkeypatch.setattr(sys, "argv", ["manylabel", "sample", "postcards", "--photos", "12", "--seed", "3"])
    with pytest.raises(SystemExit, match="0"):
        main()

    asked.pop("listener")
    assert asked == {"folder": Path("postcards"), "n_photos": 12, "seed": 3, "overwrite": False}
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["Photos: postcards/images", "Labels: postcards/labels.csv"]
