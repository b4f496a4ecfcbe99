"""Check the files of a bundle, which anyone may have made, before they are opened.

In:  the folder of a bundle, the name of a file in it.
Out: nothing, or an error; the values of a JSON file.
"""

import json
import math
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from manylabel.errors import BundleError

_MOST_TEXT_BYTES = 256_000_000
_MOST_DIGITS = 18
_SHOWN = 20
# A file in the cache of the Hugging Face library: it is named after its hash, beside all versions.
_BLOB = re.compile(r"(?:\.\./)+blobs/[0-9a-f]{40,64}")
_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}


def check_plain(folder: Path, name: str) -> None:
    """Refuse anything but a plain file, without opening it: a pipe may block, a link may lead anywhere.

    The links in the cache of Hugging Face lead into that cache and are accepted.

    Args:
        folder: The bundle; it may itself be a link.
        name: Path of a file in it, with forward slashes. It need not exist.

    Raises:
        BundleError: The file, or a folder on the way to it, is a link, a pipe or a device.
    """
    for path in _steps(folder, name):
        try:
            kind = stat.S_IFMT(path.lstat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError) as error:
            raise BundleError(f"{path}: cannot be read: {error}") from error
        if kind == stat.S_IFLNK and not _is_hub_link(folder, path):
            raise BundleError(
                f"{path}: is a symbolic link, which could lead to any file on this machine; "
                "replace it by a copy of its target"
            )
        if kind not in (stat.S_IFLNK, stat.S_IFREG, stat.S_IFDIR):
            raise BundleError(f"{path}: is {_KINDS.get(kind, 'a device')}, expected a file")


def _steps(folder: Path, name: str) -> Iterator[Path]:
    path = folder
    for part in PurePosixPath(name).parts:
        path = path / part
        yield path


def _is_hub_link(folder: Path, path: Path) -> bool:
    target = path.readlink()
    is_of_hub = folder.resolve().parent.name == "snapshots" and _BLOB.fullmatch(target.as_posix()) is not None
    blob = path.parent / target
    return is_of_hub and blob.is_file() and not blob.is_symlink()


def check_size(path: Path) -> None:
    """Refuse a file that is read as a whole and is larger than any file of a bundle.

    Raises:
        OSError: Its size cannot be read.
        BundleError: It is too large.
    """
    n_bytes = path.stat().st_size
    if n_bytes > _MOST_TEXT_BYTES:
        raise BundleError(
            f"{path}: is {n_bytes / 1e6:.0f} MB large, at most {_MOST_TEXT_BYTES / 1e6:.0f} MB are read"
        )


def read_json(path: Path) -> Any:
    """Read a JSON file of a bundle.

    Args:
        path: A plain file.

    Raises:
        FileNotFoundError: There is none.
        NotADirectoryError: Its folder is a file.
        BundleError: It cannot be read, is too large, or contains a number that no bundle has, such as 1e999.
    """
    try:
        check_size(path)
        text = path.read_text(encoding="utf-8")
        if not text.strip():
            raise ValueError("it is empty")
        return json.loads(
            text,
            parse_float=_read_float,
            parse_int=_read_whole,
            parse_constant=_refuse_number,
        )
    except (FileNotFoundError, NotADirectoryError):
        raise
    except RecursionError as error:
        raise BundleError(f"{path}: cannot be read: its brackets are nested too deeply") from error
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error


def _read_float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_number(text)


def _read_whole(text: str) -> int:
    return int(text) if len(text.lstrip("-")) <= _MOST_DIGITS else _refuse_number(text)


def _refuse_number(text: str) -> NoReturn:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    raise ValueError(f"{shown} is not a valid number in a bundle")
