"""Errors: one family, texts that can be acted on, parts that programs can read.

In:  every error of ``manylabel.errors``.
Out: its place in the family, its text and its attributes.
"""

import re
from pathlib import Path

import pytest

from manylabel import errors
from manylabel.errors import (
    BundleError,
    ConfigError,
    InputError,
    ManylabelError,
    MissingExtraError,
    OutputError,
    PhotoError,
    TableError,
    WeightsError,
    did_you_mean,
    visible,
)


def all_errors() -> dict[str, type[BaseException]]:
    found = vars(errors).items()
    return {name: value for name, value in found if isinstance(value, type) and issubclass(value, Exception)}


def drawn_tree() -> dict[str, str | None]:
    """Read the tree at the top of errors.py: each error with the one that it hangs on."""
    parents: dict[str, str | None] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.search(r"\b(\w+Error)\b", line)
        if match is None:
            continue
        indent = match.start()
        above = [(depth, name) for depth, name in above if depth < indent]
        parents[match[1]] = above[-1][1] if above else None
        above.append((indent, match[1]))
    return parents


def test_the_tree_at_the_top_of_the_file_is_the_real_one() -> None:
    real = {
        name: None if error is ManylabelError else error.__bases__[0].__name__
        for name, error in all_errors().items()
    }
    assert drawn_tree() == real


def test_one_except_catches_everything_raised_on_purpose() -> None:
    assert all(issubclass(error, ManylabelError) for error in all_errors().values())


@pytest.mark.parametrize(
    "error", [PhotoError, TableError, ConfigError, WeightsError, BundleError, OutputError]
)
def test_mistakes_of_the_user_are_input_errors(error: type[ManylabelError]) -> None:
    assert issubclass(error, InputError)


def test_a_missing_extra_is_no_mistake_of_the_input() -> None:
    assert not issubclass(MissingExtraError, InputError)


def test_a_photo_error_says_file_and_reason_and_keeps_both() -> None:
    error = PhotoError(Path("trip/lake.jpg"), "the file is empty")
    assert str(error) == f"{Path('trip/lake.jpg')}: the file is empty"
    assert (error.path, error.reason) == (Path("trip/lake.jpg"), "the file is empty")


def test_names_in_problems_cannot_break_lines_or_steer_the_terminal() -> None:
    error = TableError(["a.csv: no photo 'a\x1b[2J\n\u202egpj.exe\udce9'", "b"])
    assert error.problems == ("a.csv: no photo 'a\\x1b[2J\\n\\u202egpj.exe\\udce9'", "b")
    assert str(error).splitlines() == list(error.problems)


def test_a_table_error_says_every_problem_on_a_line_of_its_own() -> None:
    error = TableError(["labels.csv, line 2: no photo", "labels.csv, line 7: unknown label"])
    assert str(error) == "labels.csv, line 2: no photo\nlabels.csv, line 7: unknown label"
    assert error.problems == ("labels.csv, line 2: no photo", "labels.csv, line 7: unknown label")


def test_a_missing_extra_says_how_to_install_it() -> None:
    error = MissingExtraError("Training", "train")
    assert str(error) == (
        "Training needs the extra 'train', which is not installed: "
        "pip install '.[train]' in a clone of manylabel"
    )
    assert error.extra == "train"


@pytest.mark.parametrize(
    ("given", "suggestion"),
    [
        ("beech", "; did you mean 'beach'?"),
        ("boot", "; did you mean 'boat'?"),
        ("beach", "; did you mean 'beach'?"),
        ("mountain", ""),
        ("", ""),
    ],
)
def test_the_closest_known_name_is_suggested_and_nothing_far_off(given: str, suggestion: str) -> None:
    assert did_you_mean(given, ["beach", "boat"]) == suggestion


def test_nothing_is_suggested_where_nothing_is_known() -> None:
    assert did_you_mean("beach", []) == ""


@pytest.mark.parametrize(
    "sign",
    [
        "\x07",
        "\x1b",
        "\n",
        "\r",
        "\x9b",
        "\u061c",
        "\u200b",
        "\u200f",
        "\u202e",
        "\u2067",
        "\ufeff",
        "\udcff",
    ],
)
def test_what_is_not_seen_is_shown_as_python_writes_it(sign: str) -> None:
    assert visible(f"a{sign}b") == f"a{ascii(sign)[1:-1]}b"


@pytest.mark.parametrize("text", ["hồ.jpg", "ش.jpg", "👨\u200d👩.jpg", "a b"])
def test_letters_of_all_scripts_stay(text: str) -> None:
    assert visible(text) == text
