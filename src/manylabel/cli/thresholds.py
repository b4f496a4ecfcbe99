"""``manylabel thresholds``: show the thresholds of a bundle, and choose others.

In:  a bundle, and what new thresholds shall reach.
Out: a table on the screen; with --write or --out, a file of thresholds.
"""

from dataclasses import asdict
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
    aim: Annotated[
        str | None,
        typer.Option(
            "--for",
            help="Choose new thresholds on the out-of-fold probabilities that the bundle keeps: "
            "precision=0.9, recall=0.9, f-beta=2 (recall counts twice as much as precision), cost=1:5 (a "
            "false label costs 1, a missed one 5), f1, accuracy or half.",
            metavar="AIM",
            show_default=False,
        ),
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="With --for: keep the new thresholds in the bundle.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the thresholds shown to this file, .csv, for --thresholds.", metavar="FILE"),
    ] = None,
) -> None:
    """Show the thresholds of a bundle, or choose others for a precision, a recall, an F score or costs."""
    from manylabel.bundle.folder import read_bundle  # not at the top: --help shall not load it
    from manylabel.thresholds import (
        choose_new_thresholds,
        describe_source,
        keep_thresholds,
        save_thresholds,
    )

    options.check_ending(out, ".csv")
    if aim is None:
        if write:
            raise ConfigError("--write: say what to choose thresholds for, e.g. --for precision=0.9 --write")
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
        new = choose_new_thresholds(bundle, aim)
        _show_new(new)
        if out is not None:
            save_thresholds(out, new.bundle, new.thresholds)
        if write:
            show_line(f"Written: {keep_thresholds(new)}")
    if out is not None:
        show_line(f"Thresholds: {out}")


def _show_new(new: "NewThresholds") -> None:
    from manylabel.report.trust_words import missed_guarantee, sentence, threshold_gain

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
        ["Label", "Now", "New", "Photos\nwith it", *(["Promised"] if has_promises else [])],
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
    show_line(sentence(threshold_gain(asdict(new.gain))))
    for missed in new.thresholds.missed:
        show_line(f"Note: {missed_guarantee(asdict(missed))}")
