"""Check photos and labels before anything learns from them.

In:  the table; what its photos show: near-duplicates, sizes, failures; the split; constraints between labels.
Out: a ``Check``: findings in plain sentences, the most important first.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np

from manylabel.config import ConstraintsConfig, DataConfig, SplitConfig
from manylabel.constraints import LabelConstraints, parse_constraints
from manylabel.data.checks.finding import Finding, Level, SeenPhotos, look_at_photos
from manylabel.data.checks.labels import find_count_problems, find_empty_cells, find_refused
from manylabel.data.checks.photos import check_duplicates, find_odd_sizes, find_unreadable
from manylabel.data.checks.relations import find_broken_constraints, find_relations, find_shift
from manylabel.data.duplicates import fingerprint
from manylabel.data.formats import read_table_as
from manylabel.data.photos import convert_photos
from manylabel.data.split import find_lost_parts, given_split, make_split
from manylabel.data.wording import count
from manylabel.errors import ConfigError, PhotoError, TableError, nothing_read
from manylabel.io.files import write_output
from manylabel.types import LabelTable, Progress, ProgressCallback, Split, ignore_progress

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "Check",
    "CheckedTable",
    "Finding",
    "Level",
    "as_dict",
    "check",
    "check_table",
    "to_rows",
    "write_check",
]

_SIDE_PX = 224
_LEVELS: tuple[Level, ...] = get_args(Level)


@dataclass(frozen=True, kw_only=True, repr=False)
class Check:
    """The findings of a check.

    Attributes:
        findings: Errors first, then warnings, then notes; within a level the most important first.
    """

    findings: tuple[Finding, ...]

    def of_level(self, level: Level) -> tuple[Finding, ...]:
        """Return the findings of one level."""
        return tuple(finding for finding in self.findings if finding.level == level)

    def move_rows(self, rows: Sequence[int]) -> "Check":
        """Return the findings with other row numbers.

        Args:
            rows: The new number by the old one [n_photos].
        """
        return Check(
            findings=tuple(
                replace(
                    finding,
                    photos=tuple(rows[row] for row in finding.photos),
                    cells=tuple((rows[row], column) for row, column in finding.cells),
                )
                for finding in self.findings
            )
        )

    def to_frame(self) -> "pd.DataFrame":
        """Return a row per finding: level, kind and text."""
        import pandas as pd

        return pd.DataFrame(to_rows(self), columns=["level", "kind", "text"])

    def __len__(self) -> int:
        """Return the number of findings."""
        return len(self.findings)

    def __repr__(self) -> str:
        """List the findings, one per line."""
        return "\n".join(
            [f"Check({count(len(self), 'finding')})", *(": ".join(row[::2]) for row in to_rows(self))]
        )

    def _repr_html_(self) -> str:
        """Show the findings in a notebook."""
        rows = (
            f"<tr><td>{escape(level)}</td><td>{escape(text)}</td></tr>" for level, _, text in to_rows(self)
        )
        return f"<table>{''.join(rows)}</table>"


@dataclass(frozen=True, eq=False, kw_only=True)
class CheckedTable:
    """A table and the findings of its check.

    Attributes:
        table: The readable photos and their labels.
        check: What was found.
    """

    table: LabelTable
    check: Check


def check(  # noqa: PLR0913 - a wish of the user each
    photos: Path | str,
    labels: Path | str | None = None,
    *,
    form: DataConfig | None = None,
    constraints: ConstraintsConfig | None = None,
    split: SplitConfig | None = None,
    seed: int = 0,
    on_progress: ProgressCallback = ignore_progress,
) -> CheckedTable:
    """Read photos and labels, and check them as ``train`` and ``compare`` do first.

    Args:
        photos: Folder of the photos.
        labels: Table of labels; not given: the photo folder itself.
        form: How the table is read; its paths are not used.
        constraints: Constraints between labels. Not given: there are none.
        split: How photos without a given part will be split. Not given: as by default.
        seed: Seed of that split.
        on_progress: Called with the progress.

    Raises:
        TableError: The table cannot be read, or no photo can.
        ConfigError: The constraints name unknown labels or contradict each other.
    """
    form = DataConfig() if form is None else form
    table = read_table_as(form, labels, photos=photos, purpose="checking")
    return check_read_table(table, constraints=constraints, split=split, seed=seed, on_progress=on_progress)


def check_read_table(
    table: LabelTable,
    *,
    constraints: ConstraintsConfig | None = None,
    split: SplitConfig | None = None,
    seed: int = 0,
    finds_refused: bool = True,
    on_progress: ProgressCallback = ignore_progress,
) -> CheckedTable:
    """Read the photos of a table, and check them and their labels; arguments and errors as for ``check``.

    With ``finds_refused``, labels that no photo carries are errors: training would not read them from files.
    """
    refused = find_refused(table) if finds_refused else []
    parsed = None if constraints is None else parse_constraints(**asdict(constraints), labels=table.labels)
    answers = []
    for n_done, answer in enumerate(convert_photos(table.photos, fingerprint, side_px=_SIDE_PX), start=1):
        answers.append(answer)
        on_progress(Progress(subject="photos", stage="reading", done=n_done, total=table.n_photos))
    failures = [answer for answer in answers if isinstance(answer, PhotoError)]
    readable = [row for row, answer in enumerate(answers) if not isinstance(answer, PhotoError)]
    if not readable:
        raise TableError(nothing_read(failures).splitlines())
    lost_parts = find_lost_parts(table, failures)
    table = table.take(np.array(readable))
    fingerprints = [answer for answer in answers if not isinstance(answer, PhotoError)]
    seen = look_at_photos(table, fingerprints, side_px=_SIDE_PX, failures=failures)
    if lost_parts:
        drawn, problems = given_split(table), list(map(_no_split, lost_parts))
    else:
        drawn, problems = _draw_split(table, seen, SplitConfig() if split is None else split, seed=seed)
    found = check_table(table, seen=seen, split=drawn, constraints=parsed)
    return CheckedTable(table=table, check=_put_first([*refused, *problems], found))


def _put_first(refused: Sequence[Finding], found: Check) -> Check:
    """Put refusals of training first, and drop other findings about the same labels."""
    labels = {label for finding in refused for label in finding.labels}
    others = (finding for finding in found.findings if not finding.labels or set(finding.labels) - labels)
    return Check(findings=(*refused, *others))


def _draw_split(
    table: LabelTable, seen: SeenPhotos, config: SplitConfig, *, seed: int
) -> tuple[Split | None, list[Finding]]:
    """Return the given split, else what ``train`` would draw; where it cannot be drawn, why."""
    try:
        drawn = make_split(
            table, config=config, rng=np.random.default_rng(seed), groups=seen.duplicates.groups
        )
    except (ConfigError, TableError) as error:
        return given_split(table), [_no_split(str(error))]
    return drawn, []


def _no_split(reason: str) -> Finding:
    return Finding(level="error", kind="no_split", text=f"{reason}; training would stop")


def write_check(path: Path, checked: CheckedTable) -> None:
    """Write what was found as JSON, photos by their names and labels by theirs.

    Raises:
        OutputError: The file cannot be written.
    """
    table = checked.table
    found = as_dict(checked.check)
    for finding in found["findings"]:
        finding["photos"] = [table.names[row] for row in finding["photos"]]
        finding["labels"] = [table.labels[column] for column in finding["labels"]]
        finding["cells"] = [[table.names[row], table.labels[column]] for row, column in finding["cells"]]
    whole = {
        "source": table.source,
        "n_photos": table.n_photos,
        "labels": {
            name: {
                "n_positive": int((table.targets[:, column] == 1).sum()),
                "n_negative": int((table.targets[:, column] == 0).sum()),
            }
            for column, name in enumerate(table.labels)
        },
        "notes": table.notes,
        **found,
    }
    write_output(path, (json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode())


def check_table(
    table: LabelTable,
    *,
    seen: SeenPhotos | None = None,
    split: Split | None = None,
    constraints: LabelConstraints | None = None,
) -> Check:
    r"""Check photos and labels.

    Args:
        table: The readable photos and their labels.
        seen: What the photos show. Not given: near-duplicates, leaks and sizes are not checked.
        split: The split. Not given: all photos train.
        constraints: Constraints among the labels. Not given: none.

    Returns:
        What was found; an error among it means that training makes no sense.

    Raises:
        ValueError: The near-duplicates or the sizes are those of another number of photos.

    Examples:
        >>> names = tuple(f"{number}.jpg" for number in range(160))
        >>> targets = np.zeros((160, 2))
        >>> targets[:3, 0] = 1
        >>> targets[2:80, 1] = 1
        >>> table = LabelTable(
        ...     photos=tuple(map(Path, names)), names=names, labels=("boat", "lake"), targets=targets,
        ...     parts=(None,) * 160, source="labels.csv",
        ... )
        >>> print(check_table(table).findings[0].text.replace("; ", ";\n").replace(": its", ":\nits"))
        label 'boat': 3 photos with this label, of 160:
        its threshold and measured quality (AP) can't be trusted;
        about 10 more would help
    """
    findings = [
        *([] if seen is None else check_duplicates(table, seen.duplicates, split)),
        *([] if seen is None else find_unreadable(seen.failures)),
        *find_broken_constraints(table, constraints),
        *find_count_problems(table, split),
        *find_shift(table, split),
        *find_relations(table),
        *([] if seen is None else find_odd_sizes(table, seen.sizes_px, side_px=seen.side_px)),
        *find_empty_cells(table),
    ]
    return Check(findings=tuple(sorted(findings, key=lambda finding: _LEVELS.index(finding.level))))


def to_rows(check: Check) -> list[tuple[str, str, str]]:
    """Return level, kind and text of every finding, for a table.

    Examples:
        >>> to_rows(Check(findings=(Finding(level="note", kind="one_label", text="one label"),)))
        [('note', 'one_label', 'one label')]
    """
    return [(finding.level, finding.kind, finding.text) for finding in check.findings]


def as_dict(check: Check) -> dict[str, Any]:
    """Return plain values for JSON: how many findings each level has, and the findings.

    Examples:
        >>> found = as_dict(Check(findings=(Finding(level="note", kind="one_label", text="one label"),)))
        >>> found["counts"], found["findings"][0]["kind"]
        ({'error': 0, 'warning': 0, 'note': 1}, 'one_label')
    """
    return {
        "counts": {level: len(check.of_level(level)) for level in _LEVELS},
        "findings": [asdict(finding) for finding in check.findings],
    }
