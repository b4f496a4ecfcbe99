"""Write predictions to files while they come.

In:  predictions, part by part.
Out: files in the formats that their endings name; a row per photo, in the order of the photos; complete or
     absent.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from errno import EISDIR
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from manylabel.errors import MissingExtraError, OutputError
from manylabel.exporters.predictions.formats import (
    CocoRows,
    CsvRows,
    ExcelRows,
    JsonLineRows,
    JsonRows,
    LabelStudioRows,
    ParquetRows,
)
from manylabel.io.files import new_file, writing

if TYPE_CHECKING:
    from manylabel.engines.stream import Predictions


class RowWriter(Protocol):
    """A writer of predictions to an open file; one class per format."""

    def write(self, predictions: "Predictions") -> None:
        """Write the next rows."""

    def close(self) -> None:
        """Write what comes after the last row; the file itself stays open."""


@dataclass(frozen=True, kw_only=True)
class PredictionFormat:
    """A format that users can choose by the ending of a file.

    Attributes:
        name: What people call it.
        help: What a row is.
        ending: Ending of its files, in lower case.
        open: Starts to write to a file that is open.
        module: A library that it needs and that may be missing.
        extra: The optional dependencies that install it.
    """

    name: str
    help: str
    ending: str
    open: Callable[[BinaryIO], RowWriter]
    module: str | None = None
    extra: str = ""


FORMATS = {
    entry.ending: entry
    for entry in (
        PredictionFormat(name="CSV", help="a row per photo", ending=".csv", open=CsvRows),
        PredictionFormat(name="Excel", help="a row per photo", ending=".xlsx", open=ExcelRows),
        PredictionFormat(name="JSON", help="one object", ending=".json", open=JsonRows),
        PredictionFormat(name="JSON Lines", help="an object per photo", ending=".jsonl", open=JsonLineRows),
        PredictionFormat(
            name="Parquet",
            help="a row per photo",
            ending=".parquet",
            open=ParquetRows,
            module="pyarrow",
            extra="parquet",
        ),
        PredictionFormat(
            name="Label Studio", help="a task per photo", ending=".labelstudio.json", open=LabelStudioRows
        ),
        PredictionFormat(name="COCO", help="an annotation per label", ending=".coco.json", open=CocoRows),
    )
}
"""The formats by ending, in the order in which the command line lists them."""

PART_ENDINGS = (".parquet", ".csv", ".jsonl")
"""The formats whose files can be put together row by row, for predictions in parts."""

PART_SIZE = 10_000
"""Photos per part."""


@contextmanager
def open_prediction_files(
    paths: Sequence[Path], *, is_for_excel: bool = False
) -> "Iterator[Callable[[Predictions], None]]":
    """Open files for predictions; they appear once the block has ended without an error.

    Args:
        paths: Each ends in one of ``FORMATS``.
        is_for_excel: Whether CSV files begin with a mark for Excel, see ``CsvRows``.

    Yields:
        A function that writes the next predictions to all of them.

    Raises:
        OutputError: An ending is unknown, a file cannot be written, or there is no CSV file for spreadsheets.
        MissingExtraError: A library that a format needs is not installed.
    """
    chosen = {path: find_format(path) for path in paths}
    if is_for_excel:
        if not any(entry.ending == ".csv" for entry in chosen.values()):
            raise OutputError(
                "--excel: makes CSV files for spreadsheets; give a file that ends in .csv to --out"
            )
        for_excel = partial(CsvRows, is_for_excel=True)
        chosen = {
            path: replace(entry, open=for_excel) if entry.ending == ".csv" else entry
            for path, entry in chosen.items()
        }
    with ExitStack() as stack:
        writers = dict[Path, RowWriter]()
        for path, entry in chosen.items():
            with writing(path):
                writer = entry.open(stack.enter_context(_new_file(path)))
            writers[path] = writer
            if isinstance(writer, ExcelRows | ParquetRows):
                stack.callback(writer.abandon)

        def write(predictions: "Predictions") -> None:
            for path, writer in writers.items():
                with writing(path):
                    writer.write(predictions)

        yield write
        for path, writer in writers.items():
            with writing(path):
                writer.close()


def _new_file(path: Path) -> AbstractContextManager[BinaryIO]:
    if path.is_dir():  # which would be noticed only after all the work
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR), str(path))
    return new_file(path)


def write_predictions(path: Path, predictions: "Predictions") -> None:
    """Write predictions to one file; errors as for ``open_prediction_files``."""
    with open_prediction_files([path]) as write:
        write(predictions)


def find_format(path: Path) -> PredictionFormat:
    """Return the format with the longest ending of a file's name.

    Raises:
        OutputError: The ending is unknown.
        MissingExtraError: A library that the format needs is not installed.
    """
    known = [ending for ending in FORMATS if path.name.lower().endswith(ending)]
    if not known:
        raise OutputError(f"{path}: unknown file extension '{path.suffix}'; known: {', '.join(FORMATS)}")
    entry = FORMATS[max(known, key=len)]
    if entry.module is not None and find_spec(entry.module) is None:
        raise MissingExtraError(f"Writing {entry.name} files", entry.extra)
    return entry
