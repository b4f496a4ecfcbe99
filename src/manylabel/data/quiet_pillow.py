"""Keep Pillow's warnings and log lines to itself while photos are read.

In:  blocks of code that read photos, in any number of threads.
Out: no warnings and no log lines of Pillow from them; filters and log level of the program as they were.
"""

import logging
import re
import warnings
from contextlib import suppress
from threading import Lock
from typing import Any

_LOGGER = logging.getLogger("PIL")


class QuietPillow:
    """What keeps Pillow's warnings and log lines from the user while photos are read, in many threads.

    They (many pixels, a damaged EXIF block) are no reason to stop and nothing that a user can act on.
    ``warnings.catch_warnings`` saves and restores the whole list of filters, which two threads leave in
    disorder (https://docs.python.org/3/library/warnings.html#warnings.catch_warnings). Here one filter,
    which concerns Pillow's modules alone, is put in by the first reader and taken out by the last.
    """

    _FILTER = ("ignore", None, Warning, re.compile(r"(PIL|pillow_heif)\."), 0)

    def __init__(self) -> None:
        self._lock = Lock()
        self._n_readers = 0
        self._level = logging.NOTSET

    def __enter__(self) -> None:
        with self._lock:
            if not self._n_readers:
                self._level = _LOGGER.level
                _LOGGER.setLevel(logging.CRITICAL + 1)
            self._n_readers += 1
            if self._FILTER not in warnings.filters:
                self._filters().insert(0, self._FILTER)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_readers -= 1
            if not self._n_readers:
                _LOGGER.setLevel(self._level)
                with suppress(ValueError):
                    self._filters().remove(self._FILTER)

    @staticmethod
    def _filters() -> list[Any]:
        # filterwarnings() would also make every warning of the program that was shown once appear again.
        assert isinstance(warnings.filters, list), "Python keeps its filters in a list"
        return warnings.filters


quiet_pillow = QuietPillow()
"""To be entered with ``with``, by any number of threads at a time."""
