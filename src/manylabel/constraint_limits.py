"""Refuse more rules between labels than can be solved in seconds.

In:  rules as texts.
Out: nothing, or an error.
"""

import re
from collections.abc import Sequence

from manylabel.errors import ConfigError

_JOINTS = re.compile(r"->|\|")
_MOST_RULES, _MOST_CONNECTED = 10_000, 1_000


def check_amount(texts: Sequence[str]) -> None:
    """Check how many rules there are, and how many labels they connect: the time grows with the cube of that.

    Args:
        texts: The rules, such as "day | night" or "boat -> water".

    Raises:
        ConfigError: They are too many.

    Examples:
        >>> check_amount(["a -> b", "b | c"])
        >>> check_amount([f"label {number} -> label {number + 1}" for number in range(1_000)])
        Traceback (most recent call last):
        manylabel.errors.ConfigError: rules: they connect more than 1,000 labels, too many to solve; ...
    """
    if len(texts) > _MOST_RULES:
        raise ConfigError(f"rules: there are {len(texts):,}, at most {_MOST_RULES:,} can be solved")
    together: dict[str, set[str]] = {}
    for text in texts:
        names = {name.strip() for name in _JOINTS.split(text)}
        parts = {id(part): part for part in (together.get(name, {name}) for name in names)}.values()
        whole = set[str]().union(*parts)
        if len(whole) > _MOST_CONNECTED:
            raise ConfigError(
                f"rules: they connect more than {_MOST_CONNECTED:,} labels, too many to solve; leave out "
                "rules that connect the others"
            )
        together |= dict.fromkeys(whole, whole)
