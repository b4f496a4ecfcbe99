"""``manylabel cache``: show what the cache holds, or empty it.

In:  the folder and the limit, from the environment.
Out: a table on the screen; with --clear, fewer files.
"""

from typing import Annotated

import typer

from manylabel.cli.console import show_line
from manylabel.cli.screen import format_bytes, format_entries, show_cache


def cache(
    *,
    clear: Annotated[bool, typer.Option("--clear", help="Remove all that is cached.")] = False,
) -> None:
    """Show what is kept on disk for the next run, features and converted networks, or remove it.

    The folder is MANYLABEL_CACHE, or the user's cache folder. Above MANYLABEL_CACHE_GB gigabytes (20 where
    it is not set), what was not used for longest is removed.
    """
    from manylabel.io.cache import clear_cache, list_cache

    if not clear:
        show_cache(list_cache())
        return
    cleared = clear_cache()
    freed = f"{format_bytes(cleared.n_bytes)} freed, {format_entries(cleared.n_entries)} removed"
    show_line(f"{cleared.folder}: {freed}")
