"""``manylabel serve``: serve predictions over HTTP.

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
            help="Folders of trained models, or NAME=FOLDER; the first is the default model.",
            metavar="BUNDLE",
            show_default=False,
        ),
    ],
    *,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for all network interfaces.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8000,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Host name that clients may use, such as photos.example.org; requests for other names are "
            "refused. * allows every name. May be repeated.",
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
            f"the environment variable {_TOKEN_VARIABLE}; without either, no token is needed.",
            metavar="FILE",
        ),
    ] = None,
    max_request_mb: Annotated[float, typer.Option(help="Largest request, in MB.")] = 64.0,
    max_photos: Annotated[int, typer.Option(help="Maximum number of photos in a request.")] = 64,
    max_megapixels: Annotated[float, typer.Option(help="Largest photo, in megapixels.")] = 64.0,
    max_seconds: Annotated[float, typer.Option(help="Longest duration of a request, in seconds.")] = 60.0,
    max_body_mb: Annotated[
        float,
        typer.Option(help="Largest total of all requests being received, in MB; more are answered with 503."),
    ] = 512.0,
    max_waiting: Annotated[
        int,
        typer.Option(help="Maximum number of photos waiting or being processed; more are answered with 503."),
    ] = 256,
    max_connections: Annotated[
        int,
        typer.Option(help="Maximum number of connections; the limit of open files may lower it."),
    ] = 1000,
) -> None:
    """Serve predictions over HTTP, with a web page for dropping photos."""
    from manylabel.serving.app import serve as run  # slow to import; --help does not need it
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
    with suppress(KeyboardInterrupt):  # the usual way to stop; uvicorn finishes accepted requests first
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
    """Return the token from the file, else from the environment; None if there is none.

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
        raise ConfigError(f"--token-file {file}: is not text") from error
    checked = _check_token(token, source=f"--token-file {file}")
    if checked is None:
        raise ConfigError(f"--token-file {file}: is empty; write the token into it")
    return checked


def _check_token(text: str, *, source: str) -> str | None:
    """Return a token without surrounding spaces; None if it is empty.

    Raises:
        ConfigError: No client could send it.
    """
    token = text.strip()
    if not (token.isascii() and token.isprintable()):
        raise ConfigError(f"{source}: a token must consist of printable ASCII characters")
    return token or None
