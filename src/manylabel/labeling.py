"""Say which photos are most worth labeling next.

In:  a bundle, a folder of photos, and which of them are labeled.
Out: the photos that would teach the model most, the most useful first.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from manylabel.bundle.folder import Bundle, read_bundle
from manylabel.config import DataConfig, DeviceName
from manylabel.data.evaluation_set import find_learned
from manylabel.data.find import describe_misnamed, find_files
from manylabel.data.formats import read_table_as
from manylabel.data.wording import count
from manylabel.errors import ConfigError, InputError, PhotoError, kind_of, needs_extra
from manylabel.io.csv_text import CsvWriter, label_columns
from manylabel.io.files import printable, write_output
from manylabel.review.active_learning import choose_to_label, mean_entropy
from manylabel.types import FloatArray, IntArray, LabelTable, ProgressCallback, Scores, ignore_progress

if TYPE_CHECKING:
    import pandas as pd

_PROBLEMS_SHOWN = 10
_UNSURE = 0.4


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Suggestions:
    """The photos that are most worth labeling next.

    Attributes:
        scores: What the bundle says about them, the most useful photo first.
        uncertainty: Mean binary entropy over the labels of each, in bits: 0 sure, 1 no idea.
        n_unlabeled: Photos that they were chosen from.
        notes: What the user should know, one sentence each.
        failures: An error for each photo that could not be read.
    """

    scores: Scores
    uncertainty: FloatArray
    n_unlabeled: int
    notes: tuple[str, ...]
    failures: tuple[PhotoError, ...]

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self.scores.names)

    def __repr__(self) -> str:
        """Describe the suggestions in one line."""
        return f"Suggestions({count(len(self), 'photo')} of {self.n_unlabeled:,} unlabeled)"

    def to_frame(self) -> "pd.DataFrame":
        """Return a row per photo by name, the most useful first: its uncertainty and its probabilities."""
        import pandas as pd

        index = pd.Index(self.scores.names, name="photo")
        uncertainty = pd.DataFrame({"uncertainty": self.uncertainty}, index=index)
        return uncertainty.join(
            pd.DataFrame(self.scores.values, index=index, columns=list(self.scores.labels))
        )

    def _repr_html_(self) -> str:
        """Show the notes and the photos in a notebook."""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        return f"{notes}{self.to_frame().to_html(float_format='{:.2f}'.format)}"

    def unsure_labels(self, row: int, *, most: int = 3) -> list[str]:
        """Return the labels whose scores of one photo lie between 10 and 90 %, those nearest to 0.5 first."""
        distance = np.abs(self.scores.values[row] - 0.5)
        order = np.argsort(distance, kind="stable")[:most]
        return [self.scores.labels[column] for column in order if distance[column] <= _UNSURE]


def suggest(  # noqa: PLR0913 - a wish of the user each
    bundle: Path | str,
    photos: Path | str,
    labels: Path | str | LabelTable | None = None,
    *,
    n: int = 20,
    form: DataConfig | None = None,
    device: DeviceName = "auto",
    on_progress: ProgressCallback = ignore_progress,
) -> Suggestions:
    """Choose photos that stand for many others whose labels the model does not know.

    How they are chosen: ``review.active_learning.choose_to_label``.

    Args:
        bundle: Folder that training wrote.
        photos: Folder of photos, searched with its subfolders.
        labels: Table of those that are labeled: they are not suggested, and neither is what looks like them.
            Photos of which it knows no label are not labeled. Not given: those that the bundle was trained
            and evaluated with, as far as they lie in the folder under their names.
        n: How many photos to suggest, at least 1.
        form: How the table is read; its paths are not used.
        device: Where to compute.
        on_progress: Called with the progress.

    Raises:
        InputError: The bundle, the folder or the table cannot be used, or no unlabeled photo can be read.
        MissingExtraError: torch is not installed.
    """
    _check_number(n)
    if not isinstance(photos, Path | str):
        raise InputError(f"photos: given {kind_of(photos)}, expected a folder")
    with needs_extra("Suggesting photos", "train"):
        from manylabel.engines.frozen import score_with_features  # not at the top: an extra, slow

    opened, folder = read_bundle(Path(bundle)), Path(photos)
    found = find_files(folder)
    paths, misnamed = found.photos, describe_misnamed([(folder, found)])
    names = [printable(path.relative_to(folder).as_posix()) for path in paths]
    if labels is None:
        labeled, notes = _find_learned(opened, names, folder)
    else:
        labeled, notes = _find_labeled(labels, names, folder, form)
    notes = [*notes, *misnamed]
    if len(labeled) == len(paths):
        why = "; ".join(notes) if paths or misnamed else "it is empty"
        raise InputError(f"{folder}: holds no unlabeled photos; {why}")
    seen = score_with_features(opened, paths, names=names, device=device, on_progress=on_progress)
    is_labeled = np.isin(seen.rows, labeled)
    if is_labeled.all():
        problems = "\n".join(map(str, seen.failures[:_PROBLEMS_SHOWN]))
        raise InputError(f"not one unlabeled photo can be read; the first problems:\n{problems}")
    chosen = choose_to_label(
        seen.scores[~is_labeled],
        seen.features[~is_labeled],
        n=n,
        labeled_features=seen.features[is_labeled],
    )
    places = np.flatnonzero(~is_labeled)[chosen]
    return Suggestions(
        scores=Scores(
            names=tuple(names[row] for row in seen.rows[places]),
            labels=opened.config.labels,
            values=seen.scores[places],
        ),
        uncertainty=mean_entropy(seen.scores[places]),
        n_unlabeled=int((~is_labeled).sum()),
        notes=tuple(notes),
        failures=seen.failures,
    )


def _check_number(n: object) -> None:
    if not isinstance(n, int | np.integer) or n < 1:
        raise ConfigError(f"n: given {n!r}, expected a whole number, at least 1")


def write_suggestions(path: Path, suggestions: Suggestions) -> None:
    """Write suggestions as CSV: image, rank from 1, uncertainty, then the probabilities of the labels.

    Raises:
        OutputError: The file cannot be written.
    """
    text = io.StringIO(newline="")
    writer = CsvWriter(text)
    columns = ("image", "rank", "uncertainty")
    writer.write_row([*columns, *label_columns(suggestions.scores.labels, others=columns)])
    rows = zip(suggestions.scores.names, suggestions.uncertainty, suggestions.scores.values, strict=True)
    for rank, (name, uncertainty, scores) in enumerate(rows, start=1):
        writer.write_row([name, rank, f"{uncertainty:.6f}", *(f"{score:.6f}" for score in scores)])
    write_output(path, text.getvalue().encode())


def _find_labeled(
    labels: Path | str | LabelTable, names: Sequence[str], folder: Path, form: DataConfig | None
) -> tuple[IntArray, list[str]]:
    """Return the rows of the photos of which a table knows any label, and what to say about them."""
    if isinstance(labels, LabelTable):
        table, source = labels, labels.source
    else:
        table = read_table_as(form or DataConfig(), labels, photos=folder, purpose="evaluation")
        source = Path(labels).name
    known = {table.names[row] for row in np.flatnonzero(~np.isnan(table.targets).all(axis=1))}
    rows = _rows(row for row, name in enumerate(names) if name in known)
    are = "photo is" if len(rows) == 1 else "photos are"
    return rows, [f"{len(rows)} {are} labeled by {source} and left out"]


def _find_learned(bundle: Bundle, names: Sequence[str], folder: Path) -> tuple[IntArray, list[str]]:
    """Return the rows of the photos that the split of a bundle names, and what to say about them."""
    learned = find_learned(bundle.folder, names, folder=folder)
    if learned is None:
        unknown = "which photos the bundle was trained with is not known: it has no split.csv"
        return _rows(()), [f"{unknown}; give --labels TABLE to leave labeled ones out"]
    have, are = ("photo has the name", "is") if len(learned) == 1 else ("photos have the names", "are")
    what = (
        f"{len(learned)} {have} of photos that the bundle was trained or evaluated with, and {are} left out"
    )
    return _rows(learned), [
        f"{what}; if they are not the same photos, give --labels TABLE"
    ] if learned else []


def _rows(rows: Iterable[int]) -> IntArray:
    return np.array(sorted(rows), dtype=np.int64)
