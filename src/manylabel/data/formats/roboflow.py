"""Read Roboflow's multi-label export: ``_classes.csv``, one per part of the split.

In:  the folder of the export with ``train/``, ``valid/``, ``test/``, or one ``_classes.csv``.
Out: RawTable; a one-hot table whose column names begin with a space.
"""

from manylabel.data.formats.base import LabelFormat, LabelSource, RawTable
from manylabel.data.formats.files import join_tables, require_part_files
from manylabel.data.formats.one_hot import read_one_hot_sheet
from manylabel.data.formats.tables.sheet import read_sheet

FILE_NAME = "_classes.csv"


def read_roboflow(source: LabelSource) -> RawTable:
    """Read a Roboflow export for multi-label classification.

    Raises:
        TableError: There is no ``_classes.csv``, or one that is no table.
    """
    files = require_part_files(source.path, lambda name: name == FILE_NAME, expected=FILE_NAME)
    tables = [
        (file, read_one_hot_sheet(read_sheet(file.path, title=file.title, source=source), source=source))
        for file in files
    ]
    return join_tables(tables, root=source.path, format_name="Roboflow export")


ROBOFLOW = LabelFormat(
    name="roboflow",
    title="Roboflow",
    description="Roboflow's multi-label export: `_classes.csv`, one per part of the split",
    read=read_roboflow,
    file_names=frozenset({FILE_NAME}),
)
