"""Forms: which files are in them, and what is told about those that are cut off or malformed."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from manylabel.serving import uploads
from manylabel.serving.limits import Refusal
from manylabel.serving.served import Upload
from manylabel.serving.uploads import read_form

KIND = "multipart/form-data; boundary=x"


def part_of(head: str, content: bytes = b"photo") -> bytes:
    """Return a part of a form."""
    return f"--x\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"


FORM = (
    part_of('name="photos"; filename="a.jpg"', b"first")
    + part_of('filename="b.jpg"', b"\r\n--second")
    + b"--x--\r\n"
)


def read(body: bytes, *, kind: str = KIND, n_bytes: int = 10**9, most_files: int = 8) -> list[Upload]:
    """Read a form that comes in pieces of some bytes."""

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), n_bytes):
            yield body[start : start + n_bytes]

    return asyncio.run(read_form(kind, pieces(), most_files=most_files))


@pytest.mark.parametrize("n_bytes", [1, 2, 3, 7, 50, 1000])
def test_files_are_the_same_in_whatever_pieces_they_come(n_bytes: int) -> None:
    files = read(FORM, n_bytes=n_bytes)
    assert [(file.name, file.data) for file in files] == [("a.jpg", b"first"), ("b.jpg", b"\r\n--second")]


@pytest.mark.parametrize("n_kept", range(len(FORM) - 2))
def test_a_form_that_is_cut_off_anywhere_is_told(n_kept: int) -> None:
    with pytest.raises(Refusal, match="the form ends without its closing boundary") as told:
        read(FORM[:n_kept])
    assert told.value.status == 400


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (FORM, "multipart/form-data", "the form has no boundary"),
        (FORM, "multipart/form-data; boundary=", "the form has no boundary"),
        (b"rubbish", KIND, "the form is malformed"),
        (b"--x\r\nno colon\r\n\r\n", KIND, "the form is malformed"),
        (
            part_of('name="model"', b"other"),
            KIND,
            "field 'model' is not a file; the bundle is chosen in the URL",
        ),
        (b"--x\r\nContent-Type: image/png\r\n\r\n", KIND, "field '' is not a file"),
        (part_of("name=\"a\"; filename*=UTF-8''a.png"), KIND, r"names its file by filename\*= alone"),
        (
            part_of(f'name="a"; filename="{"a" * 20_000}"'),
            KIND,
            "the form is malformed|headers of more than 16000",
        ),
        (9 * part_of('name="a"; filename="a"'), KIND, "a request may have at most 8 photos; send fewer"),
    ],
)
def test_a_form_that_holds_no_photos_is_told(body: bytes, kind: str, said: str) -> None:
    with pytest.raises(Refusal, match=said) as told:
        read(body, kind=kind)
    assert told.value.status == 400


@pytest.mark.parametrize(
    ("head", "name"),
    [
        ('filename="h\u1ed3.jpg"', "h\u1ed3.jpg"),
        ("filename=a.jpg; filename*=UTF-8''b.jpg", "a.jpg"),
        ('filename=""', "photo 1"),
        ('filename="C:\\\\photos\\\\a.jpg"', "a.jpg"),
    ],
)
def test_a_file_is_called_as_the_form_says(head: str, name: str) -> None:
    (file,) = read(part_of(head) + b"--x--\r\n")
    assert file.name == name


def test_a_name_that_is_no_text_is_shown_all_the_same() -> None:
    body = b'--x\r\nContent-Disposition: form-data; filename="\xff.jpg"\r\n\r\n\r\n--x--\r\n'
    (file,) = read(body)
    assert file.name == "\xff.jpg"


def test_a_form_that_was_read_leaves_nothing_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[weakref.ref[object]] = []

    class Watched(uploads._Parts):
        def __init__(self, *, most_files: int) -> None:
            super().__init__(most_files=most_files)
            made.append(weakref.ref(self))

    monkeypatch.setattr(uploads, "_Parts", Watched)
    gc.disable()
    try:
        read(FORM)
        assert [part() for part in made] == [None]
    finally:
        gc.enable()
