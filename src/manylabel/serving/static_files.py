"""Serve the files of a page from memory.

In:  a folder of static files.
Out: an answer per file, with its hash, so that a browser loads it once.
"""

from hashlib import sha256
from pathlib import Path

from fastapi import Request, Response
from starlette.exceptions import HTTPException

_KINDS = {".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml"}

# A page runs its own scripts and shows photos that it was given; nothing comes from elsewhere.
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors "
)


class StaticFiles:
    """The files of a folder, in memory.

    Args:
        folder: The folder; its subfolders are not served.
    """

    def __init__(self, folder: Path) -> None:
        """Read them."""
        self._files = {path.name: _StaticFile(path) for path in folder.iterdir() if path.suffix in _KINDS}

    def answer(self, name: str, request: Request) -> Response:
        """Return a file, or that it has not changed.

        Raises:
            HTTPException: 404: there is no such file.
        """
        if name not in self._files:
            raise HTTPException(404, "the page has no such file")
        return self._files[name].answer(request)

    def page(self, name: str, request: Request, *, framed_by: str = "'none'") -> Response:
        """Return a file as the page itself, which may run the scripts of this server and no others.

        Args:
            name: The file.
            request: The request.
            framed_by: The pages that may show it in a frame, as Content-Security-Policy has them.
        """
        answer = self.answer(name, request)
        answer.headers["Content-Security-Policy"] = _POLICY + framed_by
        answer.headers["Referrer-Policy"] = "no-referrer"
        return answer


class _StaticFile:
    """A file in memory."""

    def __init__(self, path: Path) -> None:
        """Read it."""
        self._content = path.read_bytes()
        self._kind = _KINDS[path.suffix]
        self._tag = f'"{sha256(self._content).hexdigest()[:20]}"'

    def answer(self, request: Request) -> Response:
        """Return the file, or that it has not changed."""
        headers = {"ETag": self._tag, "Cache-Control": "no-cache"}
        if self._tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(self._content, media_type=self._kind, headers=headers)
