"""Photos at addresses are read, and what hinders that is told."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import fsspec
import pytest
from PIL import Image

from manylabel.data.photos import read_photos
from manylabel.data.remote import RemotePhoto, check_scheme, is_remote
from manylabel.errors import InputError, MissingExtraError, PhotoError


def to_png(color: str) -> bytes:
    """Return a small photo of one color."""
    file = BytesIO()
    Image.new("RGB", (8, 6), color).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Serve a folder with one photo on this machine, and return its address."""
    (tmp_path / "red.png").write_bytes(to_png("red"))
    handler = partial(_Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *values: object) -> None:
        """Log nothing."""


def test_photos_are_read_from_memory_and_from_a_server(address: str) -> None:
    with fsspec.open("memory://photos/blue.png", "wb") as file:
        file.write(to_png("blue"))
    given = [RemotePhoto("memory://photos/blue.png"), RemotePhoto(f"{address}/red.png")]
    photos = [photo for photo in read_photos(given, side_px=None) if isinstance(photo, Image.Image)]
    assert [photo.getpixel((0, 0)) for photo in photos] == [(0, 0, 255), (255, 0, 0)]


def test_a_photo_that_is_not_there_is_told(address: str) -> None:
    for url in ("memory://nothing.png", f"{address}/nothing.png"):
        with pytest.raises(PhotoError, match="there is no such file") as told:
            RemotePhoto(url).read()
        assert told.value.name == url


def test_a_server_that_does_not_answer_is_asked_again_and_then_told(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = list[float]()
    monkeypatch.setattr("time.sleep", waits.append)
    with pytest.raises(PhotoError, match=r"http://127\.0\.0\.1:9/a\.jpg: cannot be downloaded: .*"):
        RemotePhoto("http://127.0.0.1:9/a.jpg").read()
    assert waits == [0.5, 2.0]


def test_a_photo_that_comes_at_the_second_attempt_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = [TimeoutError("slow")]

    def answer(self: RemotePhoto) -> bytes:
        if errors:
            raise errors.pop()
        return b"photo"

    monkeypatch.setattr(RemotePhoto, "_read", answer)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert RemotePhoto("memory://a.jpg").read() == b"photo"


def test_a_damaged_photo_keeps_its_address() -> None:
    with fsspec.open("memory://photos/bad.png", "wb") as file:
        file.write(b"no photo")
    (problem,) = read_photos([RemotePhoto("memory://photos/bad.png")], side_px=None)
    assert isinstance(problem, PhotoError)
    assert problem.name == "memory://photos/bad.png"


def test_a_storage_that_is_not_known_is_told() -> None:
    with pytest.raises(InputError, match="nowhere:// URLs are not supported; fsspec does not know"):
        check_scheme("nowhere")


def test_a_missing_library_of_a_storage_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(scheme: str) -> None:
        raise ImportError(f"Please install the library for {scheme}")

    check_scheme.cache_clear()
    monkeypatch.setattr(fsspec, "get_filesystem_class", missing)
    with pytest.raises(
        InputError, match="s3:// URLs need another library: Please install the library for s3"
    ):
        RemotePhoto("s3://bucket/a.jpg").read()
    with pytest.raises(MissingExtraError, match="Reading photos from URLs needs the extra 'remote'"):
        RemotePhoto("https://example.org/a.jpg").read()
    check_scheme.cache_clear()


def test_a_path_is_no_address() -> None:
    assert not is_remote("C:/a.jpg")
    assert not is_remote("C://a.jpg")
    assert not is_remote("a/b.jpg")
    assert is_remote("https://example.org/a.jpg")
