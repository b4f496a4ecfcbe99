"""Write files to a disk that has room, when the one that the user chose is full.

In:  what writes the files.
Out: a folder in the user's cache or among temporary files; none if no disk has room.
"""

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from manylabel.errors import OutputError
from manylabel.io.cache import default_cache

_logger = logging.getLogger(__name__)


def keep_elsewhere(fill: Callable[[Path], None], *, name: str) -> Path | None:
    """Write files to a new folder in the user's cache or, if that is full, in the folder for temporary files.

    Args:
        fill: Writes the files to an empty folder; raises OSError or OutputError if it cannot.
        name: Part of the name of the folder.

    Returns:
        The folder; None if no disk has room.
    """
    for parent in _spare_folders():
        with suppress(OSError):
            parent.mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=f"manylabel-{name}-", dir=parent))
            if _is_filled(folder, fill):
                return folder
    return None


def _spare_folders() -> Iterator[Path]:
    yield default_cache()
    with suppress(OSError):
        yield Path(tempfile.gettempdir())


def _is_filled(folder: Path, fill: Callable[[Path], None]) -> bool:
    try:
        fill(folder)
    except (OSError, OutputError) as error:
        _logger.info("%s: has no room for it either: %s", folder.parent, error)
        shutil.rmtree(folder, ignore_errors=True)
        return False
    return True
