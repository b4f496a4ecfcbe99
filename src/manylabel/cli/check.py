"""``manylabel check``: look at photos and labels before anything learns from them.

In:  photos, labels, maybe rules between labels.
Out: what was found, on the screen, and in a file where asked for; exit code 2 where training makes no sense.
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
        Path | None, typer.Option(help="Also write what was found to this file, .json.", metavar="FILE")
    ] = None,
    form: DataConfig,
    recipe: Annotated[
        str,
        typer.Option(
            "--recipe", help="Recipe to take rules between labels and the split from.", metavar="NAME|FILE"
        ),
    ] = options.DEFAULT_RECIPE,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A rule between labels or a setting of the split, e.g. rules.implies='boat -> water' or "
            "split.folds=5; may be given again.",
            metavar="KEY=VALUE",
        ),
    ] = None,
) -> None:
    """Tell what is wrong with photos and labels, and what can be expected from them."""
    from manylabel.data.check import check as run  # not at the top: --help shall not load it
    from manylabel.data.check import write_check

    options.check_ending(out, ".json")
    config = configure(recipe, set_ or [])
    with show_progress() as on_progress:
        checked = run(
            photos,
            labels,
            form=form,
            rules=config.rules,
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
    """Read a recipe and put settings on it, of which a check looks at rules and the split alone.

    Raises:
        ConfigError: The recipe or a setting is wrong, or a setting is about something else.
    """
    for setting in settings:
        if not setting.startswith(("rules.", "split.")):
            raise ConfigError(
                f"--set {setting}: a check only looks at rules and the split, e.g. rules.implies='boat -> "
                "water' or split.folds=5"
            )
    return apply_settings(load_recipe(recipe), settings)


def show_check(checked: "CheckedTable") -> None:
    """Print how often each label occurs, and what was found, the gravest first."""
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
        show_line("Nothing to complain about.")
