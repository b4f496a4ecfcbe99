"""``manylabel app``: label photos in the browser.

In:  photos, and their labels if there are any.
Out: a page on this machine, until Ctrl-C; the table of labels.
"""

import logging
from contextlib import ExitStack, suppress
from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import VisibleFormatter, show_line
from manylabel.cli.private_page import open_page
from manylabel.config import DataConfig


@options.reads_table
def app(
    photos: options.Photos,
    labels: options.Labels = None,
    *,
    as_: Annotated[
        str | None,
        typer.Option(
            "--as",
            help="Your name for the journal of changes. Default: your user name.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in the browser.")] = True,
    form: DataConfig,
) -> None:
    """Label photos in the browser.

    The page is served on this machine only and needs no internet. Your answers are saved to LABELS, or to
    labels.csv beside it if its format cannot be written. Without LABELS, labels.csv in PHOTOS is read and
    written.
    """
    from manylabel.serving.labeling.app import label  # slow to import; --help does not need it

    log = logging.StreamHandler()
    log.setFormatter(VisibleFormatter("%(message)s"))
    log.setLevel(logging.WARNING)
    logging.basicConfig(level=logging.INFO, handlers=[log])

    # Ctrl-C is the usual way to stop; the table is written first.
    with suppress(KeyboardInterrupt), ExitStack() as opened:

        def start(address: str) -> None:
            show_line(f"Label at {address} until Ctrl-C.")
            if browser:
                open_page(address, until=opened)

        label(photos, labels, config=form, author=as_, port=port, on_start=start)
