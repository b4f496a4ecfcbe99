"""Names in Markdown: a renderer shows them as they are, and does nothing that they say."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from manylabel.errors import visible
from manylabel.report.markdown import as_markdown

markdown_it = pytest.importorskip("markdown_it")

SIGNS = st.text(st.sampled_from("ab1 \\`*_[](){}<>|~$&#!:/.@-\n\u202e\x1b;"), max_size=14)


def shown(markdown: str) -> str | None:
    """Return what a cell of a table shows; None where anything in it is more than text."""
    parser = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(f"| head |\n| --- |\n| x{markdown}x |\n")
    cells = [token for token in tokens if token.type == "inline"]
    if len(cells) != 2 or any(child.type not in ("text", "text_special") for child in cells[1].children):
        return None
    return "".join(child.content for child in cells[1].children)[1:-1]


@given(SIGNS)
@example("<script>alert(1)</script>")
@example("[here](http://example.org)")
@example("![x][y]")
@example("`code` *strong* _em_ ~~gone~~ old_town __init__")
@example("a|b\n# heading")
@example("&lt;b&gt;")
def test_a_name_is_shown_as_it_is(name: str) -> None:
    assert shown(as_markdown(name)) == visible(name)


@pytest.mark.parametrize("name", ["http://example.org", "www.example.org", "$x$"])
def test_nothing_becomes_a_link_or_a_formula_on_a_hub(name: str) -> None:
    assert name not in as_markdown(name)


def test_control_characters_are_shown() -> None:
    assert as_markdown("a\x1b[2J\u202e\n") == r"a\\x1b[2J\\u202e\\n"
