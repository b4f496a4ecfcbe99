"""Serve bundles until told to stop.

In:  bundles, where to listen, limits.
Out: a running server; at the end, what was accepted is answered.
"""

import logging
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import uvicorn

from manylabel.config import EngineName
from manylabel.errors import ConfigError
from manylabel.serve.app import create_app
from manylabel.serve.served import ServedBundle
from manylabel.serve.settings import ServeLimits

_logger = logging.getLogger(__name__)


def serve(  # noqa: PLR0913 - a wish of the operator each
    bundles: Sequence[Path | str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    engine: EngineName = "auto",
    limits: ServeLimits | None = None,
    token: str | None = None,
    on_start: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve bundles until SIGINT or SIGTERM; what was accepted until then is still answered.

    Args:
        bundles: Folders that training wrote, or NAME=FOLDER; the name is that of the folder where none is
            given. The first answers where a request names none.
        host: Address to listen on; only this machine can reach the default.
        port: Port to listen on; 0 takes a free one.
        engine: What computes.
        limits: What is refused.
        token: What clients must send; not given: everybody who reaches the address may ask.
        on_start: Hears of the URL once the server listens.

    Raises:
        InputError: A bundle cannot be used, two have the same name, or the port is taken.
        MissingExtraError: The engine is not installed.
    """
    limits = ServeLimits() if limits is None else limits
    places = name_bundles(bundles)
    listening = _listen(host, port)
    served = [ServedBundle(name, folder, engine=engine, limits=limits) for name, folder in places.items()]
    if token is None and host not in ("127.0.0.1", "::1", "localhost"):
        _logger.warning("everybody who reaches %s may ask: set a token to let in only some", host)
    config = uvicorn.Config(
        create_app(served, limits=limits, token=token),
        log_config=None,
        access_log=False,
        limit_concurrency=limits.connections,
        # What was accepted is answered within the longest time that a request may take.
        timeout_graceful_shutdown=int(limits.seconds) + 1,
        server_header=False,
    )
    shown = f"[{host}]" if ":" in host else host
    on_start(f"http://{shown}:{listening.getsockname()[1]}")
    uvicorn.Server(config).run(sockets=[listening])


def _listen(host: str, port: int) -> socket.socket:
    """Take a port before the bundles are opened: a port that is taken is told at once."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {host}, port {port}: {error.strerror or error}; try another --port"
        ) from error


def name_bundles(given: Sequence[Path | str]) -> dict[str, Path]:
    """Return the folder of each name.

    Raises:
        ConfigError: No bundle is given, or two have the same name.

    Examples:
        >>> name_bundles(["models/resnet50", "small=models/mobilenet_v2"])
        {'resnet50': PosixPath('models/resnet50'), 'small': PosixPath('models/mobilenet_v2')}
    """
    named: dict[str, Path] = {}
    for text in map(str, given):
        name, _, folder = text.partition("=") if "=" in text else ("", "", text)
        path = Path(folder)
        name = name or path.resolve().name
        if name in named:
            raise ConfigError(
                f"two bundles are called '{name}'; name them: {name}={named[name]} other={folder}"
            )
        named[name] = path
    if not named:
        raise ConfigError("no bundle is given; give the folders that training wrote")
    return named
