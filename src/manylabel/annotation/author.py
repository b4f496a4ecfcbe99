"""Who changes labels.

In:  names.
Out: an author, who is written into the journal.
"""

import getpass
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Author:
    """Who changes labels, and where.

    Attributes:
        name: Name of the person.
        client: What tells browsers apart: each undoes its own actions.
        queue: Where on the page the change is made.
    """

    name: str = ""
    client: str = ""
    queue: str = ""


def user_name() -> str:
    """Return the name of the user of this machine; empty if the system has none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container with an unknown uid
        return ""
