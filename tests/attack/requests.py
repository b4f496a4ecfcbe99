"""Draw requests that nobody would send on purpose.

In:  a seed.
Out: the bytes of a request, and how its client behaves after it.
"""

import io
import random
from dataclasses import dataclass
from typing import Literal

from PIL import Image

_METHODS = (
    "GET",
    "POST",
    "POST",
    "POST",
    "HEAD",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "X" * 400,
)
_PATHS = (
    *("/", "/health", "/metrics", "/labels", "/openapi.json", "/predict", "/predict", "/predict", "/predict"),
    *(
        "/predict?previews=true",
        "/predict?previews=maybe",
        "/predict?model=none",
        "/predict?model=%00&model=first",
    ),
    *(
        "/explain?label=circle",
        "/explain?label=circle&layer=true",
        "/explain",
        "/explain?label=%ff",
        "/explain?label=circle&layer=9",
    ),
    *(
        "/static/main.js",
        "/static/",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/%00",
        "/static/" + "a" * 5000,
    ),
    *(
        "/docs",
        "/labels/",
        "//labels",
        "/labels?model=" + "x" * 9000,
        "/%E2%82",
        "/..",
        "*",
        "http://evil.example/labels",
        "/?%%%",
    ),
)
_KINDS = (
    *(
        "image/png",
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "MULTIPART/FORM-DATA; boundary=x",
    ),
    *(6 * ("multipart/form-data; boundary=x",)),
    *(
        "multipart/form-data; boundary=" + "x" * 300,
        'multipart/form-data; boundary="x"',
        "multipart/form-data; boundary=\xff\xfe",
    ),
    *(
        "multipart/form-data; boundary=x; charset=punycode",
        "multipart/mixed; boundary=x",
        "application/x-www-form-urlencoded",
    ),
)
_HEADERS = (
    "Origin: http://evil.example",
    "Origin: null",
    "Origin: http://localhost",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Site: same-origin",
    "Authorization: Bearer x",
    "Authorization: Basic \xff",
    "Authorization: Bearer",
    "X-Request-ID: a\tb",
    "X-Request-ID: " + "x" * 3000,
    "Expect: 100-continue",
    "Expect: the-impossible",
    "Connection: close",
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Upgrade: h2c",
    "Range: bytes=0-1",
    "Range: bytes=9-1,-5",
    "If-None-Match: *",
    "Accept-Encoding: gzip, br",
    "Cookie: " + "a=b; " * 500,
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: https",
    "Forwarded: host=evil.example",
    "Transfer-Encoding: gzip",
    "TE: trailers",
    "Content-Encoding: gzip",
    "Content-Length: 5",
    "Host: evil.example",
    "X\x00Y: z",
    "No colon",
    " folded",
    "X: " + "\x80" * 50,
)
_HOSTS = (
    "localhost",
    "localhost",
    "localhost",
    "127.0.0.1:8000",
    "[::1]",
    "evil.example",
    "",
    "a b",
    "localhost:99999999",
    "\xff",
)
_HEADS = (
    'name="photos"; filename="a.png"',
    'name="photos"; filename="a.png"',
    'filename="\u1ed3\u202e.png"',
    "name=\"photos\"; filename*=UTF-8''a.png",
    'name="photos"',
    'name="photos"; filename="' + "x" * 3000 + '"',
    'name=; filename=";;"',
    "",
)
_PART_HEADERS = (
    "",
    "Content-Type: image/png\r\n",
    "X: y\r\n" * 30,
    "Content-Transfer-Encoding: base64\r\n",
    "X\r\n",
)
_FORM_ENDS = (b"--x--\r\n", b"--x--", b"--x", b"", b"--x--\r\nmore", b"--x--\r\n--x--\r\n", b"--y--\r\n")
_CHUNK_ENDS = (
    b"0\r\n\r\n",
    b"",
    b"0\r\nTrailer: x\r\n\r\n",
    b"ffffffffffff\r\n",
    b"-1\r\n\r\n",
    b"0;x=y\r\n\r\n",
)
_USUAL_KINDS = ("image/png", "multipart/form-data; boundary=x", "multipart/form-data; boundary=x")
_PARTS = ("method", "path", "host", "kind", "length", "headers", "body", "body", "body", "bytes", "end")

End = Literal["waits", "sends no more", "goes"]


@dataclass(frozen=True)
class Attack:
    """A request, and what its client does then.

    Attributes:
        request: The bytes.
        n_pieces: In how many parts they are sent.
        end: Whether the client waits for an answer, says that it sends no more, or goes.
    """

    request: bytes
    n_pieces: int
    end: End


def draw_attack(seed: int) -> Attack:
    """Draw a request that is usual but for one part or some."""
    chance = random.Random(seed)
    odd = frozenset(chance.sample(_PARTS, chance.choice((0, 1, 1, 2, 3))))
    request = _draw_request(chance, odd)
    if "bytes" in odd:
        for _ in range(chance.choice((1, 1, 3))):
            spot = chance.randrange(len(request) + 1)
            request = (
                request[:spot] + chance.randbytes(chance.randrange(4)) + request[spot + chance.randrange(4) :]
            )
    if "end" in odd:
        request = request[: chance.randrange(len(request) + 1)]
    end: End = chance.choice((*(8 * ("sends no more",)), "waits", "goes"))
    return Attack(request=request, n_pieces=chance.choice((1, 1, 1, 2, 5)), end=end)


def _draw_request(chance: random.Random, odd: frozenset[str]) -> bytes:
    usual = chance.choice(
        ("GET /labels", "GET /", *(5 * ("POST /predict",)), *(2 * ("POST /explain?label=circle",)))
    )
    method, path = usual.split(" ")
    method = chance.choice(_METHODS) if "method" in odd else method
    path = chance.choice(_PATHS) if "path" in odd else path
    kind = chance.choice(_KINDS) if "kind" in odd else chance.choice(_USUAL_KINDS)
    body = (
        _draw_body(chance, is_form="multipart" in kind.lower(), is_odd="body" in odd)
        if method != "GET"
        else b""
    )
    lines = [f"{method} {path} HTTP/1.{chance.choice((0, 1, 9)) if 'method' in odd else 1}"]
    lines += [f"Host: {chance.choice(_HOSTS) if 'host' in odd else 'localhost'}"]
    lines += [f"Content-Type: {kind}"] if kind and body else []
    if "length" in odd:
        lines.append(f"Content-Length: {chance.choice((0, 1, 10 * len(body), 10**9, 10**30, -1))}")
    elif chance.random() < 0.2:
        lines.append("Transfer-Encoding: chunked")
        body = _in_chunks(chance, body, is_odd="body" in odd)
    elif body:
        lines.append(f"Content-Length: {len(body)}")
    lines += chance.sample(_HEADERS, chance.choice((1, 1, 2, 4))) if "headers" in odd else []
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _draw_body(chance: random.Random, *, is_form: bool, is_odd: bool) -> bytes:
    if not is_form:
        return _draw_photo(chance, is_odd=is_odd)
    parts = []
    for _ in range(chance.choice((0, 1, 2, 3, 12)) if is_odd else chance.choice((1, 1, 2))):
        head = f"--x\r\nContent-Disposition: form-data; {chance.choice(_HEADS) if is_odd else _HEADS[0]}\r\n"
        head += chance.choice(_PART_HEADERS) if is_odd else ""
        parts.append(head.encode() + b"\r\n" + _draw_photo(chance, is_odd=is_odd) + b"\r\n")
    return b"".join(parts) + (chance.choice(_FORM_ENDS) if is_odd else b"--x--\r\n")


def _draw_photo(chance: random.Random, *, is_odd: bool) -> bytes:
    if is_odd and chance.random() < 0.2:
        return chance.randbytes(chance.choice((0, 1, 50, 3000)))
    file = io.BytesIO()
    form = chance.choice(("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"))
    side_px = chance.choice((1, 20, 20, 60, 200))
    Image.new("RGB", (side_px, chance.choice((1, side_px))), (chance.randrange(256), 9, 200)).save(file, form)
    photo = bytearray(file.getvalue())
    for _ in range(chance.randrange(6) if is_odd else 0):
        photo[chance.randrange(len(photo))] = chance.randrange(256)
    return bytes(photo[: chance.randrange(len(photo))] if is_odd and chance.random() < 0.2 else photo)


def _in_chunks(chance: random.Random, body: bytes, *, is_odd: bool) -> bytes:
    size = chance.choice((1000, 300_000, 7)) if len(body) < 20_000 else 300_000
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    lines = [f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks]
    return b"".join(lines) + (chance.choice(_CHUNK_ENDS) if is_odd else b"0\r\n\r\n")
