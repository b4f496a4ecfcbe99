"""Photos and their labels, as Python sees them.

In:  a folder and a table of labels, or a data frame.
Out: ``Dataset``, which shows itself, checks itself, splits itself and goes into ``train`` and ``compare``.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from manylabel.config import BlankMeaning, MissingPhotos, SplitConfig
from manylabel.data.check import Check, check_read_table
from manylabel.data.duplicates import group_duplicates
from manylabel.data.formats import read_table
from manylabel.data.formats.label_names import Purpose, find_unusable_names
from manylabel.data.split import make_split
from manylabel.data.wording import cap_problems, count, list_some
from manylabel.errors import ConfigError, InputError, TableError, did_you_mean, kind_of
from manylabel.types import FloatArray, LabelTable, ProgressCallback, ignore_progress

if TYPE_CHECKING:
    import pandas as pd


class ReadOptions(TypedDict, total=False):
    """How a table of labels is read: the settings of the section ``data``, and its purpose."""

    format: str
    delimiter: str | None
    photo_column: str | None
    label_columns: Sequence[str]
    ignore: Sequence[str]
    sheet: str | None
    header_row: int | None
    blank: BlankMeaning | None
    missing: MissingPhotos | None
    min_photos: int
    purpose: Purpose


class Dataset:
    """Photos and their labels.

    Each photo may carry none, one or several labels; a label of a photo may be unknown.

    Args:
        table: Photos, labels and targets; ``Dataset.read`` and ``Dataset.from_dataframe`` make one.
        folder: Folder that the names of the photos are relative to.

    Examples:
        >>> from tempfile import TemporaryDirectory
        >>> import manylabel as ml
        >>> with TemporaryDirectory() as folder:
        ...     table = ml.write_sample(f"{folder}/postcards", n_photos=4)
        ...     data = ml.Dataset.read(f"{folder}/postcards/images", table)
        >>> data.labels[:3], len(data)
        (('boat', 'bridge', 'lake'), 4)
        >>> data.to_frame()["lake"].tolist()
        [1.0, 1.0, 0.0, 0.0]
    """

    def __init__(self, table: LabelTable, *, folder: Path | str = ".") -> None:
        if not isinstance(table, LabelTable):
            raise TableError(
                [
                    f"Dataset: given {kind_of(table)}, expected what read_table returns;"
                    " Dataset.from_dataframe takes a data frame, Dataset.read takes files"
                ]
            )
        self.table = table
        self.folder = Path(folder)

    @classmethod
    def read(
        cls, photos: Path | str, labels: Path | str | None = None, **options: Unpack[ReadOptions]
    ) -> "Dataset":
        """Read a folder of photos and their labels.

        Args:
            photos: Folder of the photos, searched with its subfolders.
            labels: File or folder of labels, in any known format; not given: the photo folder tells them.
            options: How the table is read, as for ``read_table``. ``purpose="evaluation"`` keeps labels that
                no photo carries, as a small test set may have them.

        Raises:
            TableError: Every problem of the labels.
            ConfigError: An option is unknown or does not fit.
            InputError: The folder does not exist, or holds no photos.
        """
        known = list(ReadOptions.__annotations__)
        for name in options:
            if name not in known:
                hint = did_you_mean(name, known) or "."
                raise ConfigError(f"Dataset.read: no option '{name}'{hint} Options: {', '.join(known)}")
        for given in (photos, labels):
            if not isinstance(given, Path | str | None):
                raise InputError(
                    f"Dataset.read: given {kind_of(given)}, expected a file or a folder;"
                    " Dataset.from_dataframe takes a data frame"
                )
        return cls(_in_order(read_table(labels, photos=photos, **options)), folder=photos)

    @classmethod
    def from_dataframe(
        cls,
        frame: "pd.DataFrame",
        *,
        folder: Path | str = ".",
        photo_column: str | None = None,
        label_columns: Iterable[str] | None = None,
    ) -> "Dataset":
        """Take photos and labels from a data frame.

        Args:
            frame: A row per photo, a column per label: 1 or True present, 0 or False absent, missing unknown.
                The dataset has the photos in the order of their names, whatever the order of the rows.
            folder: Where relative paths of photos begin.
            photo_column: Column of the photos' paths; not given: the index.
            label_columns: The labels; not given: every other column.

        Raises:
            TableError: This is no data frame, or every problem of it: a column that is not there, occurs
                twice or whose name is no text, a cell that is no value of a label, a photo that is missing or
                named twice.
        """
        columns = _label_columns(frame, photo_column, label_columns)
        names = list(map(str, frame.index if photo_column is None else frame[photo_column]))
        targets, cells = _read_targets(frame, columns)
        photos = [Path(folder) / name for name in names]
        problems = cap_problems(
            [
                find_unusable_names(columns, where="data frame"),
                cells,
                _photo_problems(names, photos, folder=Path(folder)),
                [
                    f"data frame: '{name}' is in more than one row"
                    for name, n in Counter(names).items()
                    if n > 1
                ],
            ]
        )
        if problems or not names:
            raise TableError(problems or ["data frame: it has no row"])
        table = LabelTable(
            photos=tuple(photos),
            names=tuple(names),
            labels=tuple(columns),
            targets=targets,
            parts=(None,) * len(names),
            source="a data frame",
        )
        return cls(_in_order(table), folder=folder)

    @property
    def labels(self) -> tuple[str, ...]:
        """The label names."""
        return self.table.labels

    @property
    def targets(self) -> FloatArray:
        """1 present, 0 absent, NaN unknown [n_photos, n_labels]."""
        return self.table.targets

    def __len__(self) -> int:
        """Return the number of photos."""
        return self.table.n_photos

    def to_frame(self) -> "pd.DataFrame":
        """Return a row per photo, by name, and a column per label: 1 present, 0 absent, NaN unknown."""
        import pandas as pd

        index = pd.Index(self.table.names, name="photo")
        return pd.DataFrame(self.table.targets.copy(), index=index, columns=list(self.labels))

    def check(self, *, seed: int = 0, on_progress: ProgressCallback = ignore_progress) -> Check:
        """Look for problems of photos and labels, as ``train`` does first.

        Args:
            seed: Seed of the split that training would draw.
            on_progress: Called with the progress.

        Returns:
            What was found; its rows are those of ``table``.

        Raises:
            TableError: No photo can be read.
            ConfigError: The seed is no whole number from 0.
        """
        checked = check_read_table(
            self.table, seed=_as_seed(seed), finds_refused=False, on_progress=on_progress
        )
        rows = {photo: row for row, photo in enumerate(self.table.photos)}
        return checked.check.move_rows([rows[photo] for photo in checked.table.photos])

    def split(self, *, test: float = 0.2, seed: int = 0) -> tuple["Dataset", "Dataset"]:
        """Split into two datasets, near-duplicates on the same side, rare labels in both.

        Args:
            test: Share of the photos in the second one, in (0, 1); a split that the table gives is ignored.
            seed: Seed of the draw.

        Returns:
            Training and test photos.

        Raises:
            ConfigError: The share or the seed cannot be used, or the photos are too few.
        """
        if not _is_share(test):
            raise ConfigError(f"test: given {test!r}, expected a share above 0 and below 1, such as 0.2")
        free = replace(self.table, parts=(None,) * len(self))
        drawn = make_split(
            free,
            config=SplitConfig(test_fraction=test),
            rng=np.random.default_rng(_as_seed(seed)),
            groups=group_duplicates(self.table.photos),
        )
        first, second = (Dataset(free.take(rows), folder=self.folder) for rows in (drawn.train, drawn.test))
        return first, second

    def __repr__(self) -> str:
        """Describe the dataset in one line."""
        n_unknown = int(np.isnan(self.targets).sum())
        unknown = f", {count(n_unknown, 'unknown value')}" if n_unknown else ""
        sizes = f"{count(len(self), 'photo')}, {count(len(self.labels), 'label')}"
        return f"Dataset({sizes}{unknown}; from {self.table.source})"

    def _repr_html_(self) -> str:
        """Show how often each label occurs in a notebook."""
        import pandas as pd

        counts = {
            "present": (self.targets == 1).sum(axis=0),
            "absent": (self.targets == 0).sum(axis=0),
            "unknown": np.isnan(self.targets).sum(axis=0),
        }
        table: str = pd.DataFrame(counts, index=pd.Index(self.labels, name="label")).to_html()
        return f"<p>{len(self):,} photos</p>{table}"


def table_of(data: object, *, name: str) -> LabelTable:
    """Return the table of a dataset.

    Args:
        data: What was given as a dataset.
        name: The argument, in errors.

    Raises:
        InputError: It is something else.
    """
    if not isinstance(data, Dataset):
        raise InputError(
            f"{name}: given {kind_of(data)}, expected a Dataset; make one with Dataset.read(photos, labels)"
            " or Dataset.from_dataframe(frame)"
        )
    return data.table


def _is_share(value: object) -> bool:
    return isinstance(value, float | int | np.number) and bool(0 < value < 1)


def _as_seed(seed: object) -> int:
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise ConfigError(f"seed: given {seed!r}, expected a whole number, at least 0")
    return int(seed)


def _in_order(table: LabelTable) -> LabelTable:
    """Order photos by name: everything random goes by position, so the order of rows changes nothing."""
    return table.take(np.array(sorted(range(table.n_photos), key=table.names.__getitem__), dtype=np.int64))


def _label_columns(
    frame: "pd.DataFrame", photo_column: str | None, label_columns: Iterable[str] | None
) -> list[str]:
    """Return the columns of labels, each once, all of them text.

    Raises:
        TableError: This is no data frame, or its columns cannot be used.
    """
    if not (hasattr(frame, "columns") and hasattr(frame, "index")):
        raise TableError(
            [
                f"from_dataframe: given {kind_of(frame)}, expected a pandas data frame with a row per"
                " photo; Dataset.read takes files"
            ]
        )
    if isinstance(label_columns, str):
        raise TableError(
            [f"label_columns: given '{label_columns}', expected a list, such as ['{label_columns}']"]
        )
    of_photos = [] if photo_column is None else [photo_column]
    known = list(frame.columns)
    chosen: list[Any]
    if label_columns is None:
        chosen = [name for name in known if name != photo_column]
    else:
        wanted: Iterable[Any] = label_columns
        chosen = [str(name) if isinstance(name, str) else name for name in wanted]  # no numpy.str_
    problems = _column_problems([*of_photos, *chosen], known)
    if not chosen:
        problems.append("data frame: it has no column of labels")
    no_text = [str(name) for name in chosen if not isinstance(name, str)]
    if no_text:
        problems.append(
            f"data frame: names of labels must be text, given {list_some(no_text)};"
            " try frame.columns = frame.columns.map(str)"
        )
    if problems:
        raise TableError(problems)
    return chosen


def _column_problems(wanted: Sequence[Any], known: Sequence[Any]) -> list[str]:
    """Describe wanted columns that are not there, or there or wanted more than once."""
    problems, texts = list[str](), list(map(str, known))
    for name in dict.fromkeys(wanted):
        if name not in known:
            hint = did_you_mean(name, texts) or "."
            problems.append(f"data frame: no column '{name}'{hint} Columns: {list_some(texts, most=20)}")
        if max(wanted.count(name), known.count(name)) > 1:
            problems.append(f"data frame: the column '{name}' occurs or is chosen more than once")
    return problems


def _photo_problems(names: Sequence[str], photos: Sequence[Path], *, folder: Path) -> list[str]:
    """Describe photos that are no files."""
    missing = [name for name, photo in zip(names, photos, strict=True) if not photo.is_file()]
    if len(missing) < 2 or len(missing) < len(names):
        return [f"data frame: '{name}' is not a file in {folder}" for name in missing]
    problems = list[str]()
    problems.append(
        f"data frame: none of {len(names)} photos is a file in {folder}: {list_some(names, most=3)}; set"
        " folder= to where their paths begin, and photo_column= unless the index is their paths"
    )
    return problems


def _read_targets(frame: "pd.DataFrame", columns: Sequence[str]) -> tuple[FloatArray, list[str]]:
    """Return targets [n_photos, n_labels], and a problem for each column with a cell that is none."""
    targets, problems = np.full((len(frame), len(columns)), np.nan), list[str]()
    for position, column in enumerate(columns):
        values = frame[column].tolist()
        read = [_target(value) for value in values]
        wrong = [row for row, target in enumerate(read) if target is None]
        if wrong:
            more = f" (and {count(len(wrong) - 1, 'more row')} of this column)" if wrong[1:] else ""
            problems.append(
                f"data frame, row {frame.index[wrong[0]]}, column '{column}': given {values[wrong[0]]!r},"
                f" expected 1, 0, True, False or a missing value{more}"
            )
        else:
            targets[:, position] = read
    if problems:
        problems.append("if some of these columns are not labels, set label_columns= to those that are")
    return targets, problems


def _target(value: Any) -> float | None:
    """Return 1, 0 or NaN; None for anything else."""
    import pandas as pd

    if pd.api.types.is_scalar(value) and pd.isna(value):
        return float("nan")
    if isinstance(value, bool | int | float | np.number | np.bool) and value in (0, 1):
        return float(value)
    return None
