"""Open a page whose address contains a token, and show the token to no other user of this machine.

In:  the address.
Out: the page in the user's browser.

All users can read the arguments of a running program, so the browser is not started with the address. As in
Jupyter, it gets the path of a file that only this user can read, and the file leads to the address.
"""

import html
import platform
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

_SNAPS = Path("/snap/bin")
_PAGE = """\
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
<title>manylabel</title>
<p><a href="{address}">Open the page</a></p>
</html>
"""


def open_page(address: str, *, until: ExitStack) -> None:
    """Open a page in the user's browser.

    Where no file can be written, or the browser could not read it, the browser gets the address itself.

    Args:
        address: The address of the page, with its token.
        until: Removes the file when it is closed.
    """
    shown = address
    if not _is_windows_browser():
        with suppress(OSError, RuntimeError):  # RuntimeError: a user without a home
            shown = until.enter_context(leading_file(address)).as_uri()
    webbrowser.open(shown)


@contextmanager
def leading_file(address: str) -> Iterator[Path]:
    """Write a file that leads to an address and that only this user can read; remove it at the end.

    Raises:
        OSError: It cannot be written.
    """
    with tempfile.TemporaryDirectory(
        prefix="manylabel-", dir=_parent(), ignore_cleanup_errors=True
    ) as folder:
        file = Path(folder) / "open.html"
        file.touch(mode=0o600)
        file.write_text(_PAGE.format(address=html.escape(address)), encoding="utf-8")
        yield file


def _parent() -> Path | None:
    """Return where browsers find files; a snap has a /tmp of its own, but sees the user's home."""
    return Path.home() if _SNAPS.is_dir() and Path.home().is_dir() else None


def _is_windows_browser() -> bool:
    """Tell whether this is a Linux inside of Windows, whose browser knows none of its paths."""
    return "microsoft" in platform.release().lower()
