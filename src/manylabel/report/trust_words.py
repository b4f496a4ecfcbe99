"""Say in plain words how far the numbers can be trusted.

In:  facts.
Out: sentences without any markup; names in them come from the user and are not safe for HTML by themselves.
"""

import math
from collections.abc import Sequence
from typing import Any

from manylabel.decisions.calibration import MIN_PHOTOS
from manylabel.metrics.registry import METRICS
from manylabel.report.words import (
    FactsView,
    below_nothing,
    known_note,
    n_judged,
    n_things,
    n_wrong_labels,
    percent,
    rivals,
)

MOST_SUSPECT_PHOTOS = 12
MOST_FINDINGS = 15

_MOST_PAIRS_IN_TERMINAL = 3
_MOST_NOTES_IN_TERMINAL = 3
_MOST_LABELS = 100
_SURE, _UNSURE = "more than chance", "within chance"
_CARDS_OF_COPIES = {
    "train": "training photo",
    "val": "validation photo",
    "test": "test photo",
    "": "left out",
}


def interval(ends: Sequence[float | None] | None) -> str:
    r"""Write the ends of an interval of a share for people; an empty string where they are undefined.

    Examples:
        >>> interval([0.7225, 0.8066]), interval([None, None]), interval(None)
        ('72.2 to 80.7\xa0%', '', '')
    """
    if ends is None or ends[0] is None or ends[1] is None:
        return ""
    return f"{100 * ends[0]:.1f} to {percent(ends[1])}"


def sentence(text: str) -> str:
    """Begin with a capital letter and end with a full stop.

    Examples:
        >>> sentence("left out: it would not help"), sentence("Done."), sentence("")
        ('Left out: it would not help.', 'Done.', '')
    """
    return text[:1].upper() + text[1:] + ("" if not text or text[-1] in ".!?" else ".")


def comparisons(facts: FactsView) -> list[FactsView]:
    """Return the comparisons, those of the network that comes first on top, mAP before exact match."""
    best = facts["models"][facts["best"]]["model"]
    return sorted(
        facts["comparisons"],
        key=lambda pair: (best not in (pair["first"], pair["second"]), pair["metric"] != "mAP"),
    )


def comparison_words(pair: FactsView) -> tuple[str, str]:
    """Say how far two networks are apart, and whether that is more than chance; shares in points of 100.

    Returns:
        What was measured, the better network first, and the verdict; that is empty where it adds nothing.

    Examples:
        >>> pair = {"first": "a", "second": "b", "metric": "mAP", "difference": 0.025, "better": "a"}
        >>> comparison_words({**pair, "interval": [0.004, 0.046], "is_distinguishable": True})
        ('a is better than b by 2.5 points of mAP [0.4, 4.6]', 'more than chance')
        >>> comparison_words({**pair, "interval": [-0.01, 0.06], "is_distinguishable": False})
        ('a and b are 2.5 points of mAP apart [-1.0, 6.0]', 'within chance')
    """
    metric, unit = pair["metric"].replace("_", " "), METRICS[pair["metric"]].unit
    if pair["difference"] is None:
        return f"{pair['first']} and {pair['second']} cannot be compared: {metric} is undefined here", ""
    scale, word, digits = (1, "labels", 2) if unit == "number" else (100, "points", 1)
    sign = -1 if pair["difference"] < 0 else 1
    ends = sorted(sign * end for end in pair["interval"])
    gain, low, high = (f"{scale * value:z.{digits}f}" for value in (sign * pair["difference"], *ends))
    if float(gain) == 0:
        return f"{pair['first']} and {pair['second']} are equal in {metric} [{low}, {high}]", ""
    is_first = pair["better"] == pair["first"]
    better, other = (pair["first"], pair["second"]) if is_first else (pair["second"], pair["first"])
    if pair["is_distinguishable"]:
        return f"{better} is better than {other} by {gain} {word} of {metric} [{low}, {high}]", _SURE
    return f"{better} and {other} are {gain} {word} of {metric} apart [{low}, {high}]", _UNSURE


def comparison_sentence(pair: FactsView) -> str:
    """Say the same in one sentence, with the number of photos that it rests on."""
    measured, verdict = comparison_words(pair)
    if pair["difference"] is None:
        return f"{measured}."
    on = n_things(pair["n_photos"], "photo")
    if pair["n_groups"] != pair["n_photos"]:
        on += f" in {n_things(pair['n_groups'], 'group')}"
    return f"{measured}{f', {verdict}' if verdict else ''}, on {on}."


def terminal_lines(facts: FactsView) -> list[str]:
    """Say under a table in a terminal on what it rests and how far it can be trusted."""
    evaluated, best = facts["evaluated"], facts["models"][facts["best"]]
    on = {"test": "test photo", "out_of_fold": "photo"}
    spans = [
        f"{name} {span}"
        for name, key in (("mAP", "mAP"), ("exact match", "exact_match"))
        if (span := interval(best["intervals"][key]))
    ]
    how = "" if evaluated["part"] == "test" else ", each by a network that did not see it"
    lines = [f"Evaluated on {n_things(n_judged(facts), on[evaluated['part']])}{how}."]
    if note := known_note(facts):
        lines.append(note)
    if spans:
        lines.append(f"95 % intervals of {best['model']}: {', '.join(spans)}.")
    if verdict := against_baselines(facts):
        lines.append(verdict)
    if warning := below_nothing(facts):
        lines.append(warning)
    if len(facts["models"]) > 1 and facts["best_by"] == "out_of_fold":
        lines.append(f"First by out-of-fold scores of the training photos: {best['model']}.")
    pairs = comparisons(facts)[:_MOST_PAIRS_IN_TERMINAL]
    return [*lines, *map(comparison_sentence, pairs), *_broken_promises(best)]


def _broken_promises(model: FactsView) -> list[str]:
    """Say in a terminal what thresholds cannot promise, one line, and the first reasons."""
    missed = model["missed_guarantees"]
    if not missed:
        return []
    shown, n_more = (
        [*map(missed_guarantee, missed[:_MOST_NOTES_IN_TERMINAL])],
        len(missed) - _MOST_NOTES_IN_TERMINAL,
    )
    more = [f"and {n_more:,} more labels"] if n_more > 0 else []
    return [f"Thresholds: {model['thresholds']['origin']}; {'; '.join([*shown, *more])}."]


def training_photos_apart(facts: FactsView) -> str:
    """Say where out-of-fold training photos lie outside the interval of the test photos; else nothing."""
    best = facts["models"][facts["best"]]
    low, high = best["intervals"]["mAP"]
    own = None if best["out_of_fold"] is None else best["out_of_fold"]["mAP"]
    if own is None or low is None or low <= own <= high:
        return ""
    return (
        f"On the training photos, scored by fits that did not see them and learned from fewer photos, the mAP"
        f" of {best['model']} is {percent(own)}: {'below' if own < low else 'above'} that interval. These"
        f" photos are of another kind, or fewer photos teach less; expect something between for new ones."
    )


def standing(facts: FactsView) -> str:
    """Say whether the network that comes first is really ahead of the other ones."""
    best, others = facts["models"][facts["best"]]["model"], rivals(facts)
    n_others = len({name for pair in facts["comparisons"] for name in (pair["first"], pair["second"])}) - 1
    if n_others < 1:
        return ""
    if not others:
        return f"By mAP, {best} can be told from every other network compared here."
    if len(others) == n_others:
        which = "the other network" if n_others == 1 else f"any of the {n_others} other networks"
        return f"By mAP, {best} cannot be told from {which}: take the one that is smaller or faster."
    return (
        f"By mAP, {best} cannot be told from {len(others)} of the {n_others} other networks:"
        f" among these, take the one that is smaller or faster."
    )


def against_baselines(facts: FactsView) -> str:
    """Say whether the best network is surely above every baseline in mAP."""
    told = [pair for pair in facts["against_baselines"] if pair["difference"] is not None]
    if not told:
        return ""
    close = [pair for pair in told if pair["difference"] < 0 or not pair["is_distinguishable"]]
    if close:
        worst = min(close, key=lambda pair: pair["difference"])
        low, high = (100 * end for end in worst["interval"])
        if worst["is_distinguishable"]:
            verdict = f"{worst['second']} is better than what training made"
        elif worst["difference"] < 0:
            verdict = f"{worst['second']} is ahead of {worst['first']}, though not by more than chance"
        else:
            verdict = f"It is not certain that training beats {worst['second']}"
        return (
            f"{verdict}: the difference on the same photos is {100 * worst['difference']:.1f} points"
            f" [{low:.1f}, {high:.1f}]."
        )
    best = facts["models"][facts["best"]]["model"]
    return f"By mAP, {best} is above every baseline by more than chance."


def label_trust(facts: FactsView) -> str | None:
    """Say how sure the rarest and the most frequent label are; None without two labels."""
    best = facts["models"][facts["best"]]
    counts = best["per_label"]["n_positive"]
    spans = best["label_intervals"]["average_precision"]
    names = [label["name"] for label in facts["data"]["labels"]]
    known = [column for column, ends in enumerate(spans) if counts[column] and None not in ends]
    if len(known) < 2:
        return None
    rarest, commonest = min(known, key=counts.__getitem__), max(known, key=counts.__getitem__)
    said = [
        f"“{names[column]}” on {n_things(counts[column], 'photo')}: {interval(spans[column])}"
        for column in (rarest, commonest)
    ]
    return (
        f"The 95 % interval of the average precision, for the rarest and the most frequent label among the"
        f" evaluated photos: {said[0]}; {said[1]}."
    )


def suspects(facts: FactsView) -> str:
    """Say how many given labels are probably wrong."""
    found = facts["suspects"]
    if found is None:
        return "No photo was scored by a network that had not learned from it, so labels were not checked."
    best = facts["models"][facts["best"]]["model"]
    on = f"on the {n_things(found['n_photos'], 'photo')} that {best} scored without having learned from them"
    n_wrong = n_wrong_labels(facts)
    if not found["cells"]:
        return "No known label was scored, so none can be called wrong."
    if n_wrong is None:
        return (
            f"How many given labels are wrong cannot be told {on}, for it errs too often itself. Those that"
            f" it contradicts most:"
        )
    if n_wrong == 0:
        return f"Hardly any given label looks wrong {on}. The least likely ones:"
    wrong = "1 given label is" if n_wrong == 1 else f"{n_wrong:,} given labels are"
    return (
        f"About {wrong} probably wrong {on}. A network that is unsure itself makes this number too high:"
        f" look before you change anything. The most suspicious first, three of a label before other labels"
        f" have their turn:"
    )


def suspects_file(facts: FactsView) -> str:
    """Say where all given labels that are probably wrong are listed; empty where there are none."""
    found = facts["suspects"]
    if found is None or not found["cells"]:
        return ""
    return (
        f"label_issues.csv, beside this report, lists {n_things(found['n_listed'], 'label')} of photos, the"
        f" most suspicious first: what was given, and how probable it is that this is wrong."
    )


def suspect_photos(facts: FactsView) -> list[dict[str, Any]]:
    """Return the photos with the most suspicious labels: row, name, cells; the worst photo first."""
    photos: dict[int, dict[str, Any]] = {}
    for cell in [] if facts["suspects"] is None else facts["suspects"]["cells"]:
        photo = photos.setdefault(cell["row"], {"row": cell["row"], "name": cell["name"], "cells": []})
        photo["cells"].append(cell)
    return [*photos.values()][:MOST_SUSPECT_PHOTOS]


def copies(facts: FactsView) -> list[dict[str, Any]]:
    """Return the groups of copies, each photo with the words that belong under it."""
    return [
        {
            **group,
            "photos": [
                {**photo, "words": _copy_words(photo, contested=group["contested"])}
                for photo in group["photos"]
            ],
        }
        for group in facts["copies"]
    ]


def _copy_words(photo: FactsView, *, contested: Sequence[str]) -> list[str]:
    claims = [f"{'has' if label in photo['present'] else 'lacks'} {label}" for label in contested]
    return [_CARDS_OF_COPIES[photo["part"]], *claims]


def calibration(model: FactsView) -> str:
    """Say what was done to the probabilities of a network, and on which photos that was evaluated."""
    found = model["calibration"]
    if found is None:
        return "No photos were kept from training, so nobody can tell whether the probabilities are honest."
    photos = n_things(found["n_photos"], "photo")
    return f"{sentence(calibration_note(found))} Measured on {photos}: {found['origin']}."


def calibration_note(found: FactsView) -> str:
    r"""Say what was done to probabilities in a few words.

    Examples:
        >>> calibration_note({"outcome": "worse", "log_loss_before": 0.1, "log_loss_after": 0.2})
        'calibration left out: it would have made the log loss worse (0.100 → 0.200)'
    """
    outcome, before, after = found["outcome"], found["log_loss_before"], found["log_loss_after"]
    left_out = "calibration left out:"
    match outcome:
        case "off":
            return "not calibrated, as asked for"
        case "unknown":
            return f"{left_out} of no photo is it known which labels it carries"
        case "no_change":
            return f"{left_out} it would not have changed the log loss ({before:.3f})"
    n_digits = next((n for n in range(3, 9) if f"{before:.{n}f}" != f"{after:.{n}f}"), 9)
    change = f"{before:.{n_digits}f} \N{RIGHTWARDS ARROW} {after:.{n_digits}f}"
    match outcome:
        case "used":
            return f"calibrated: log loss {change} on photos that the calibration did not see"
        case "too_few_photos":
            return f"{left_out} it takes {MIN_PHOTOS} photos to tell that it helps ({change})"
        case "within_chance":
            return f"{left_out} it would have changed the log loss by no more than chance ({change})"
        case _:
            return f"{left_out} it would have made the log loss worse ({change})"


def missed_guarantee(found: FactsView) -> str:
    """Say why a precision or recall cannot be promised.

    Examples:
        >>> found = {"label": "boat", "metric": "recall", "target": 0.9, "n_positive": 7, "n_needed": 9}
        >>> missed_guarantee({**found, "reached": 1.0})
        "label 'boat': 7 positives are too few to promise 90 % recall; 9 would do (on these photos: 100 %)"
    """
    metric, n_positive, n_needed = found["metric"], found["n_positive"], found["n_needed"]
    if found["label"] is None:
        return (
            f"a {metric} of {found['target']:.0%} was asked for and can't be promised: no photos were kept"
            f" from training to choose thresholds on; validation photos or --folds would be"
        )
    promise = f"promise {100 * found['target']:g} % {metric}"
    positives = "1 positive is" if n_positive == 1 else f"{n_positive} positives are"
    if n_positive >= n_needed:
        why = f"its scores do not tell it apart well enough to {promise} from {n_positive} positives"
    elif metric == "recall":
        why = f"{positives} too few to {promise}; {n_needed} would do"
    else:
        why = f"{positives} too few to {promise}; it takes at least {n_needed}"
    reached = "" if found["reached"] is None else f" (on these photos: {100 * found['reached']:.0f} %)"
    return f"label '{found['label']}': {why}{reached}"


_HEADLINES = {
    "f1": ("f_beta_macro", "macro-F"),
    "half": ("f_beta_macro", "macro-F"),
    "accuracy": ("binary_accuracy", "binary accuracy"),
    "cost": ("cost", "the cost of a photo"),
    "precision": ("precision_macro", "macro-precision"),
    "recall": ("recall_macro", "macro-recall"),
}
"""The metric that is nearest to what thresholds were chosen for, and its name; behind an F comes the beta."""


def threshold_gain(found: FactsView) -> str:
    """Say in one sentence what thresholds do for the metric that is nearest to their objective.

    Args:
        found: The fields of a ``ThresholdGain``; None or NaN where a metric is undefined.
    """
    metric, name = _HEADLINES[found["objective"]["method"]]
    name = f"{name}{found['objective']['beta']:g}" if metric == "f_beta_macro" else name
    before, new, own = (found[which][metric] for which in ("half", "cross_fitted", "optimistic"))
    if _is_undefined(found["half"]["exact_match"]):
        return "what thresholds do for new photos cannot be said: no photo has a known label"
    if any(map(_is_undefined, (before, new, own))):
        return f"what thresholds do for {name} cannot be said: no label is given to any photo"
    template = "{:.2f}" if metric == "cost" else "{:.1%}"
    old_text, new_text, own_text = (template.format(value).rstrip("%") for value in (before, new, own))
    change = f"{'raise' if new > before else 'lower'} {name} from {old_text} to"
    effect = f"{change if old_text != new_text else f'leave {name} at'} {new_text}"
    return f"thresholds {effect} on photos they did not see; on their own photos it looks like {own_text}"


def _is_undefined(value: float | None) -> bool:
    return value is None or math.isnan(value)


def thresholds(model: FactsView) -> str:
    """Say where the thresholds of a network come from and what they gain on new photos."""
    text = sentence(model["thresholds"]["origin"])
    return text if model["benefit"] is None else f"{text} {sentence(threshold_gain(model['benefit']))}"


def frequent_labels(facts: FactsView) -> list[int]:
    """Return the columns of the most frequent labels, in the order of the table; of few labels all."""
    labels = facts["data"]["labels"]
    by_count = sorted(range(len(labels)), key=lambda column: -labels[column]["n_positive"])
    return sorted(by_count[:_MOST_LABELS])
