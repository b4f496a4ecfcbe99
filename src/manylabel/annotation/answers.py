"""The answers for all photos and labels, changed one by one.

In:  changes, as the journal holds them.
Out: targets [n_photos, n_labels], which photos changed since when, and what undoes a change.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from manylabel.annotation.journal import AddLabel, Answer, Change, RemoveLabel, RenameLabel, SetLabel
from manylabel.data.formats.label_names import clean_name, find_unusable_names
from manylabel.errors import ConfigError, InputError
from manylabel.types import FloatArray, IntArray

_LONGEST_NAME = 200
_TARGET_OF: dict[Answer, float] = {"present": 1.0, "absent": 0.0, "unknown": np.nan}


class Answers:
    """The answers for all photos and labels.

    Attributes:
        names: The photos.
        labels: The labels, in the order of the columns.
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.
        revision: Number of changes so far.
        revisions: The revision at which each photo changed last [n_photos].
        labels_revision: The revision at which the labels changed last.

    Raises:
        InputError: Two photos have the same name.
    """

    def __init__(self, names: Sequence[str], labels: Sequence[str], targets: FloatArray) -> None:
        self.names = tuple(names)
        self.labels = list(labels)
        self.targets = targets.copy()
        self.revision = 0
        self.labels_revision = 0
        self.revisions: IntArray = np.zeros(len(self.names), dtype=np.int64)
        self._rows = {name: row for row, name in enumerate(self.names)}
        if len(self._rows) < len(self.names):
            twice = next(name for row, name in enumerate(self.names) if self._rows[name] != row)
            raise InputError(
                f"two photos are called '{twice}' when their names are written in UTF-8; rename one"
            )

    def row(self, name: str) -> int:
        """Return the row of a photo.

        Raises:
            InputError: There is no such photo.
        """
        if name not in self._rows:
            raise InputError(f"no photo '{name}' in the folder")
        return self._rows[name]

    def has_photo(self, name: str) -> bool:
        """Tell whether there is a photo of a name."""
        return name in self._rows

    def column(self, label: str) -> int:
        """Return the column of a label.

        Raises:
            InputError: There is no such label.
        """
        if label not in self.labels:
            raise InputError(f"no label '{label}'; there are: {', '.join(self.labels) or 'none'}")
        return self.labels.index(label)

    def answer(self, name: str, label: str) -> Answer:
        """Return the answer for a photo and a label."""
        return to_answer(self.targets[self.row(name), self.column(label)])

    def has(self, change: Change) -> bool:
        """Tell whether a change has been made already."""
        match change:
            case SetLabel():
                return self.answer(change.photo, change.label) == change.after
            case AddLabel():
                return change.label in self.labels
            case RemoveLabel():
                return change.label not in self.labels
            case RenameLabel():
                return change.label not in self.labels and change.to in self.labels

    def apply(self, change: Change) -> None:
        """Make a change.

        Raises:
            InputError: The photo or label does not exist, or a label of the new name does.
        """
        match change:
            case SetLabel():
                row = self.row(change.photo)
                self.targets[row, self.column(change.label)] = to_target(change.after)
                self.revision += 1
                self.revisions[row] = self.revision
                return
            case AddLabel():
                self.check_new(change.label)
                self.labels.append(change.label)
                unknown = np.full((len(self.names), 1), np.nan)
                self.targets = np.concatenate([self.targets, unknown], axis=1)
            case RemoveLabel():
                column = self.column(change.label)
                if not np.isnan(self.targets[:, column]).all():
                    raise InputError(f"label '{change.label}' is known for some photos")
                self.targets = np.delete(self.targets, column, axis=1)
                del self.labels[column]
            case RenameLabel():
                self.check_new(change.to)
                self.labels[self.column(change.label)] = change.to
        self.revision += 1
        self.labels_revision = self.revision

    def check_new(self, label: str) -> None:
        """Check that there is no label of a name.

        Raises:
            InputError: There is.
        """
        if label in self.labels:
            raise InputError(f"there is a label '{label}' already")

    def check_is_free(self, label: str, *, renames: str | None = None) -> None:
        """Check that a name that somebody typed differs from those of all labels in more than case.

        Args:
            label: The name.
            renames: The label that is to get it.

        Raises:
            InputError: There is such a label.
        """
        self.check_new(label)
        for other in self.labels:
            if other != renames and other.casefold() == label.casefold():
                raise InputError(f"there is a label '{other}' already")

    def set_changes(
        self, name: str, answers: Iterable[tuple[str, Answer]], *, confirms: bool = False
    ) -> list[Change]:
        """Return the changes that give a photo some answers; of those it has, only to confirm them."""
        return [
            SetLabel(photo=name, label=label, before=before, after=after)
            for label, after in answers
            if (before := self.answer(name, label)) != after or confirms
        ]

    def find_possible(self, changes: Iterable[Change]) -> list[Change]:
        """Return the changes that can be made, one after the other; none of answers that differ by now."""
        tried = Answers(self.names, self.labels, self.targets)
        possible = []
        for change in changes:
            try:
                if isinstance(change, SetLabel) and tried.answer(change.photo, change.label) != change.before:
                    continue
                tried.apply(change)
            except InputError:  # a label was renamed or removed since then
                continue
            possible.append(change)
        return possible

    def merge_changes(self, label: str, into: str) -> list[Change]:
        """Return the changes that make two labels one: present where one of them is, absent where both are.

        Raises:
            InputError: A label does not exist, or both are the same.
        """
        if label == into:
            raise InputError(f"'{label}' cannot be merged with itself")
        first, second = (self.targets[:, self.column(name)] for name in (label, into))
        merged = np.where((first == 1) | (second == 1), 1.0, np.where(first + second == 0, 0.0, np.nan))
        changes: list[Change] = []
        for row, name in enumerate(self.names):
            changes += self.set_changes(name, [(into, to_answer(merged[row])), (label, "unknown")])
        return [*changes, RemoveLabel(label=label)]


def invert(change: Change) -> Change:
    """Return what undoes a change; a label that was removed comes back as the last one.

    Examples:
        >>> invert(RenameLabel(label="ship", to="boat")).to
        'ship'
    """
    match change:
        case SetLabel():
            return SetLabel(photo=change.photo, label=change.label, before=change.after, after=change.before)
        case AddLabel():
            return RemoveLabel(label=change.label)
        case RemoveLabel():
            return AddLabel(label=change.label)
        case RenameLabel():
            return RenameLabel(label=change.to, to=change.label)


def to_answer(target: float) -> Answer:
    """Return the answer of a target.

    Examples:
        >>> to_answer(1.0), to_answer(np.nan)
        ('present', 'unknown')
    """
    return "present" if target == 1 else "absent" if target == 0 else "unknown"


def to_target(answer: Answer) -> float:
    """Return the target of an answer: 1, 0 or NaN.

    Examples:
        >>> to_target("absent")
        0.0
    """
    return _TARGET_OF[answer]


def clean_new_label(label: str) -> str:
    """Return the name of a new label without what cannot be seen.

    Raises:
        ConfigError: It is empty, too long, or has characters that cannot be shown.
    """
    name = clean_name(label)
    if len(name) > _LONGEST_NAME:
        raise ConfigError(f"label: a name may have at most {_LONGEST_NAME} characters")
    if problems := find_unusable_names([name], where="label"):
        raise ConfigError(problems[0])
    return name
