"""``manylabel app``: label photos in the browser.

In:  photos and their labels, if there are any.
Out: a page on this machine, until Ctrl-C; the table of labels.
"""

import logging
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import VisibleFormatter, show_line
from manylabel.cli.private_page import open_page
from manylabel.config import DataConfig
from manylabel.errors import ConfigError
from manylabel.io.cache import default_cache
from manylabel.recipes import apply_settings, load_recipe

if TYPE_CHECKING:
    from manylabel.serving.labeling.assistant import Assistance


@options.reads_table
def app(
    photos: Annotated[
        Path | None,
        typer.Argument(
            help="Folder of the photos. Default: choose it on the page.", metavar="PHOTOS", show_default=False
        ),
    ] = None,
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
    suggest: Annotated[
        bool, typer.Option(help="Learn from your answers, suggest labels and find possible mistakes.")
    ] = True,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a trained model that suggests its labels from the beginning.",
            metavar="BUNDLE",
            show_default=False,
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A constraint among labels, e.g. constraints.implies='boat -> water'; may be repeated.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    form: DataConfig,
) -> None:
    """Label photos in the browser, train models on them, and use these models.

    The page is served on this machine only and needs no internet. Your answers are saved to LABELS, or to
    labels.csv beside it if its format cannot be written. Without LABELS, labels.csv in PHOTOS is read and
    written. Without PHOTOS, you choose them on the page. From 10 labeled photos on, a small model learns from
    your answers in the background.
    """
    assistance = _choose_assistance(model, set_ or []) if suggest else None
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

        label(photos, labels, config=form, assistance=assistance, author=as_, port=port, on_start=start)


def _choose_assistance(model: Path | None, settings: list[str]) -> "Assistance":
    """Return how a model helps; the model is checked before the page is opened.

    Raises:
        ConfigError: A setting is wrong, or is no constraint.
        BundleError: The model cannot be used.
    """
    from manylabel.bundle.folder import read_bundle  # slow to import; --help does not need it
    from manylabel.serving.labeling.assistant import Assistance

    for setting in settings:
        if not setting.startswith("constraints."):
            raise ConfigError(
                f"--set {setting}: app only uses constraints.*, e.g. constraints.implies='boat -> water'"
            )
    config = apply_settings(load_recipe(options.DEFAULT_RECIPE), settings)
    if model is not None:
        read_bundle(model)
    return Assistance(cache=default_cache(), model=model, constraints=config.constraints)
