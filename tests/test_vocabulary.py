"""The words of this project are those of the field.

In:  every identifier, comment and text of the package, and the documents.
Out: a failed test that names file, line and word. The glossary in CONTRIBUTING.md says what to write instead.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(
    path
    for pattern in (
        "src/manylabel/**/*.py",
        "src/manylabel/**/*.j2",
        "docs/*.md",
        "README.md",
        "recipes/*.toml",
    )
    for path in ROOT.glob(pattern)
)
BANNED = re.compile(
    r"""
    aim | aims | aimed | alike | crossed | impatient | judge[ds]? | judging | knock(?:ed)? | lessons?
    | located | passages? | rivals? | silence[ds]? | silencing | suspects? | 8-bit\ numbers
    | behaviours? | colours? | labell(?:ed|ing) | licences? | neighbours?
    """,
    re.VERBOSE | re.IGNORECASE,
)
WORD = re.compile(r"8-bit numbers|[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def find_banned(text: str) -> Iterator[tuple[int, str]]:
    """Find words that have a better one, also inside of names, with the number of their line."""
    for number, line in enumerate(text.splitlines(), start=1):
        for word in WORD.findall(line):
            if BANNED.fullmatch(word):
                yield number, word


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_word_has_a_better_one(path: Path) -> None:
    found = [f"{path}:{number}: {word}" for number, word in find_banned(path.read_text(encoding="utf-8"))]
    assert not found, "\n".join(found)


def test_words_are_found_inside_of_names() -> None:
    text = "def judge_it(aRival):\n    return aimed  # 8-bit numbers, not a jury\n"
    assert list(find_banned(text)) == [(1, "judge"), (1, "Rival"), (2, "aimed"), (2, "8-bit numbers")]
