"""Look at the files of a bundle before anything opens them: anybody may have made them.

In:  the folder of a bundle, the name of a file in it.
Out: nothing, or an error in words; the values of a JSON file.
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
# How the cache of Hugging Face's library keeps a file of a repository: under its hash, beside all versions.
_BLOB = re.compile(r"(?:\.\./)+blobs/[0-9a-f]{40,64}")
_KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}


def check_plain(folder: Path, name: str) -> None:
    """Refuse what is not a plain file, without opening it: a pipe may block for ever, a link lead anywhere.

    The links of Hugging Face's own cache lead into that cache and are let pass.

    Args:
        folder: The bundle; itself it may be a link.
        name: Path of a file in it, with forward slashes. Where nothing lies there, nothing is refused.

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
                f"{path}: is a symbolic link, which could lead to any file of this machine; "
                "put a copy of what it leads to in its place"
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
    """Refuse a file that is read as a whole and is larger than any that a bundle has.

    Raises:
        OSError: It cannot be asked for its size.
        BundleError: It is too large.
    """
    n_bytes = path.stat().st_size
    if n_bytes > _MOST_TEXT_BYTES:
        raise BundleError(
            f"{path}: has {n_bytes / 1e6:.0f} MB, at most {_MOST_TEXT_BYTES / 1e6:.0f} MB are read"
        )


def read_json(path: Path) -> Any:
    """Read a JSON file of a bundle.

    Args:
        path: A plain file.

    Raises:
        FileNotFoundError: There is none.
        NotADirectoryError: Its folder is a file.
        BundleError: It cannot be read or is too large, or holds a number that no bundle has, such as 1e999.
    """
    try:
        check_size(path)
        return json.loads(
            path.read_text(encoding="utf-8"),
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
    raise ValueError(f"{shown} is no number that a bundle may hold")
