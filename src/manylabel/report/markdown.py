r"""Write names into Markdown, where they are shown and never obeyed.

In:  names of labels, photos and models, and sentences that hold some.
Out: the same for one line of Markdown: no tag, link, picture, code, formula, emphasis or further cell of a
     table comes of it.
"""

import re

from manylabel.errors import visible

_ENTITIES = {"&": "&amp;", "<": "&lt;"}
# Brackets alone, and an underscore within a word, are nothing but themselves.
_OBEYED = re.compile(
    r"[\\`*|~$&<]|\](?=[\[(:])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|:(?=//)|(?<=www)\.",
    re.IGNORECASE,
)


def as_markdown(text: str) -> str:
    r"""Return a text as Markdown shows it.

    Examples:
        >>> print(as_markdown("a|b<c> [x](http://y) `z` old_town _sea_"))
        a\|b&lt;c> [x\](http\://y) \`z\` old_town \_sea\_
    """
    return _OBEYED.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), visible(text))
