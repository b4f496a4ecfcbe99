"""Read photos that are not on this machine.

In:  an address that fsspec knows, such as s3://bucket/a.jpg, gs://..., hf://... or https://...
Out: the bytes of the photo, or a ``PhotoError`` that says why it cannot be read.
"""

from dataclasses import dataclass

from manylabel.errors import MissingExtraError, PhotoError, needs_extra


@dataclass(frozen=True)
class RemotePhoto:
    """A photo at an address.

    Attributes:
        url: The address.
    """

    url: str

    @property
    def scheme(self) -> str:
        """Return how it is reached, e.g. ``"s3"``."""
        return self.url.partition("://")[0].lower()

    def read(self) -> bytes:
        """Return the whole file, in one request where the storage allows it.

        Raises:
            PhotoError: It is missing, or its storage does not answer.
        """
        import fsspec  # not at the top: few photos need it

        try:
            storage, path = fsspec.url_to_fs(self.url)
            return bytes(storage.cat_file(path))
        except FileNotFoundError as error:
            raise PhotoError(self.url, "there is no such file") from error
        except Exception as error:  # every storage has errors of its own
            raise PhotoError(self.url, f"cannot be reached: {str(error) or type(error).__name__}") from error


def is_remote(name: str) -> bool:
    """Tell whether a name is an address and not the path of a file.

    Examples:
        >>> is_remote("s3://bucket/a.jpg"), is_remote("2024/a.jpg"), is_remote("C:/a.jpg")
        (True, False, False)
    """
    scheme, separator, _ = name.partition("://")
    return bool(separator) and len(scheme) > 1 and scheme.replace("+", "").replace("-", "").isalnum()


def check_remote(photo: RemotePhoto) -> None:
    """Check, before any photo is read, that this machine can reach addresses of its kind.

    Raises:
        MissingExtraError: fsspec, or the library of that storage, is not installed.
        PhotoError: No storage is known by that name.
    """
    with needs_extra("Reading photos from addresses", "remote"):
        import fsspec
    try:
        fsspec.get_filesystem_class(photo.scheme)
    except ImportError as error:
        raise MissingExtraError(f"Reading {photo.scheme}:// addresses ({error})", "remote") from error
    except ValueError as error:
        raise PhotoError(photo.url, f"no storage is known for {photo.scheme}:// addresses") from error
