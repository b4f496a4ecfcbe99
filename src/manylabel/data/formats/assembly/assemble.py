"""Make the table of labels out of what a reader read, in the same way for every format.

In:  RawTable, and the photos of a folder.
Out: LabelTable; or one TableError with every problem.
"""

from manylabel.config import DataConfig
from manylabel.data.formats.assembly.label_check import (
    Purpose,
    choose_labels,
    find_hopeless_labels,
    find_label_problems,
)
from manylabel.data.formats.assembly.label_names import clean_labels, describe_alike
from manylabel.data.formats.assembly.merge import fill_targets, merge_rows
from manylabel.data.formats.assembly.name_check import PhotoFolder, find_named_photos
from manylabel.data.formats.assembly.odd_labels import describe_odd_labels, find_impossible_labels
from manylabel.data.formats.assembly.split_folders import take_split_of_folders
from manylabel.data.formats.base import RawTable
from manylabel.data.formats.parsing.wording import cap_problems
from manylabel.errors import TableError, visible
from manylabel.types import LabelTable


def assemble_table(
    raw: RawTable, *, folder: PhotoFolder, purpose: Purpose, form: DataConfig | None = None
) -> LabelTable:
    """Match names to photos, merge what is said twice, and check the labels.

    Args:
        raw: What a reader read.
        folder: The photos.
        purpose: For training, labels that no photo carries are a problem. Else they are kept; those of a
            catalogue only where the table judges.
        form: What the user said about missing photos and rare labels; its paths are not used.

    Returns:
        The photos that the table names, in its order.

    Raises:
        TableError: Every problem found.
    """
    form = DataConfig() if form is None else form
    raw = clean_labels(raw)
    named = find_named_photos(raw, folder, on_missing=form.missing)
    targets = fill_targets(raw)  # [n_rows, n_labels]
    merged = merge_rows(raw, photos=named.photos, targets=targets)
    odd = [*find_impossible_labels(raw), *find_label_problems(raw, targets)]
    others = [raw.problems, named.problems, merged.problems, odd]
    # A check tells them with everything else that it finds, unless it stops here.
    tells_hopeless = purpose == "training" or (purpose == "checking" and any(others))
    hopeless = (
        find_hopeless_labels(raw, targets if any(others) else merged.targets)
        if tells_hopeless and not others[-1]
        else []
    )
    problems = cap_problems([*others, hopeless])
    if problems:
        raise TableError(problems)
    kept, notes = choose_labels(raw, merged.targets, purpose=purpose, min_photos=form.min_photos)
    names = tuple(folder.names[photo] for photo in merged.photos)
    parts, split_notes = take_split_of_folders(names, merged.parts, where=raw.title)
    notes = [*split_notes, *notes, *describe_alike(raw, merged.targets), *describe_odd_labels(raw)]
    return LabelTable(
        photos=tuple(folder.photos[photo] for photo in merged.photos),
        names=names,
        labels=tuple(raw.labels[label] for label in kept),
        targets=merged.targets[:, kept],
        parts=parts,
        source=visible(raw.source),
        notes=tuple(map(visible, (*raw.notes, *named.notes, *merged.notes, *notes))),
    )
