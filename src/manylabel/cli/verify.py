"""``manylabel verify``: check every file of a bundle.

In:  a bundle, perhaps the SHA-256 that the list of its files should have.
Out: its files and the SHA-256 of their list on the screen; an error where one is missing or damaged.
"""

from collections.abc import Sequence
from typing import Annotated

import typer

from manylabel.cli import options
from manylabel.cli.console import show_line, show_warning, show_whole_line

_SHOWN = 5


def verify(
    bundle: options.Bundle,
    *,
    expect: Annotated[
        str | None,
        typer.Option(
            help="Fail unless the list of files has this SHA-256, which an earlier verify printed. This also "
            "detects forgery, if you got the SHA-256 separately from the bundle.",
            metavar="SHA256",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check a bundle for missing and damaged files.

    The hashes in a bundle detect damage, not forgery: anyone who changes a file can also change its hash.
    Links and pipes are refused.
    """
    from manylabel.hash_list import verify as run  # slow to import; --help does not need it

    found = run(bundle, expect=expect)
    for file in found.files:
        show_whole_line(f"{file.sha256}  {file.name}")
    _warn("edited after training", [file.name for file in found.files if file.state == "edited"])
    _warn(
        "not checked, the bundle has no hash for",
        [file.name for file in found.files if file.state == "not listed"],
    )
    _warn("ignored, not part of the bundle", found.unused)
    show_line(f"SHA-256 of this list: {found.sha256}")


def _warn(finding: str, names: Sequence[str]) -> None:
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        show_warning(f"{finding}: {', '.join(names[:_SHOWN])}{more}")
