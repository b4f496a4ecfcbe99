"""``manylabel serve``: answer over HTTP which labels photos carry.

In:  bundles, where to listen, limits.
Out: a running server, until Ctrl-C.
"""

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import VisibleFormatter, show_line
from manylabel.errors import ConfigError

_TOKEN_VARIABLE = "MANYLABEL_TOKEN"


def serve(
    bundles: Annotated[
        list[str],
        typer.Argument(
            help="Folders that training wrote, or NAME=FOLDER; the first answers where nobody names one.",
            metavar="BUNDLE",
            show_default=False,
        ),
    ],
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="A name that clients may call the server by, such as photos.example.org; requests for other "
            "names are refused. * allows every name. May be given several times.",
            metavar="NAME",
            show_default=False,
        ),
    ] = None,
    engine: options.Engine = None,
    precision: options.Precision = None,
    threshold: options.Threshold = None,
    thresholds: options.ThresholdsFile = None,
    token_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the token that clients must send as 'Authorization: Bearer TOKEN'; not given: "
            f"the environment variable {_TOKEN_VARIABLE}, else everybody may ask.",
            metavar="FILE",
        ),
    ] = None,
    max_request_mb: Annotated[float, typer.Option(help="Largest body of a request, in MB.")] = 64.0,
    max_photos: Annotated[int, typer.Option(help="Most photos in a request.")] = 64,
    max_megapixels: Annotated[float, typer.Option(help="Largest photo, in millions of pixels.")] = 64.0,
    max_seconds: Annotated[float, typer.Option(help="Longest time for a request.")] = 60.0,
    max_body_mb: Annotated[
        float, typer.Option(help="Most MB of bodies at the same time; beyond that the answer is 503.")
    ] = 512.0,
    max_waiting: Annotated[
        int, typer.Option(help="Most photos that wait or are worked on; beyond that the answer is 503.")
    ] = 256,
    max_connections: Annotated[
        int,
        typer.Option(help="Most connections at the same time, and no more than the system allows files."),
    ] = 1000,
) -> None:
    """Answer over HTTP which labels photos carry; with a page to drop photos on."""
    from manylabel.serving.app import serve as run  # not at the top: --help shall not load it
    from manylabel.serving.limits import ServeLimits

    limits = ServeLimits(
        request_mb=max_request_mb,
        photos=max_photos,
        megapixels=max_megapixels,
        seconds=max_seconds,
        waiting=max_waiting,
        body_mb=max_body_mb,
        connections=max_connections,
    )
    log = logging.StreamHandler()
    log.setFormatter(VisibleFormatter("%(asctime)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[log])
    with suppress(KeyboardInterrupt):  # the usual way to stop: uvicorn has answered what it had accepted
        run(
            bundles,
            host=host,
            port=port,
            allow_hosts=allow_host or (),
            engine=engine or "auto",
            precision=precision or "auto",
            thresholds=options.read_threshold_options(thresholds, threshold),
            limits=limits,
            token=read_token(token_file),
            on_start=lambda url: show_line(f"Serving on {url} until Ctrl-C."),
        )


def read_token(file: Path | None) -> str | None:
    """Return the token of a file, else of the environment; None where there is none.

    Raises:
        ConfigError: The file cannot be read or is empty.
    """
    if file is None:
        return _check_token(os.environ.get(_TOKEN_VARIABLE, ""), source=_TOKEN_VARIABLE)
    try:
        token = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"--token-file {file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"--token-file {file}: holds no text") from error
    checked = _check_token(token, source=f"--token-file {file}")
    if checked is None:
        raise ConfigError(f"--token-file {file}: is empty; write the token into it")
    return checked


def _check_token(text: str, *, source: str) -> str | None:
    """Return a token without the spaces around it; None where it is empty.

    Raises:
        ConfigError: No client could send it.
    """
    token = text.strip()
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(f"{source}: a token is made of ASCII letters, digits and signs")
    return token or None
