"""``manylabel labels``: what people changed on the labeling page.

In:  photos, their labels, the journal beside them.
Out: the changed labels on the screen; one action fewer; a new table of all labels.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line, show_table
from manylabel.config import DataConfig
from manylabel.errors import ConfigError
from manylabel.report.text.wording import n_things

if TYPE_CHECKING:
    from manylabel.annotation.label_store import LabelStore

Action = Literal["diff", "undo", "export"]


@options.reads_table
def labels(
    action: Annotated[
        Action,
        typer.Argument(
            help="diff lists the answers that changed, undo takes back the last action, export writes all "
            "labels to a new table.",
            metavar="diff|undo|export",
            show_default=False,
        ),
    ],
    photos: options.Photos,
    labels: options.Labels = None,
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="With export: the .csv file to write.", metavar="FILE", show_default=False),
    ] = None,
    overwrite: options.Overwrite = False,
    form: DataConfig,
) -> None:
    """List changed answers, undo the last action, or export all labels."""
    if action == "export" and out is None:
        raise ConfigError("export needs --out FILE, e.g. --out labels-2.csv")
    if action != "export" and out is not None:
        raise ConfigError("--out is for export only")
    options.check_file(
        out, ending=".csv", overwrite=overwrite, inputs=[photos / "labels.csv" if labels is None else labels]
    )
    from manylabel.annotation.label_store import LabelStore  # slow to import; --help does not need it
    from manylabel.annotation.open_labels import open_labels

    if out is not None:
        export(photos, labels, to=out, form=form)
    elif action == "diff":
        show_changed(open_labels(photos, labels, config=form).file.path)
    else:
        with LabelStore(photos, labels, config=form) as store:
            undo(store)


def show_changed(table: Path) -> None:
    """Show the answers that are other ones than before all changes."""
    from manylabel.annotation.history import list_changed
    from manylabel.annotation.journal import journal_path, read_journal

    changed = list_changed(read_journal(journal_path(table)))
    if changed:
        rows = [[one.photo, one.label, one.before, one.after, one.by] for one in changed]
        show_table(["Photo", "Label", "Before", "Now", "By"], rows)
    n_photos = len({one.photo for one in changed})
    answers = n_things(len(changed), "answer")
    show_line(f"{answers} on {n_things(n_photos, 'photo')} changed in {table}")


def undo(store: "LabelStore") -> None:
    """Undo the last action."""
    from manylabel.annotation.author import Author, user_name

    undone = store.undo_last(Author(name=user_name(), queue="command line"))
    if undone is None:
        show_line("Nothing to undo.")
    elif undone:
        show_line(f"Undone: {n_things(len(undone), 'change')}")
    else:
        show_line("Nothing was undone: it has been changed since, or its photos are not in the folder.")


def export(photos: Path, labels: Path | None, *, to: Path, form: DataConfig) -> None:
    """Write all labels to a new table; tell which answers are not in it."""
    from manylabel.annotation.exporting import export_labels

    found = export_labels(photos, labels, to=to, config=form)
    show_line(f"Written: {to}")
    if pending := found.pending.answers():
        answers, photo = n_things(len(pending), "answer"), pending[0].photo
        show_line(f"Left out: {answers} on photos that are not in the folder, e.g. {photo}")
    if found.conflicts:
        answers, photo = n_things(len(found.conflicts), "answer"), found.conflicts[0].photo
        show_line(f"Left out: {answers} that the table contradicts, e.g. on {photo}")
    if found.is_partial:
        show_line("The table is gone; only answers in its journal were written")
