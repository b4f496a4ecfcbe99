"""``manylabel cache``: show or clear the cache.

In:  the folder and the limit, from the environment.
Out: a table on the screen; with --clear, fewer files.
"""

from typing import Annotated

import typer

from manylabel.cli.console import show_line
from manylabel.cli.screen import format_bytes, format_entries, show_cache


def cache(
    *,
    clear: Annotated[
        bool, typer.Option("--clear", help="Remove everything from the cache, except runs in progress.")
    ] = False,
) -> None:
    """Show or clear the cache of features, converted models, small pictures and unfinished runs.

    The folder is MANYLABEL_CACHE, or the user's cache folder. Above MANYLABEL_CACHE_GB gigabytes (20 by
    default), the least recently used files are removed. --clear also removes the half-written folders that
    interrupted runs left beside their outputs.
    """
    from manylabel.io.cache import clear_cache, list_cache

    if not clear:
        show_cache(list_cache())
        return
    cleared = clear_cache()
    freed = f"{format_bytes(cleared.n_bytes)} freed, {format_entries(cleared.n_entries)} removed"
    show_line(f"{cleared.folder}: {freed}")
