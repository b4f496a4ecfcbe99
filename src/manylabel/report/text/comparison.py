"""Compare models with each other, with baselines, and training photos with test photos.

In:  results.
Out: sentences.
"""

from manylabel.metrics.registry import METRICS
from manylabel.report.text.wording import n_things, percent, percent_range
from manylabel.results import PairedDifference, RunResults

_BEYOND_CHANCE, _WITHIN_CHANCE = "more than chance", "within chance"


def close_models(results: RunResults) -> list[str]:
    """Return the models whose mAP is not surely below that of the best one."""
    best = results.best.model
    close = []
    for pair in results.comparisons:
        if pair.metric == "mAP" and best in (pair.first, pair.second):
            is_first = pair.first == best
            is_ahead = pair.difference is not None and (pair.difference > 0) == is_first
            if not (pair.is_distinguishable and is_ahead):
                close.append(pair.second if is_first else pair.first)
    return close


def sorted_comparisons(results: RunResults) -> list[PairedDifference]:
    """Return the comparisons, those of the best model first, mAP before exact match."""
    best = results.best.model
    return sorted(
        results.comparisons,
        key=lambda pair: (best not in (pair.first, pair.second), pair.metric != "mAP"),
    )


def compare_pair(pair: PairedDifference) -> tuple[str, str]:
    """Tell how far two models are apart, and whether that is more than chance; shares in points of 100.

    Returns:
        The difference, the better model first, and the verdict; that is empty where it adds nothing.

    Examples:
        >>> from dataclasses import replace
        >>> from manylabel.results import Interval
        >>> close = PairedDifference(first="a", second="b", metric="mAP", difference=0.025, better="a",
        ...     interval=Interval(low=-0.01, high=0.06), is_distinguishable=False, n_photos=40, n_groups=40)
        >>> compare_pair(close)
        ('a and b differ by 2.5 points of mAP [-1.0, 6.0]', 'within chance')
        >>> apart = replace(close, interval=Interval(low=0.004, high=0.046), is_distinguishable=True)
        >>> compare_pair(apart)
        ('a beats b by 2.5 points of mAP [0.4, 4.6]', 'more than chance')
    """
    metric, kind = pair.metric.replace("_", " "), METRICS[pair.metric].unit
    if pair.difference is None or pair.interval.low is None or pair.interval.high is None:
        return f"{pair.first} and {pair.second} cannot be compared: {metric} is undefined here", ""
    scale, unit, digits = (1, "labels", 2) if kind == "number" else (100, "points", 1)
    sign = -1 if pair.difference < 0 else 1
    ends = sorted(sign * end for end in (pair.interval.low, pair.interval.high))
    gain, low, high = (f"{scale * value:z.{digits}f}" for value in (sign * pair.difference, *ends))
    if float(gain) == 0:
        return f"{pair.first} and {pair.second} are equal in {metric} [{low}, {high}]", ""
    is_first = pair.better == pair.first
    better, other = (pair.first, pair.second) if is_first else (pair.second, pair.first)
    if pair.is_distinguishable:
        return f"{better} beats {other} by {gain} {unit} of {metric} [{low}, {high}]", _BEYOND_CHANCE
    return f"{better} and {other} differ by {gain} {unit} of {metric} [{low}, {high}]", _WITHIN_CHANCE


def comparison_sentence(pair: PairedDifference) -> str:
    """Tell the same in one sentence, with the number of photos that it rests on."""
    measured, verdict = compare_pair(pair)
    if pair.difference is None:
        return f"{measured}."
    on = n_things(pair.n_photos, "photo")
    if pair.n_groups != pair.n_photos:
        on += f" in {n_things(pair.n_groups, 'group')}"
    return f"{measured} on {on}{f': {verdict}' if verdict else ''}."


def ranking_certainty(results: RunResults) -> str:
    """Tell whether the best model is surely ahead of the others."""
    best, close = results.best.model, close_models(results)
    n_others = len({name for pair in results.comparisons for name in (pair.first, pair.second)}) - 1
    if n_others < 1:
        return ""
    if not close:
        return f"By mAP, {best} is better than every other model compared here by more than chance."
    if len(close) == n_others:
        which = "the other model" if n_others == 1 else f"any of the {n_others} other models"
        return (
            f"By mAP, {best} is not better than {which} by more than chance: take the smaller or the faster"
            " one."
        )
    return (
        f"By mAP, {best} is not better than {len(close)} of the {n_others} other models by more than"
        " chance: among these, take the smaller or the faster one."
    )


def against_baselines(results: RunResults) -> str:
    """Tell whether the best model is surely above every baseline in mAP."""
    known = [(pair.difference, pair) for pair in results.against_baselines if pair.difference is not None]
    if not known:
        return ""
    close = [(gain, pair) for gain, pair in known if gain < 0 or not pair.is_distinguishable]
    if not close:
        return f"By mAP, {results.best.model} beats every baseline by more than chance."
    gain, worst = min(close, key=lambda entry: entry[0])
    if worst.is_distinguishable:
        verdict = f"{worst.second} is better than the trained {worst.first}"
    elif gain < 0:
        verdict = f"{worst.second} is ahead of {worst.first}, though not by more than chance"
    else:
        verdict = f"It is not certain that training beats {worst.second}"
    low, high = worst.interval.low or 0.0, worst.interval.high or 0.0
    return f"{verdict}: the difference in mAP is {100 * gain:.1f} points [{100 * low:.1f}, {100 * high:.1f}]."


def training_photos_apart(results: RunResults) -> str:
    """Tell where out-of-fold training photos lie outside the interval of the test photos; else nothing."""
    best = results.best
    interval = best.intervals["mAP"]
    own = None if best.out_of_fold is None else best.out_of_fold["mAP"]
    if own is None or interval.low is None or interval.high is None or interval.low <= own <= interval.high:
        return ""
    side = "below" if own < interval.low else "above"
    return (
        f"By cross-validation on the training photos, the mAP of {best.model} is {percent(own)}: {side} that"
        " interval. Either the training photos differ from the test photos, or the smaller training sets of"
        " the folds matter. Expect something in between for new photos."
    )


def label_certainty(results: RunResults) -> str | None:
    """Tell how certain the rarest and the most frequent label are; None without two labels."""
    counts, names = results.best.n_positive, results.labels
    intervals = results.best.label_intervals["average_precision"]
    known = [column for column, ends in enumerate(intervals) if counts[column] and ends.is_defined]
    if len(known) < 2:
        return None
    rarest, commonest = min(known, key=counts.__getitem__), max(known, key=counts.__getitem__)
    first, second = (
        f"“{names[column]}” on {n_things(counts[column], 'photo')}: {percent_range(intervals[column])}"
        for column in (rarest, commonest)
    )
    return (
        "95 % intervals of the average precision, for the rarest and the most frequent label among the"
        f" evaluated photos: {first}; {second}."
    )
