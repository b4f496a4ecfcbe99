"""What commands print."""

import io
import logging
import re
import sys
import time
from collections.abc import Callable
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
from manylabel.engines.stream import Predictions
from manylabel.errors import PhotoError
from manylabel.metrics.bootstrap import Interval
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


def screen_of(monkeypatch: pytest.MonkeyPatch, *, name: str = "stderr", width: int = 80) -> io.StringIO:
    """Put a terminal in the place of a stream, and return what is printed to it."""
    file = io.StringIO()
    terminal = Console(file=file, force_terminal=True, width=width, color_system=None)
    monkeypatch.setattr(console, name, terminal)
    return file


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
    printed = screen_of(monkeypatch)
    with show_progress() as on_progress:
        for done in (1, 2, 3):
            on_progress(Progress(subject=subject, stage="scoring", done=done, total=9))
            time.sleep(0.01)

    assert ("/s" in printed.getvalue()) is has_rate


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
    assert lines[:2] == ["Evaluated on 4 photos (torch, fp32).", "Note: [b]e careful"]
    assert lines[-1] == "Baselines to beat: all-negative predicts no label for any photo."


@pytest.mark.parametrize("show", [console.show_log, console.show_warning, console.show_error])
def test_every_line_ends_between_words_on_a_terminal(
    show: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    printed = screen_of(monkeypatch, width=20)
    show("twelve photos carry [no] label, see runs/a-longer-name/report.html")

    lines = printed.getvalue().removeprefix("error: ").splitlines()
    assert " ".join(lines) == "twelve photos carry [no] label, see runs/a-longer-name/report.html"
    assert "runs/a-longer-name/report.html" in lines
    assert all(len(line) <= 20 for line in lines[:-1])


def test_every_line_stays_one_line_in_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    text = ", ".join(["twelve photos carry [no] label"] * 9)
    console.show_line(text)
    console.show_log(text)

    assert capsys.readouterr() == (f"{text}\n", f"{text}\n")


def test_log_lines_above_a_bar_end_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = screen_of(monkeypatch)
    words = "a note that is a good deal longer than the eighty columns of the terminal it is shown on"
    with show_progress() as on_progress:
        on_progress(Progress(subject="vgg", stage="features", done=1, total=3))
        logging.getLogger("manylabel.somewhere").warning("%s", words)

    assert "longer than the eighty columns of the terminal it is\n" in printed.getvalue()


def test_a_file_gets_one_line_of_progress_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    with show_progress(lambda: now[0]) as on_progress:
        for done in range(12):
            now[0] = 3.0 * done
            on_progress(Progress(subject="[vgg]", stage="features", done=done, total=12))

    assert capsys.readouterr().err.splitlines() == ["[vgg]: features 4/12", "[vgg]: features 8/12"]


def test_a_file_gets_the_part_of_the_whole_too(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    with show_progress(lambda: now[0]) as on_progress:
        for number in range(3):
            on_progress(Progress("model", "trial", number, 3, is_of_all=True))
            now[0] += 100
            on_progress(Progress(f"vgg{number}", "features", 1, 4))

    assert capsys.readouterr().err.splitlines() == [
        "model 1 of 3; vgg0: features 1/4",
        "model 2 of 3, about 2 min left; vgg1: features 1/4",
        "model 3 of 3, less than 1 min left; vgg2: features 1/4",
    ]


def test_a_terminal_shows_the_stage_at_work_below_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = screen_of(monkeypatch, width=100)
    now = [0.0]
    with show_progress(lambda: now[0]) as on_progress:
        on_progress(Progress("model", "trial", 0, 2, is_of_all=True))
        now[0] = 90
        on_progress(Progress("model", "trial", 1, 2, is_of_all=True))
        on_progress(Progress(subject="[vgg]", stage="features", done=3, total=3))
        on_progress(Progress(subject="[vgg]", stage="training", done=1, total=7))
        on_progress(Progress("model", "trial", 2, 2, is_of_all=True))

    seen, _, last = printed.getvalue().partition("2 of 2 models done")
    assert "[vgg]: training" in seen.rpartition("model 2 of 2, about 2 min left")[2] + last
    assert "features" not in last


def test_nothing_of_the_bar_stays_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = screen_of(monkeypatch)
    with show_progress() as on_progress:
        on_progress(Progress(subject="vgg", stage="features", done=1, total=3))

    erase_line = "\x1b[2K"
    assert printed.getvalue().rstrip("\n").endswith((erase_line, "\x1b[1A" + erase_line))


@pytest.mark.parametrize("subject", ["timm/vit_tiny_patch16_224", "photos"])
def test_the_bar_fits_80_columns(subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = screen_of(monkeypatch)
    with show_progress() as on_progress:
        for done in (1, 19_998, 19_999):
            on_progress(Progress(subject, "activations of other photos", done=done, total=20_000))
            time.sleep(0.01)

    drawn = [line for line in printed.getvalue().splitlines() if "19999/20000" in line]
    assert drawn
    assert all(re.search(r"\d:\d\d$", line.strip()) for line in drawn)


def test_what_the_library_logs_is_shown_while_it_works(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("manylabel.somewhere")
    with show_progress():
        logger.warning("a photo [1] was left out")
    assert capsys.readouterr().err.strip() == "a photo [1] was left out"

    assert not logging.getLogger("manylabel").handlers


def test_the_sample_command_writes_where_and_how_much_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: dict[str, object] = {}

    def write_sample(folder: Path, **options: object) -> Path:
        asked.update(options, folder=folder)
        return folder / "labels.csv"

    monkeypatch.setitem(sys.modules, "manylabel.data.sample", SimpleNamespace(write_sample=write_sample))
    monkeypatch.setattr(sys, "argv", ["manylabel", "sample", "postcards", "--photos", "12"])
    with pytest.raises(SystemExit, match="0"):
        main()

    assert asked == {"folder": Path("postcards"), "n_photos": 12, "overwrite": False}
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["Photos: postcards/images", "Labels: postcards/labels.csv"]
