"""``manylabel export``: bring a bundle into another form.

In:  a bundle, the form, perhaps photos and labels.
Out: new files in the bundle, and how they compare with the network on the screen.
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
    to: Annotated[str | None, options.of_registry(EXPORTERS, "--to", help="What to make")] = None,
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder of photos like those to be scored. The export is compared with the original on 24 "
            "of them, int8 on 100; int8 needs this option, and calibrates on up to 300 photos.",
            metavar="DIR",
        ),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="Table of their labels: measures what 8-bit numbers lose and gain, on the test part that it "
            "names, else on half of the photos, which then set no ranges.",
            metavar="FILE",
        ),
    ] = None,
    max_difference: Annotated[
        float | None,
        typer.Option(
            help="Write nothing where a probability differs from torch's by more; 0.001 by default. 8-bit "
            "numbers have no such limit unless you give one: they may change 2 % of decisions and lose 1 "
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
            help="Copy the bundle into this repository on the Hugging Face hub; a new one is private.",
            metavar="USER/NAME",
        ),
    ] = None,
    form: DataConfig,
) -> None:
    """Bring a bundle into another form, compared with the network as it was, or copy it to the hub."""
    if to is None and push is None:
        raise ConfigError(f"say what to do: --to {', '.join(EXPORTERS)}, or --push USER/NAME")
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
