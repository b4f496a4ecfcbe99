"""Take photos out of a request.

In:  a request: multipart/form-data with any number of files, or the bytes of one photo.
Out: uploads; a refusal where there are none or too many.
"""

from fastapi import Request

from manylabel.serving.forms import read_form
from manylabel.serving.refusals import Refusal
from manylabel.serving.served import Upload
from manylabel.serving.settings import ServeLimits

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
        Refusal: 400 where the form is malformed or holds something else than a few files, 422 where there is
            no photo.
    """
    kind = request.headers.get("content-type", "")
    if not kind.lower().startswith("multipart/form-data"):
        data = await request.body()
        if not data:
            raise Refusal(422, "the body is empty; send a photo, or several as multipart/form-data")
        return [Upload(name="photo", data=data)]
    uploads = await read_form(kind, request.stream(), most_files=limits.photos)
    if not uploads:
        raise Refusal(422, "the form holds no file; send photos in a field named 'photos'")
    return uploads
