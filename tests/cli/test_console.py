"""What reaches the terminal: names of files and labels are shown and never obeyed."""

import logging
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from manylabel.cli import console
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import Said, show_failures
from manylabel.errors import PhotoError, TableError
from manylabel.types import Progress
from tests.exporters.predictions.test_registry import of_names

CLI = Path(console.__file__).parent
NASTY = "a\x1b[2J\x1b]0;gone\x07\n\r\u202egpj.\x9b31m\udcff[red].jpg"
SHOWN = r"a\x1b[2J\x1b]0;gone\x07\n\r\u202egpj.\x9b31m\udcff[red].jpg"
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def count_it() -> None:
    """Show the progress of something that is called so, after a minute."""
    with show_progress(iter((0.0, 60.0, 60.0)).__next__) as on_progress:
        on_progress(Progress(subject=NASTY, stage="scoring", done=1, total=1))


def predict_it() -> None:
    """Show what is said of photos that are called so, with labels that are called so."""
    said = Said()
    said.add(of_names([NASTY, NASTY], labels=[NASTY]))
    said.show(is_written=True)


WAYS: dict[str, Callable[[], None]] = {
    "error": lambda: console.show_error(NASTY.replace("\n", r"\n")),
    "error of a photo": lambda: console.show_error(str(PhotoError(Path(NASTY), "it is damaged"))),
    "error of a table": lambda: console.show_error(str(TableError([f"no photo '{NASTY}'", "and more"]))),
    "warning": lambda: console.show_warning(NASTY),
    "line": lambda: console.show_line(NASTY),
    "table": lambda: console.show_table(["Label"], [[NASTY]]),
    "failures": lambda: show_failures([PhotoError(Path(NASTY), "it is damaged")]),
    "progress": count_it,
    "predictions": predict_it,
}


@pytest.mark.parametrize("way", WAYS)
def test_no_name_is_obeyed_by_the_terminal(
    way: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    WAYS[way]()

    printed = "".join(capfd.readouterr())
    assert SHOWN in printed
    assert not OBEYED.search(printed)


def test_no_name_in_the_log_is_obeyed_by_the_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    name = NASTY.replace("\udcff", "")  # processes of tests send each other the log, and that is no text
    with show_progress():
        logging.getLogger("manylabel.test").info("left out: %s", name)

    printed = "".join(capfd.readouterr())
    assert SHOWN.replace(r"\udcff", "") in printed
    assert not OBEYED.search(printed)


def test_headings_and_errors_keep_their_lines(capfd: pytest.CaptureFixture[str]) -> None:
    console.show_table(["Model", "mAP\n%"], [["a", "1"]])
    console.show_error("first\nsecond")

    printed = capfd.readouterr()
    assert len(printed.out.splitlines()) == 3
    assert printed.err.splitlines() == ["error: first", "second"]


@pytest.mark.parametrize("given", ["a\nb", "--out=a\nb"])
def test_a_name_that_was_given_is_in_one_line_of_an_error(
    given: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["manylabel", "predict", given, "--delimiter", "\n"])
    console.show_error("a\nb: is no bundle\nand more")

    assert capfd.readouterr().err.splitlines() == [r"error: a\nb: is no bundle", "and more"]


def test_a_name_is_no_picture(capfd: pytest.CaptureFixture[str]) -> None:
    console.show_line(":heart:.jpg")
    console.show_table(["Label"], [[":heart:.jpg"]])
    assert [line.strip() for line in capfd.readouterr().out.splitlines()] == [
        *(":heart:.jpg", "Label", ":heart:.jpg")
    ]


def test_the_trace_of_an_error_in_the_log_obeys_no_name() -> None:
    error = ValueError(f"cannot read {NASTY}")
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "failed", (), (ValueError, error, None))

    text = console.VisibleFormatter("%(message)s").format(record)
    assert "cannot read a" in text
    assert not OBEYED.search(text)


def test_a_log_record_of_the_server_is_one_line() -> None:
    formatter = console.VisibleFormatter("%(message)s")
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "name: %s", (NASTY,), None)

    assert formatter.format(record) == f"name: {SHOWN}"


def test_only_one_file_opens_the_terminal() -> None:
    opened = re.compile(r"rich\.console|\bprint\(f?\"|\.stderr\.print|typer\.echo|sys\.std(out|err)")
    files = {path.name for path in CLI.glob("*.py") if opened.search(path.read_text(encoding="utf-8"))}

    assert files == {"console.py", "main.py"}  # main prints the version
