"""Take photos out of a request.

In:  a request: multipart/form-data with any number of files, or the bytes of one photo.
Out: uploads; an HTTP error where there are none or too many.
"""

from collections.abc import AsyncGenerator

from fastapi import HTTPException, Request
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from manylabel.files import printable
from manylabel.serve.served import Upload
from manylabel.serve.settings import ServeLimits

_MOST_FIELDS = 8

BODY = {
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": {
                    "photos": {
                        "type": "array",
                        "items": {"type": "string", "format": "binary"},
                        "minItems": 1,
                    }
                },
                "required": ["photos"],
            }
        },
        "application/octet-stream": {"schema": {"type": "string", "format": "binary", "minLength": 1}},
    },
    "required": True,
}
"""What a request may hold, for the OpenAPI document."""


class PhotoForm(MultiPartParser):
    """A form of files, refused where it ends too early or names a file as browsers never do.

    Args:
        headers: Those of the request.
        stream: Its body.
        limits: How many files it may hold.
    """

    def __init__(self, headers: Headers, stream: AsyncGenerator[bytes, None], *, limits: ServeLimits) -> None:
        """Begin with nothing read."""
        super().__init__(headers, self._check_end(stream), max_files=limits.photos, max_fields=_MOST_FIELDS)
        self._has_ended = False

    def on_headers_finished(self) -> None:
        """Take in the head of a part."""
        # RFC 7578, section 4.2, forbids filename*=, and the parser reads past it: the photo would be a text.
        head = (self._current_part.content_disposition or b"").lower().replace(b" ", b"")
        if b";filename*" in head and b";filename=" not in head:
            raise MultiPartException(
                'a part names its file by filename*= alone, which a form may not do; send filename="NAME", '
                "the name in UTF-8"
            )
        super().on_headers_finished()

    def on_end(self) -> None:
        """Note that the closing boundary came."""
        self._has_ended = True

    async def _check_end(self, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        async for chunk in stream:
            yield chunk
        # Raised here, the parser closes the files that it has begun.
        if not self._has_ended:
            raise MultiPartException(
                "the form ends without its closing boundary, so a part of it is missing; send it again"
            )


async def read_uploads(request: Request, limits: ServeLimits) -> list[Upload]:
    """Read all photos of a request.

    Raises:
        HTTPException: 400 where the form is malformed or holds something else than a few files, 422 where
            there is no photo.
    """
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        data = await request.body()
        if not data:
            raise HTTPException(422, "the body is empty; send a photo, or several as multipart/form-data")
        return [Upload(name="photo", data=data)]
    try:
        form = await PhotoForm(request.headers, request.stream(), limits=limits).parse()
    except MultiPartException as error:
        raise HTTPException(400, error.message) from error
    try:
        parts = form.multi_items()
        values = [value for _, value in parts if isinstance(value, UploadFile)]
        others = [name for name, value in parts if not isinstance(value, UploadFile)]
        if others:
            raise HTTPException(
                400, f"field '{others[0]}' is no file; the bundle is chosen in the address: ?model=NAME"
            )
        uploads = [
            Upload(name=printable(file.filename or f"photo {number}"), data=await file.read())
            for number, file in enumerate(values, start=1)
        ]
    finally:
        await form.close()
    if not uploads:
        raise HTTPException(422, "the form holds no file; send photos in a field named 'photos'")
    return uploads
