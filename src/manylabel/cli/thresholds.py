"""``manylabel thresholds``: show the decision thresholds of a model, or choose new ones.

In:  a bundle, and what to choose new thresholds for.
Out: a table on the screen; with --write or --out, a file of thresholds.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line, show_table
from manylabel.errors import ConfigError

if TYPE_CHECKING:
    from manylabel.thresholds import NewThresholds


def thresholds(
    bundle: options.Bundle,
    *,
    objective: Annotated[
        str | None,
        typer.Option(
            "--for",
            help="Choose new thresholds from the out-of-fold probabilities in the bundle: "
            "precision=0.9, recall=0.9, f-beta=2 (recall counts twice as much as precision), cost=1:5 (a "
            "false label costs 1, a missed one 5), f1, accuracy or half.",
            metavar="OBJECTIVE",
            show_default=False,
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="With --for: write the new thresholds into the bundle.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the thresholds to this .csv file, for the option --thresholds.", metavar="FILE"
        ),
    ] = None,
    overwrite: options.Overwrite = False,
) -> None:
    """Show the decision thresholds of a model, or choose new ones."""
    options.check_file(out, ending=".csv", overwrite=overwrite)
    from manylabel.bundle.folder import read_bundle  # slow to import; --help does not need it
    from manylabel.thresholds import (
        choose_new_thresholds,
        describe_source,
        keep_thresholds,
        save_thresholds,
    )

    if objective is None:
        if write:
            raise ConfigError("--write needs --for, e.g. --for precision=0.9 --write")
        opened = read_bundle(bundle)
        values, sources = opened.thresholds.values.tolist(), describe_source(opened)
        rows = zip(opened.config.labels, values, sources, strict=True)
        show_table(
            ["Label", "Threshold", "How"], [[label, f"{value:.3f}", how] for label, value, how in rows]
        )
        if opened.thresholds.origin:
            show_line(f"Chosen: {opened.thresholds.origin}.")
        if out is not None:
            save_thresholds(out, opened)
    else:
        new = choose_new_thresholds(bundle, objective)
        _show_new(new)
        if out is not None:
            save_thresholds(out, new.bundle, new.thresholds)
        if write:
            show_line(f"Written: {keep_thresholds(new)}")
    if out is not None:
        show_line(f"Thresholds: {out}")


def _show_new(new: "NewThresholds") -> None:
    from manylabel.report.collect_models import threshold_gain_result
    from manylabel.report.text.decisions import describe_missed_guarantee, describe_threshold_gain
    from manylabel.report.text.wording import sentence

    has_promises = bool(new.thresholds.is_guaranteed.any() or new.thresholds.missed)
    rows = zip(
        new.bundle.config.labels,
        new.bundle.thresholds.values.tolist(),
        new.thresholds.values.tolist(),
        new.n_positive.tolist(),
        new.thresholds.is_guaranteed.tolist(),
        strict=True,
    )
    show_table(
        ["Label", "Now", "New", "Photos\nwith it", *(["Guaranteed"] if has_promises else [])],
        [
            [
                label,
                f"{now:.3f}",
                f"{value:.3f}",
                str(n),
                *(["yes" if kept else "no"] if has_promises else []),
            ]
            for label, now, value, n, kept in rows
        ],
    )
    show_line(f"Chosen: {new.thresholds.origin}.")
    show_line(sentence(describe_threshold_gain(threshold_gain_result(new.gain))))
    for missed in new.thresholds.missed:
        show_line(f"Note: {describe_missed_guarantee(missed)}")
