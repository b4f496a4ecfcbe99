"""``manylabel check``: check photos and labels before training.

In:  photos, labels, constraints among labels if there are any.
Out: findings on the screen, and in a file if one is given; exit code 2 if training makes no sense.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line, show_table
from manylabel.cli.progress import show_progress
from manylabel.config import DataConfig, RunConfig
from manylabel.errors import ConfigError
from manylabel.recipes import apply_settings, load_recipe
from manylabel.report.text.wording import n_things

if TYPE_CHECKING:
    from manylabel.data.check import CheckedTable

_MAX_LABELS_SHOWN = 60
_LEVEL_STYLES = {"error": "bold red", "warning": "yellow", "note": ""}


@options.reads_table
def check(
    photos: options.Photos,
    labels: options.Labels = None,
    *,
    out: Annotated[
        Path | None, typer.Option(help="Also write the findings to this .json file.", metavar="FILE")
    ] = None,
    overwrite: options.Overwrite = False,
    form: DataConfig,
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", help="Recipe with the constraints among labels and the split.", metavar="NAME|FILE"
        ),
    ] = options.DEFAULT_RECIPE,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A constraint among labels or a setting of the split, e.g. "
            "constraints.implies='boat -> water' or split.folds=5; may be repeated.",
            metavar="KEY=VALUE",
        ),
    ] = None,
) -> None:
    """Check photos and labels for problems before training."""
    options.check_file(out, ending=".json", overwrite=overwrite, inputs=[labels])
    config = configure(recipe, set_ or [])
    from manylabel.data.check import check as run  # slow to import; --help does not need it
    from manylabel.data.check import write_check

    with show_progress() as on_progress:
        checked = run(
            photos,
            labels,
            form=form,
            constraints=config.constraints,
            split=config.split,
            seed=config.seed,
            on_progress=on_progress,
        )
    show_check(checked)
    if out is not None:
        write_check(out, checked)
        show_line(f"Check: {out}")
    if checked.check.of_level("error"):
        raise typer.Exit(2)


def configure(recipe: str, settings: list[str]) -> RunConfig:
    """Return a recipe with changed settings; a check only uses constraints among labels and the split.

    Raises:
        ConfigError: The recipe or a setting is wrong, or the check does not use a setting.
    """
    for setting in settings:
        if not setting.startswith(("constraints.", "rules.", "split.")):
            raise ConfigError(
                f"--set {setting}: check only uses constraints.* and split.*, e.g. "
                "constraints.implies='boat -> water' or split.folds=5"
            )
    return apply_settings(load_recipe(recipe), settings)


def show_check(checked: "CheckedTable") -> None:
    """Print how often each label occurs, and the findings, the most serious first."""
    table = checked.table
    size = f"{n_things(table.n_photos, 'photo')} with {n_things(table.n_labels, 'label')}"
    show_line(f"{size}, from {table.source}.")
    present, absent = ((table.targets == value).sum(axis=0) for value in (1, 0))
    order = sorted(range(table.n_labels), key=lambda column: -int(present[column]))[:_MAX_LABELS_SHOWN]
    show_table(
        ["Label", "Present", "Absent", "Unknown"],
        [
            [
                table.labels[column],
                str(present[column]),
                str(absent[column]),
                str(table.n_photos - present[column] - absent[column]),
            ]
            for column in order
        ],
    )
    if table.n_labels > len(order):
        show_line(f"and {table.n_labels - len(order)} rarer labels")
    for note in table.notes:
        show_line(f"Note: {note}")
    for finding in checked.check.findings:
        show_line(f"{finding.level}: {finding.text}", style=_LEVEL_STYLES[finding.level])
    if not checked.check.findings:
        show_line("No problems found.")
