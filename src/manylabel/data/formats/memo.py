"""Remember what was read of some labels.

In:  what is read, and a key for it.
Out: the same, from memory the second time: a file is read to recognize its format, for its labels, and to
     change it.
"""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

Kept = TypeVar("Kept")


class Memo:
    """What was read of some labels."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, Any] = {}

    def get(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return what was made under a key; make it the first time."""
        if key not in self._kept:
            self._kept[key] = make()
        kept: Kept = self._kept[key]
        return kept
