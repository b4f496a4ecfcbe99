"""Every error that manylabel raises on purpose.

In:  what went wrong: where, what was given, what was expected, what to try.
Out: one exception whose text a user can act on.

    ManylabelError
    ├── InputError            something the user gave cannot be used; the command line exits with 2
    │   ├── PhotoError        one photo cannot be read
    │   ├── TableError        the table of labels; carries every problem found, not only the first
    │   ├── ConfigError       a recipe, a key or a value
    │   ├── WeightsError      pre-trained weights are missing or do not fit
    │   │   └── MissingWeightsError   not on this machine, and no hub gives them
    │   ├── BundleError       a trained model on disk is incomplete or damaged
    │   ├── EngineError       an engine cannot compute a network
    │   └── OutputError       the place to write to is taken or cannot be written
    └── MissingExtraError     a command needs an optional part of the installation
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

_PROBLEMS_SHOWN = 10
# Control characters, line separators, what turns the direction of writing or is not seen, what is no text.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""Return text in one line, and what a terminal obeys instead of showing it written as Python writes it.

    Files and labels may be called as anybody likes: a name could clear the screen, or look like two lines.

    Examples:
        >>> print(visible("hồ\x1b[2J\n.jpg"))
        hồ\x1b[2J\n.jpg
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class ManylabelError(Exception):
    """Be the base of every error that manylabel raises on purpose."""


class InputError(ManylabelError):
    """Say that something the user gave cannot be used."""


class PhotoError(InputError):
    """Say that one photo cannot be read.

    Args:
        path: The file.
        reason: Why it cannot be read, as the end of a sentence.
    """

    def __init__(self, path: Path, reason: str) -> None:
        """Keep the file and the reason apart, so that lists of bad photos can be made."""
        super().__init__(f"{visible(str(path))}: {reason}")
        self.path = path
        self.reason = reason


class TableError(InputError):
    """Say every problem of a table of labels at once.

    Args:
        problems: One sentence per problem, each with its file and line where it has one.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        """Join the problems, one per line, whatever the names in them hold."""
        self.problems = tuple(map(visible, problems))
        super().__init__("\n".join(self.problems))


class ConfigError(InputError):
    """Say which key of which recipe or option has a wrong name or value."""


class WeightsError(InputError):
    """Say which weights are missing or do not fit, and the ways out."""


class MissingWeightsError(WeightsError):
    """Pre-trained weights that are not on this machine and that no hub gives, and the ways out."""


class BundleError(InputError):
    """Say what is missing from or damaged in a trained model on disk."""


class EngineError(InputError):
    """Say which engine cannot compute a network, and why."""


class OutputError(InputError):
    """Say that the place to write to is taken or cannot be written."""


class MissingExtraError(ManylabelError):
    """Say which optional part of the installation is missing and how to add it.

    Args:
        what: What the user wanted to do, e.g. ``"Training"``.
        extra: Name of the optional dependency group, e.g. ``"train"``.
    """

    def __init__(self, what: str, extra: str) -> None:
        """Write the install command into the text."""
        super().__init__(f"{what} needs more than the base install: {install_hint(extra)}")
        self.extra = extra


def install_hint(extra: str) -> str:
    """Return the command that installs an optional dependency group; manylabel is on no package index.

    Examples:
        >>> install_hint("train")
        "pip install '.[train]' in a clone of manylabel"
    """
    return f"pip install '.[{extra}]' in a clone of manylabel"


@contextmanager
def needs_extra(what: str, extra: str) -> Iterator[None]:
    """Turn a library that is missing inside a ``with`` into the command that installs it.

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
    """Say that not one photo can be read, with the first ten problems.

    Args:
        failures: What is wrong with each photo.
        purpose: What it was to be read for, e.g. ``" to calibrate"``.
    """
    problems = "\n".join(map(str, failures[:_PROBLEMS_SHOWN]))
    return f"not one photo can be read{purpose}; the first problems:\n{problems}"


def did_you_mean(given: str, known: Sequence[str]) -> str:
    """Suggest the closest known name.

    Args:
        given: What the user wrote.
        known: The names that would have been right.

    Returns:
        ``"; did you mean 'beach'?"``, or an empty string where nothing is close.

    Examples:
        >>> did_you_mean("beech", ["beach", "boat"])
        "; did you mean 'beach'?"
        >>> did_you_mean("xyz", ["beach", "boat"])
        ''
    """
    close = get_close_matches(given, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
