"""Take photos out of a request.

In:  a request: multipart/form-data with any number of files, or the bytes of one photo.
Out: uploads; an HTTP error where there are none or too many.
"""

from fastapi import HTTPException, Request
from starlette.datastructures import UploadFile

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
    async with request.form(max_files=limits.photos, max_fields=_MOST_FIELDS) as form:
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
    if not uploads:
        raise HTTPException(422, "the form holds no file; send photos in a field named 'photos'")
    return uploads
