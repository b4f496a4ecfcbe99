"""What a server takes, and the answers in place of the one that was asked for.

In:  the limits of the operator; what went wrong.
Out: limits, checked; a status and a sentence, as JSON and as the bytes of a whole answer.
"""

import errno
import json
import math
from dataclasses import dataclass
from http import HTTPStatus

from starlette.responses import JSONResponse

from manylabel.errors import ConfigError, ManylabelError
from manylabel.io.files import is_full

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}
"""Headers of every answer: a browser uses no answer as a script, a page or a frame."""

_SHOWN_LETTERS = 100
_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, kw_only=True)
class ServeLimits:
    """What one request, and all of them together, may ask for.

    Attributes:
        request_mb: Largest body of a request in megabytes.
        photos: Most photos in a request.
        megapixels: Largest photo, in millions of pixels; it is refused before its pixels are read.
        seconds: Longest time from the head of a request to its answer.
        idle_seconds: Longest time that a connection may take to send the head of a request, the first or the
            next. A body must bring 1000 bytes per second, measured over this time.
        waiting: Most photos that wait or are worked on, of all requests, at least ``photos``; where a request
            would exceed it, the answer is 503.
        body_mb: Most megabytes of bodies that are being received or worked on, of all requests, at least
            ``request_mb``; where a request would exceed it, the answer is 503. Counted is what has come.
        connections: Most connections at the same time; fewer where the system lets this process open fewer
            files. Beyond it, the one that has been idle for longest is closed. Where all are at work,
            ``/health`` is still answered, and everything else is 503.

    Raises:
        ConfigError: A limit is not above 0, or below another one that it must hold.
    """

    request_mb: float = 64.0
    photos: int = 64
    megapixels: float = 64.0
    seconds: float = 60.0
    idle_seconds: float = 10.0
    waiting: int = 256
    body_mb: float = 512.0
    connections: int = 1000

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, value in vars(self).items():
            if not 0 < value < math.inf:
                raise ConfigError(f"limit {name}: expected a number above 0, got {value}")
        if min(self.request_bytes, self.pixels) < 1:
            raise ConfigError("limits: less than a byte or a pixel lets nothing in")
        for name, other in (("photos", "waiting"), ("request_mb", "body_mb")):
            least, most = getattr(self, name), getattr(self, other)
            if least > most:
                raise ConfigError(
                    f"limit {other}: {most} of all requests is less than {name}, {least} of one; raise "
                    f"--max-{other.replace('_', '-')} or lower --max-{name.replace('_', '-')}"
                )

    @property
    def request_bytes(self) -> int:
        """Return the largest body of a request in bytes."""
        return int(self.request_mb * 1e6)

    @property
    def body_bytes(self) -> int:
        """Return the most bytes of bodies, of all requests together."""
        return int(self.body_mb * 1e6)

    @property
    def pixels(self) -> int:
        """Return the largest photo in pixels."""
        return int(self.megapixels * 1e6)


class Refusal(Exception):
    """An answer that says why there is no other.

    Args:
        status: The status of the answer.
        why: A sentence, without a full stop.
        retry_seconds: When to come back; None: the same request would fail again.
    """

    def __init__(self, status: int, why: str, *, retry_seconds: int | None = None) -> None:
        """Store the parts."""
        super().__init__(why)
        self.status = status
        self.why = why
        self._headers = {} if retry_seconds is None else {"Retry-After": str(retry_seconds)}

    def answer(self, *, is_last: bool = False) -> JSONResponse:
        """Return the answer to a request.

        Args:
            is_last: Whether the connection closes after it.
        """
        last = {"Connection": "close"} if is_last else {}
        headers = {**SAFE_HEADERS, **self._headers, **last}
        return JSONResponse({"detail": self.why}, self.status, headers=headers)

    def as_bytes(self) -> bytes:
        """Return the answer as it goes over a connection that is then closed."""
        body = json.dumps({"detail": self.why}).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **SAFE_HEADERS,
            **self._headers,
        }
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + body


def refusal_of(error: Exception) -> Refusal | None:
    """Return what an error means for the client; None where it is a bug."""
    match error:
        case Refusal():
            return error
        case OSError() if is_full(error):
            return Refusal(507, "a disk of the server, or its temporary folder, is full; tell its operator")
        case OSError() if error.errno in _NO_FILES:
            return Refusal(503, "the server has too many files open; try again soon", retry_seconds=1)
        case MemoryError():
            return Refusal(503, "the server has no memory left for this; send fewer or smaller photos")
        case ManylabelError():
            return Refusal(500, str(error))
        case _:
            return None


def quoted(text: str) -> str:
    """Return a text of a client in quotes, shortened where it is long.

    Examples:
        >>> quoted("/labels/")
        "'/labels/'"
    """
    return f"'{text}'" if len(text) <= _SHOWN_LETTERS else f"'{text[:_SHOWN_LETTERS]}...'"
