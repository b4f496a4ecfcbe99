"""Read what the labeling page sends, and answer it.

In:  requests.
Out: checked values; answers as JSON.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from fastapi import HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

_JSON = "application/json"
Kind = TypeVar("Kind")


async def read_json(request: Request, kind: type[Kind]) -> Kind:
    """Read what was sent; only as JSON, which no form of another page can send.

    Raises:
        HTTPException: 415: it is something else. 422: these are other values.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != _JSON:
        raise HTTPException(415, f"expected {_JSON}")
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HTTPException(422, f"this cannot be read: {error}") from error


async def encode(read: Callable[[], object]) -> Response:
    """Answer with what is read in a thread, as JSON."""
    content = await run_in_threadpool(lambda: msgspec.json.encode(read()))
    return Response(content, media_type=_JSON)
