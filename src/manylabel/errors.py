"""Every error that manylabel raises on purpose.

In:  what went wrong: where, what was given, what was expected, what to try.
Out: one exception with a message that tells the user what to do.

    ManylabelError
    ├── InputError            something the user gave cannot be used; the command line exits with 2
    │   ├── PhotoError        one photo cannot be read
    │   ├── TableError        the table of labels has problems; lists all of them
    │   ├── ConfigError       a recipe, a setting or an option is wrong
    │   ├── WeightsError      pre-trained weights are missing or do not fit
    │   │   └── MissingWeightsError   neither on this machine nor on a hub
    │   ├── BundleError       a trained model on disk is incomplete or damaged
    │   ├── EngineError       an engine cannot run a model
    │   └── OutputError       the output exists already or cannot be written
    └── MissingExtraError     a command needs an optional part of the installation
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

_PROBLEMS_SHOWN = 10
# Control characters, line separators, bidirectional and invisible characters, surrogates.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Escape what a terminal obeys instead of showing, and line breaks.

    Names of files and labels may contain anything, such as a sequence that clears the screen.

    Examples:
        >>> print(visible("hồ\x1b[2J\n.jpg"))
        hồ\x1b[2J\n.jpg
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class ManylabelError(Exception):
    """Base class of every error that manylabel raises on purpose."""


class InputError(ManylabelError):
    """Something that the user gave cannot be used."""


class PhotoError(InputError):
    """A photo that cannot be read.

    Args:
        path: The file, or its address.
        reason: Why it cannot be read, as the end of a sentence.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        """Keep file and reason, for lists of unreadable photos."""
        super().__init__(f"{visible(str(path))}: {reason}")
        self.path = Path(path)
        self.name = str(path)
        self.reason = reason


class TableError(InputError):
    """All problems of a table of labels.

    Args:
        problems: One sentence per problem, each with its file and line where it has one.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        """Join the problems, one per line, whatever names they contain."""
        self.problems = tuple(map(visible, problems))
        super().__init__("\n".join(self.problems))


class ConfigError(InputError):
    """Settings or options with a wrong name or value."""


class WeightsError(InputError):
    """Weights that are missing or do not fit."""


class MissingWeightsError(WeightsError):
    """Pre-trained weights that are neither on this machine nor on a hub."""


class BundleError(InputError):
    """A trained model on disk that is incomplete or damaged."""


class EngineError(InputError):
    """An engine that cannot run a model."""


class OutputError(InputError):
    """Output that exists already or cannot be written."""


class MissingExtraError(ManylabelError):
    """A missing optional part of the installation.

    Args:
        what: What the user wanted to do, e.g. ``"Training"``.
        extra: Name of the optional dependency group, e.g. ``"train"``.
    """

    def __init__(self, what: str, extra: str) -> None:
        """Add the install command to the message."""
        super().__init__(f"{what} needs the extra '{extra}', which is not installed: {install_hint(extra)}")
        self.extra = extra


def install_hint(extra: str) -> str:
    """Return the command that installs an optional dependency group; manylabel is not on PyPI.

    Examples:
        >>> install_hint("train")
        "pip install '.[train]' in a clone of manylabel"
    """
    return f"pip install '.[{extra}]' in a clone of manylabel"


@contextmanager
def needs_extra(what: str, extra: str) -> Iterator[None]:
    """Turn a failed import inside a ``with`` block into the command that installs the library.

    Args:
        what: As for ``MissingExtraError``.
        extra: As for ``MissingExtraError``.

    Raises:
        MissingExtraError: A library is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(what, extra) from error


def nothing_read(failures: Sequence[PhotoError], *, purpose: str = "") -> str:
    """Return the message that no photo can be read, with the first ten problems.

    Args:
        failures: The problem of each photo.
        purpose: The purpose of reading, e.g. ``" to calibrate"``.
    """
    problems = "\n".join(map(str, failures[:_PROBLEMS_SHOWN]))
    return f"no photo can be read{purpose}; the first problems:\n{problems}"


def kind_of(value: object) -> str:
    """Name the type of a value, of an array its numbers and shape as well.

    Examples:
        >>> kind_of("a.jpg"), kind_of(None)
        ('str', 'None')
    """
    name = "None" if value is None else type(value).__name__
    dtype, shape = getattr(value, "dtype", None), getattr(value, "shape", None)
    return name if dtype is None or shape is None else f"{name} of {dtype} {[*shape]}"


def check_choice(name: str, given: object, known: Sequence[str]) -> None:
    """Check that a fixed choice is one of those that exist.

    Args:
        name: The argument.
        given: Its value.
        known: The values that it may have.

    Raises:
        ConfigError: It has another one.

    Examples:
        >>> check_choice("device", "gpu", ["cpu", "cuda"])
        Traceback (most recent call last):
        ...
        manylabel.errors.ConfigError: device: given 'gpu', expected one of 'cpu', 'cuda'; did you mean 'cpu'?
    """
    if given not in known:
        hint = did_you_mean(str(given), known)
        raise ConfigError(f"{name}: given {given!r}, expected one of {', '.join(map(repr, known))}{hint}")


def did_you_mean(given: str, known: Sequence[str]) -> str:
    """Suggest the closest known name.

    Args:
        given: The name that the user wrote.
        known: The valid names.

    Returns:
        ``"; did you mean 'beach'?"``, or an empty string if nothing is close.

    Examples:
        >>> did_you_mean("beech", ["beach", "boat"])
        "; did you mean 'beach'?"
        >>> did_you_mean("xyz", ["beach", "boat"])
        ''
    """
    close = get_close_matches(str(given), known, n=1)  # what a caller from Python gives may be anything
    return f"; did you mean '{close[0]}'?" if close else ""
