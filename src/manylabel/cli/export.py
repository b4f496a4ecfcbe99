"""``manylabel export``: bring a bundle into another form.

In:  a bundle, photos, labels.
Out: an 8-bit version in the bundle, and how it compares with the 32-bit one on the screen.
"""

from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_int8
from manylabel.config import DataConfig
from manylabel.errors import ConfigError


def export(
    bundle: Annotated[
        Path, typer.Argument(help="Folder that training wrote.", metavar="BUNDLE", show_default=False)
    ],
    *,
    int8: Annotated[
        bool, typer.Option("--int8", help="Make an 8-bit version, for `predict --engine int8`.")
    ] = False,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder of photos like those to be scored; up to 300 of them set the ranges of the 8 bits.",
            metavar="DIR",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Table of their labels, to measure what is lost and gained on the other photos.",
            metavar="FILE",
        ),
    ] = None,
    format: options.Format = None,  # noqa: A002 - the option's name
    delimiter: options.Delimiter = None,
) -> None:
    """Bring a bundle into another form."""
    if not int8:
        raise ConfigError("say what to export: --int8")
    if photos is None:
        raise ConfigError("--int8 needs --photos DIR: a folder of photos like those to be scored")
    from manylabel.export.int8 import export as run  # not at the top: --help shall not load it

    form = DataConfig(format=format or "auto", delimiter=delimiter)
    with show_progress() as listener:
        exported = run(bundle, photos, labels, form=form, listener=listener)
    show_int8(exported)
