"""Read the photos of a request.

In:  a request: multipart/form-data with any number of files, or the bytes of one photo.
Out: uploads, in memory: nothing is written to a disk, so a full one stops no upload. A refusal where there
     are none or too many.
"""

from collections.abc import AsyncIterable
from typing import TYPE_CHECKING

from fastapi import Request
from python_multipart.multipart import MultipartParser, parse_options_header

from manylabel.io.files import printable
from manylabel.serving.limits import Refusal, ServeLimits, quoted
from manylabel.serving.served import Upload

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

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

_MAX_HEAD_BYTES = 16_000


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


async def read_form(content_type: str, pieces: AsyncIterable[bytes], *, most_files: int) -> list[Upload]:
    """Read all files of a form.

    Args:
        content_type: The header of the request.
        pieces: The body.
        most_files: How many files the form may hold.

    Raises:
        Refusal: 400: the form is malformed or cut off, or holds something else than files, or too many.
    """
    parts = _Parts(most_files=most_files)
    try:
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise Refusal(400, "the form has no boundary: its Content-Type must name one")
        parser = MultipartParser(boundary, parts.callbacks())
        async for piece in pieces:
            parser.write(piece)
    except ValueError as error:
        raise Refusal(400, f"the form is malformed: {error}") from error
    if not parts.have_ended:
        raise Refusal(
            400, "the form ends without its closing boundary, so a part of it is missing; send it again"
        )
    return parts.files


class _Parts:
    """The parts of a form, as a parser finds them.

    It has no reference to the parser: a cycle would keep photos in memory.

    Args:
        most_files: How many files the form may hold.
    """

    def __init__(self, *, most_files: int) -> None:
        """Start with nothing read."""
        self.files: list[Upload] = []
        self.have_ended = False
        self._most_files = most_files
        self._begin_part()

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._add_to_header_name,
            "on_header_value": self._add_to_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_head,
            "on_part_data": self._add_content,
            "on_part_end": self._end_part,
            "on_end": self._end_form,
        }

    def _begin_part(self) -> None:
        self._n_head_bytes = 0
        self._header_name = self._header_value = b""
        self._disposition = b""
        self._name = ""
        self._content = bytearray()

    def _add_to_header_name(self, data: bytes, start: int, end: int) -> None:
        self._count_head(end - start)
        self._header_name += data[start:end]

    def _add_to_header_value(self, data: bytes, start: int, end: int) -> None:
        self._count_head(end - start)
        self._header_value += data[start:end]

    def _count_head(self, n_bytes: int) -> None:
        self._n_head_bytes += n_bytes
        if self._n_head_bytes > _MAX_HEAD_BYTES:
            raise Refusal(400, f"a part of the form has headers of more than {_MAX_HEAD_BYTES} bytes")

    def _end_header(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def _end_head(self) -> None:
        """Take the name of a file from the headers of its part."""
        options = parse_options_header(self._disposition)[1]
        plain = self._disposition.lower().replace(b" ", b"")
        # RFC 7578, section 4.2, forbids filename*=, and some parsers read past it.
        if b";filename*" in plain and b";filename=" not in plain:
            raise Refusal(
                400,
                'a part names its file by filename*= alone, which a form may not do; send filename="NAME", '
                "the name in UTF-8",
            )
        if b"filename" not in options:
            field = quoted(_decode(options.get(b"name", b"")))
            raise Refusal(400, f"field {field} is not a file; the bundle is chosen in the URL: ?model=NAME")
        if len(self.files) == self._most_files:
            raise Refusal(400, f"a request may have at most {self._most_files} photos; send fewer")
        self._name = _decode(options[b"filename"])

    def _add_content(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]

    def _end_part(self) -> None:
        name = printable(self._name or f"photo {1 + len(self.files)}")
        self.files.append(Upload(name=name, data=bytes(self._content)))
        self._content = bytearray()

    def _end_form(self) -> None:
        self.have_ended = True


def _decode(name: bytes) -> str:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")
