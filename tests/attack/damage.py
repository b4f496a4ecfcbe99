"""Damage files at random, whatever they hold.

In:  the content of a file, and chance.
Out: other content.
"""

import random


def cut(content: bytes, chance: random.Random) -> bytes:
    """End a file too early, or take a part out of it."""
    first, last = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:first] if chance.random() < 0.3 else content[:first] + content[last:]


def repeat(content: bytes, chance: random.Random) -> bytes:
    """Repeat a part of a file, up to fifty times."""
    first, last = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:last] + content[first:last] * chance.choice((1, 3, 50)) + content[last:]
