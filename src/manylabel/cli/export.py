"""``manylabel export``: convert a model to another format, or push it to the hub.

In:  a bundle, the format, perhaps photos and labels.
Out: new files in the bundle; on the screen, how they compare with the original.
"""

from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_exported
from manylabel.config import DataConfig
from manylabel.errors import ConfigError, needs_extra
from manylabel.exporters.registry import EXPORTERS
from manylabel.exporters.registry import export as run_export


@options.reads_table
def export(
    bundle: options.Bundle,
    *,
    to: Annotated[str | None, options.of_registry(EXPORTERS, "--to", help="Format to export to")] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder of typical photos. The export is compared with the original on 24 of them; int8 "
            "requires this option, calibrates on up to 300 photos, and is compared on 100.",
            metavar="DIR",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Table of their labels, to measure the effect of int8 on the metrics: on its test part, or "
            "else on half of the photos, which are then not used to calibrate.",
            metavar="FILE",
        ),
    ] = None,
    max_difference: Annotated[
        float | None,
        typer.Option(
            help="Write nothing if a probability differs from torch's by more than this; 0.001 by default. "
            "int8 has no such limit by default, but may change at most 2 % of decisions and lose at most 1 "
            "point of mAP.",
            min=0.0,
            max=1.0,
            metavar="X",
            show_default=False,
        ),
    ] = None,
    push: Annotated[
        str | None,
        typer.Option(
            help="Copy the bundle to this repository on the Hugging Face Hub; a new repository is private.",
            metavar="USER/NAME",
        ),
    ] = None,
    form: DataConfig,
) -> None:
    """Convert a model to another format and compare it with the original, or push it to the hub."""
    if to is None and push is None:
        raise ConfigError(f"nothing to do: give --to {', '.join(EXPORTERS)}, or --push USER/NAME")
    if to is not None:
        with show_progress() as on_progress:
            exported = run_export(
                bundle,
                to,
                photos=photos,
                labels=labels,
                form=form,
                max_difference=max_difference,
                on_progress=on_progress,
            )
        show_exported(exported)
    if push is not None:
        with needs_extra("Copying to the hub", "train"):
            from manylabel.pretrained import push as push_bundle

        show_line(f"On the hub: {push_bundle(bundle, push, is_private=True)}")
