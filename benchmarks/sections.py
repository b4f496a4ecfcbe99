"""Put what was measured into a page that is otherwise written by hand.

In:  a page, a section.
Out: the page with the section between two marks.
"""

from collections.abc import Callable
from pathlib import Path

BEGIN, END = "<!-- Written by make bench -->", "<!-- End of what make bench writes -->"


def replace_section(page: Path, render: Callable[[], str]) -> bool:
    """Replace the measured section of a page; return whether it has one."""
    if not page.is_file():
        return False
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        return False
    page.write_text(f"{before}{BEGIN}\n\n{render()}\n\n{END}{after}", encoding="utf-8")
    return True
