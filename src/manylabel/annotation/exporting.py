"""Write all labels to a new table, without changing anything else.

In:  photos, their labels, the journal beside them; a server may be changing both.
Out: a table with a column per label, and a line per photo with an answer.
"""

from pathlib import Path

from manylabel.annotation.journal import journal_path, read_journal
from manylabel.annotation.open_labels import open_labels, write_new_table
from manylabel.annotation.replay import Replayed, replay
from manylabel.config import DataConfig


def export_labels(
    photos: Path, labels: Path | None, *, to: Path, config: DataConfig | None = None
) -> Replayed:
    """Write all labels to another table, with the changes that their own table still lacks.

    Args:
        photos: Folder of the photos.
        labels: A file or folder of labels; None takes ``labels.csv`` in the folder of the photos.
        to: The new table.
        config: How labels are read.

    Returns:
        What was written; changes that the table contradicts or whose photos are absent are left out.

    Raises:
        TableError: The labels cannot be read.
        InputError: There are no photos.
        OutputError: The new table cannot be written.
    """
    opened = open_labels(photos, labels, config=DataConfig() if config is None else config)
    # The table first: a journal that is read later tells of that table, whatever is written meanwhile.
    replayed = replay(opened, read_journal(journal_path(opened.file.path)))
    write_new_table(to, opened.folder, replayed.answers.labels, replayed.answers.targets)
    return replayed
