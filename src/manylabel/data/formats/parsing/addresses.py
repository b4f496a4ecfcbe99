"""Take file names out of the addresses that annotation tools write.

In:  an address: a URL, a place in cloud storage, the name of an upload; or just a file name.
Out: the file names that it may stand for.
"""

import base64
import re
from urllib.parse import parse_qs, unquote

from manylabel.data.find import is_photo_name

_SCHEME = re.compile(r"((?:[^:]*/)?)([A-Za-z][A-Za-z0-9+.-]+):/+")
"""Of two letters or more, as "C:/" is a drive; the name of a part's folder may stand before it."""

_UPLOAD_PREFIX = re.compile(r"(?:^|(?<=[/\\]))[0-9a-f]{8}-(?=[^/\\]+$)")
_DATE_PREFIX = re.compile(r"(?:19|20)\d\d(?:0\d|1[0-2])[0-3]\d-")
_LOST_IN_UPLOADS = re.compile(r"[^-\w.]")


def list_addressed_names(address: str) -> tuple[str, ...]:
    """List the file names that an address may stand for, the likeliest first.

    A name that is no address comes first as it is written.

    Args:
        address: A URL, whose query is no part of the file's name; ``s3://`` and its like; the addresses
            under which Label Studio serves files: ``?d=FILE``, ``?fileuri=`` with an address in base64.

    Examples:
        >>> list_addressed_names("https://example.org/lake/a%20b.jpg?size=2")
        ('example.org/lake/a%20b.jpg', 'example.org/lake/a b.jpg')
        >>> list_addressed_names("/data/local-files/?d=lake/a%20b.jpg")
        ('lake/a b.jpg',)
        >>> list_addressed_names("/tasks/0/resolve/?fileuri=czM6Ly9iL2EuanBn")
        ('b/a.jpg',)
        >>> list_addressed_names("a.jpg")
        ('a.jpg',)
    """
    inner = _find_inner(address)
    return _list_names(address) if inner is None else _list_names(inner)


def _find_inner(address: str) -> str | None:
    """Return the address inside of an address: what Label Studio serves is named in the query."""
    path, _, query = address.partition("?")
    if not query or is_photo_name(path):
        return None
    fields = parse_qs(query)
    if "fileuri" in fields:
        return _decode_base64(fields["fileuri"][0])
    return fields["d"][0] if "d" in fields else None


def _decode_base64(text: str) -> str:
    """Decode an address; one that is written as it is stays so."""
    coded = text.replace(" ", "+").replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True).decode()
    except ValueError:
        return text


def _list_names(address: str) -> tuple[str, ...]:
    scheme = _SCHEME.match(address)
    path = address[scheme.end() :] if scheme else address
    is_web = scheme is not None and scheme[2].lower() in ("http", "https")
    bare = _cut_query(path, is_web=is_web)
    # Names on a disk and in cloud storage may hold any sign, those of the web are coded.
    names = [bare] if is_web else [path, bare]
    if scheme and scheme[1]:
        names = [f"{scheme[1]}{name.rpartition('/')[2]}" for name in names] + names
    return tuple(dict.fromkeys([*names, *(unquote(name) for name in names)]))


def _cut_query(path: str, *, is_web: bool) -> str:
    before = re.split(r"[?#]", path, maxsplit=1)[0]
    return before if is_web or is_photo_name(before) else path


def cut_upload_prefix(name: str) -> str:
    """Cut the eight digits that Label Studio puts before the name of an upload; a date stays.

    Examples:
        >>> cut_upload_prefix("data/upload/1/0a1b2c3d-boat.jpg"), cut_upload_prefix("20240131-boat.jpg")
        ('data/upload/1/boat.jpg', '20240131-boat.jpg')
    """
    prefix = _UPLOAD_PREFIX.search(name)
    if prefix is None or _DATE_PREFIX.match(prefix[0]):
        return name
    return name[: prefix.start()] + name[prefix.end() :]


def name_as_upload(name: str) -> str:
    """Write a file name as Label Studio and other servers do for an upload.

    Examples:
        >>> name_as_upload("my photo (1).jpg")
        'my_photo_1.jpg'
    """
    return _LOST_IN_UPLOADS.sub("", name.strip().replace(" ", "_"))
