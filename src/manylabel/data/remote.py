"""Read photos that are not on this machine.

In:  a URL that fsspec knows, such as s3://bucket/a.jpg, gs://..., hf://... or https://...
Out: the bytes of the photo, or a ``PhotoError`` that says why it cannot be read.
"""

import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

from manylabel.errors import InputError, MissingExtraError, PhotoError, needs_extra

_N_ATTEMPTS = 3
_SECONDS_BEFORE_RETRY = 0.5


@dataclass(frozen=True)
class RemotePhoto:
    """A photo at a URL.

    Attributes:
        url: The URL.
    """

    url: str

    @property
    def scheme(self) -> str:
        """Return how it is reached, e.g. ``"s3"``."""
        return self.url.partition("://")[0].lower()

    def read(self) -> bytes:
        """Return the whole file, in one request where the storage allows it.

        Raises:
            PhotoError: It is missing, or its storage is not known or does not answer.
            MissingExtraError: fsspec, or what it needs for HTTP, is not installed.
        """
        try:
            check_scheme(self.scheme)
        except InputError as error:
            raise PhotoError(self.url, str(error)) from error
        for n_left in reversed(range(_N_ATTEMPTS)):
            try:
                return self._read()
            except FileNotFoundError as error:
                raise PhotoError(self.url, "there is no such file") from error
            except Exception as error:  # every storage has errors of its own
                if not n_left:
                    reason = str(error) or type(error).__name__
                    raise PhotoError(self.url, f"cannot be downloaded: {reason}") from error
                time.sleep(_SECONDS_BEFORE_RETRY * (_N_ATTEMPTS - n_left) ** 2)
        raise AssertionError("the last attempt returns or raises")

    def _read(self) -> bytes:
        import fsspec  # not at the top: few photos need it

        storage, path = fsspec.url_to_fs(self.url)
        return bytes(storage.cat_file(path))


def is_remote(name: str) -> bool:
    """Tell whether a name is a URL and not the path of a file.

    Examples:
        >>> is_remote("s3://bucket/a.jpg"), is_remote("2024/a.jpg"), is_remote("C:/a.jpg")
        (True, False, False)
    """
    scheme, separator, _ = name.partition("://")
    return bool(separator) and len(scheme) > 1 and scheme.replace("+", "").replace("-", "").isalnum()


@cache
def check_scheme(scheme: str) -> None:
    """Check that this machine can read URLs of a kind.

    Args:
        scheme: How they are reached, e.g. ``"s3"``.

    Raises:
        MissingExtraError: fsspec, or what it needs for HTTP, is not installed.
        InputError: The protocol is unknown, or its library is not installed.
    """
    with needs_extra("Reading photos from URLs", "remote"):
        import fsspec
    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        if scheme in ("http", "https"):
            raise MissingExtraError("Reading photos from URLs", "remote") from error
        raise InputError(f"{scheme}:// URLs need another library: {error}") from error
    except ValueError as error:
        raise InputError(f"{scheme}:// URLs are not supported; fsspec does not know this protocol") from error


@dataclass(frozen=True)
class NoPhoto:
    """An empty cell of a list: a row without a photo."""

    url: ClassVar[str] = ""

    def read(self) -> bytes:
        """Raise a PhotoError."""
        raise PhotoError(self.url, "the path is empty")


Photo = Path | RemotePhoto | NoPhoto
"""A photo file, the URL of one, or none."""


def locate_photo(name: str, *, folder: Path = Path()) -> Photo:
    """Return where a photo is that a list names.

    Args:
        name: A path, a URL, or nothing.
        folder: The folder that relative paths start from.

    Examples:
        >>> locate_photo("s3://bucket/a.jpg"), locate_photo(" ")
        (RemotePhoto(url='s3://bucket/a.jpg'), NoPhoto())
    """
    if not name.strip():
        return NoPhoto()
    return RemotePhoto(name) if is_remote(name) else folder / name
