"""Which photos the page is about, where the command does not name any.

In:  what a person chooses on the page: the sample set, or the path of a folder.
Out: an app for these photos; or why they cannot be used.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from starlette.types import ASGIApp

from manylabel.annotation.open_labels import NEW_NAME
from manylabel.data.sample import is_sample, write_sample
from manylabel.errors import InputError

SAMPLE_FOLDER = Path("postcards")
"""Where the sample set is written: in the current folder."""

_QUOTES = "\"'"


class PhotoChoice:
    """A choice of photos that is made once.

    Attributes:
        app: What answers for the photos; None before they were chosen.

    Args:
        open_photos: Opens a folder of photos and a file of labels, None for that of the folder.
    """

    def __init__(self, open_photos: Callable[[Path, Path | None], ASGIApp]) -> None:
        self.app: ASGIApp | None = None
        self._open_photos = open_photos
        self._lock = threading.Lock()

    def choose_sample(self) -> None:
        """Choose the sample set, and write it unless it is there.

        Raises:
            InputError: It cannot be written or opened.
        """
        with self._choosing():
            if not is_sample(SAMPLE_FOLDER):
                if SAMPLE_FOLDER.is_dir() and any(SAMPLE_FOLDER.iterdir()):
                    raise InputError(f"{SAMPLE_FOLDER}: this folder has other files; rename or move it")
                write_sample(SAMPLE_FOLDER)
            self.app = self._open_photos(SAMPLE_FOLDER / "images", SAMPLE_FOLDER / NEW_NAME)

    def choose_folder(self, given: str) -> None:
        """Choose a folder of photos, and the labels in it.

        Args:
            given: Its path, as a person types or pastes it.

        Raises:
            InputError: There is no such folder, there are no photos in it, or it cannot be written to.
        """
        text = given.strip().strip(_QUOTES)
        if not text or "\0" in text:
            raise InputError("give the path of a folder of photos")
        try:
            folder = Path(text).expanduser()
        except RuntimeError as error:  # no such user
            raise InputError(f"{text}: no such folder") from error
        with self._choosing():
            self.app = self._open_photos(folder, None)

    @contextmanager
    def _choosing(self) -> Iterator[None]:
        """Let one choice be made at a time, and none after the first.

        Raises:
            InputError: Photos were chosen before, e.g. in another window, or the disk cannot be used.
        """
        with self._lock:
            if self.app is not None:
                raise InputError("photos were chosen already; load this page again")
            try:
                yield
            except OSError as error:
                where = f"{error.filename}: " if error.filename else ""
                raise InputError(f"{where}{error.strerror or error}") from error
