"""``manylabel verify``: check every file of a bundle.

In:  a bundle, perhaps the SHA-256 that the list of its files should have.
Out: its files and the SHA-256 of their list on the screen; an error where one is missing or damaged.
"""

from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line, show_table, show_warning

_SHOWN = 5


def verify(
    bundle: options.Bundle,
    *,
    expect: Annotated[
        str | None,
        typer.Option(
            help="Refuse the bundle unless the list of its files has this SHA-256, which an earlier verify "
            "printed. It finds forgery, too, if it reached you by another way than the bundle.",
            metavar="SHA256",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check every file of a bundle: that none is missing, damaged, a link or a pipe.

    The hashes inside a bundle find damage, not forgery: who changes a file can write its hash as well.
    """
    from manylabel.hash_list import verify as run  # not at the top: --help shall not load it

    found = run(bundle, expect=expect)
    show_table(["File", "SHA-256", ""], [[file.name, file.sha256, file.state] for file in found.files])
    if found.unused:
        more = f" and {len(found.unused) - _SHOWN} more" if len(found.unused) > _SHOWN else ""
        show_warning(f"not part of the bundle, never opened: {', '.join(found.unused[:_SHOWN])}{more}")
    show_line(f"SHA-256 of this list: {found.sha256}")
