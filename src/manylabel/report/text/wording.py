"""Write numbers, shares, times and lists for people.

In:  plain values.
Out: words.
"""

from collections.abc import Sequence

from manylabel.results import Interval


def percent(share: float | None, *, digits: int = 1) -> str:
    r"""Write a share in percent, with a space that does not break the line.

    Examples:
        >>> percent(0.824), percent(1.0, digits=0), percent(None)
        ('82.4\xa0%', '100\xa0%', 'undefined')
    """
    return "undefined" if share is None else f"{share:.{digits}%}".replace("%", "\N{NO-BREAK SPACE}%")


def percent_range(interval: Interval) -> str:
    r"""Write an interval of a share in percent; an empty string where it is undefined.

    Examples:
        >>> percent_range(Interval(low=0.7225, high=0.8066)), percent_range(Interval(low=None, high=None))
        ('72.2 to 80.7\xa0%', '')
    """
    if interval.low is None or interval.high is None:
        return ""
    return f"{100 * interval.low:.1f} to {percent(interval.high)}"


def duration(seconds: float) -> str:
    """Write a time span.

    Examples:
        >>> duration(0.0042), duration(41.3), duration(485.7), duration(7300)
        ('4.2 ms', '41.3 s', '8 min 6 s', '2 h 1 min')
    """
    if seconds < 0.1:
        return f"{1000 * seconds:.1f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def n_things(n: int, thing: str) -> str:
    """Count things.

    Examples:
        >>> n_things(1, "photo"), n_things(1200, "photo")
        ('1 photo', '1,200 photos')
    """
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def list_words(names: Sequence[str]) -> str:
    """Join names as in a sentence.

    Examples:
        >>> list_words(["a"]), list_words(["a", "b"]), list_words(["a", "b", "c"])
        ('a', 'a and b', 'a, b and c')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def sentence(text: str) -> str:
    """Begin with a capital letter and end with a full stop.

    Examples:
        >>> sentence("left out: it would not help"), sentence("Done."), sentence("")
        ('Left out: it would not help.', 'Done.', '')
    """
    return text[:1].upper() + text[1:] + ("" if not text or text[-1] in ".!?" else ".")
