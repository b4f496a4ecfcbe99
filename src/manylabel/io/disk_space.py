"""Find room on a disk for what took long to make.

In:  how large it is, what writes it.
Out: an error before anything is written, or a folder on another disk that holds it.
"""

import errno
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from manylabel.errors import OutputError
from manylabel.io.cache import default_cache

_logger = logging.getLogger(__name__)


def check_room(folder: Path, n_bytes: int) -> None:
    """Check that a disk has room, before anything is written.

    Args:
        folder: Any folder on the disk.
        n_bytes: How much is needed.

    Raises:
        OSError: There is less.
    """
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        needed = f"{n_bytes / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free"
        raise OSError(errno.ENOSPC, f"not enough room on the disk: {needed}")


def keep_elsewhere(fill: Callable[[Path], None], *, name: str) -> Path | None:
    """Write files into a new folder of the user's cache, else of the folder for temporary files.

    Args:
        fill: Writes them into an empty folder; raises OSError or OutputError where it cannot.
        name: Part of the name of the folder.

    Returns:
        The folder; None where no disk has room.
    """
    for place in _places():
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"manylabel-{name}-", dir=place))
            if _is_filled(folder, fill):
                return folder
    return None


def _places() -> Iterator[Path]:
    yield default_cache()
    with suppress(OSError):
        yield Path(tempfile.gettempdir())


def _is_filled(folder: Path, fill: Callable[[Path], None]) -> bool:
    try:
        fill(folder)
    except (OSError, OutputError) as error:
        _logger.info("%s: has no room for it, either: %s", folder.parent, error)
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True
