"""Answers in place of the one that was asked for.

In:  what went wrong.
Out: a status and a sentence, as JSON and as the bytes of a whole answer.
"""

import errno
import json
from http import HTTPStatus

from starlette.responses import JSONResponse

from manylabel.errors import ManylabelError
from manylabel.io.files import is_full

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
}
"""What every answer carries: a browser takes no answer for a script, a page or a frame."""

_SHOWN_LETTERS = 100
_NO_FILES = frozenset({errno.EMFILE, errno.ENFILE})


class Refusal(Exception):
    """An answer that says why there is no other.

    Args:
        status: The status of the answer.
        why: A sentence, without a full stop.
        retry_seconds: When to come back; None: the same request would fail again.
    """

    def __init__(self, status: int, why: str, *, retry_seconds: int | None = None) -> None:
        """Keep the parts."""
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
    """Return what an error means for whoever asked; None where it is a mistake of ours."""
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
    """Return what a client sent as a sentence shows it: in quotes, and not all of it where it is long.

    Examples:
        >>> quoted("/labels/")
        "'/labels/'"
    """
    return f"'{text}'" if len(text) <= _SHOWN_LETTERS else f"'{text[:_SHOWN_LETTERS]}...'"
