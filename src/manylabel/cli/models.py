"""``manylabel models``: list the available models.

In:  names or patterns.
Out: a table on the screen.
"""

from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.progress import show_progress
from manylabel.cli.screen import show_models
from manylabel.errors import ConfigError, needs_extra


def models(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names or patterns, e.g. resnet50 or 'timm/*tiny*'. Not given: all except timm/*.",
            show_default=False,
            metavar="[NAME]...",
        ),
    ] = None,
    *,
    head: options.Head = None,
    labels: Annotated[
        int | None,
        typer.Option(
            help="Number of labels, to include the head in the number of parameters.", min=1, metavar="N"
        ),
    ] = None,
) -> None:
    """List the available models."""
    if (head is None) != (labels is None):
        raise ConfigError("--head and --labels go together, e.g. --head study --labels 10")
    with needs_extra("Listing models", "train"):
        from manylabel.models.catalog import list_models
    with show_progress() as on_progress:
        found = list_models(names or (), head=head, n_labels=labels, on_progress=on_progress)
    show_models(found)
