"""Say of every plot what is to be seen in it.

In:  facts.
Out: a sentence or two per plot, without any markup.
"""

from collections.abc import Callable

import numpy as np

from manylabel.report.plots.calibration import labels_with_points, n_honest, panels_of
from manylabel.report.plots.counts import conditional_shares
from manylabel.report.plots.curves import MAX_PANELS
from manylabel.report.plots.learning import curve_of
from manylabel.report.plots.losses import mean_curve, read_losses
from manylabel.report.trust_words import against_baselines, interval
from manylabel.report.words import FactsView, n_things, percent

_FEW_POSITIVES = 5
_FEW_EPOCHS = 4


def see_losses(facts: FactsView) -> str:
    """Say whether the best network stopped in time."""
    best = facts["models"][facts["best"]]
    losses = read_losses(best["history"])
    held_out = mean_curve(losses.held_out)
    held_out = held_out[~np.isnan(held_out)]
    if not len(held_out):
        return "The loss on the training photos, epoch by epoch; no photos were held out from this fit."
    line = "The solid line is the loss on photos that were held out"
    line += ", the mean of the folds" if len(losses.held_out) > 1 else ""
    lowest, earlier = int(np.argmin(held_out)), held_out[-1 - len(held_out) // 4]
    n_since = len(held_out) - 1 - lowest
    if len(held_out) < _FEW_EPOCHS:
        end = f"has only {n_things(len(held_out), 'point')}: too few to see where it goes"
    elif held_out[-1] > 1.05 * held_out[lowest] and n_since > len(held_out) // 10:
        end = f"rises again after epoch {lowest + 1}: from there on it learned its training photos by heart"
    elif n_since == 0 and held_out[-1] < 0.97 * earlier:
        end = "still falls at the end, so more epochs may help"
    else:
        end = "is flat at the end, so more epochs would change little"
    return f"{line}. For {best['model']} it {end}."


def see_intervals(facts: FactsView) -> str:
    """Say between which numbers the best network lies, and whether that is above the baselines."""
    best = facts["models"][facts["best"]]
    n_photos = n_things(facts["evaluated"]["n_known"], "evaluated photo")
    text = (
        f"The line through a marker is its 95 % interval: where the value over all photos of this kind"
        f" probably lies, as far as {n_photos} can tell."
    )
    span = interval(best["intervals"]["mAP"])
    return f"{text} The mAP of {best['model']} lies at {span}. {against_baselines(facts)}" if span else text


def see_reliability(facts: FactsView) -> str:
    """Say in how many groups of cells the probabilities of the best network agree with the truth."""
    best = facts["models"][facts["best"]]
    panels = panels_of(best["calibration"])
    counts = [f"{n_honest(panel)} of {len(panel['mean_score'])}" for panel in panels.values()]
    before = f", before calibration in {counts[0]}" if len(counts) > 1 else ""
    return (
        f"Where probabilities are honest, the points lie on the dashed line: of all labels scored 30 %, three"
        f" in ten are there. Those of {best['model']} agree with it, within the 95 % band, in"
        f" {counts[-1]} groups{before}."
    )


def see_label_reliability(facts: FactsView) -> str:
    """Explain the small diagrams, and count the labels that agree with the truth throughout."""
    found = facts["models"][facts["best"]]["calibration"]
    points = found["after" if found["is_used"] else "before"]["label_reliability"]
    drawn = [points[label] for label in labels_with_points(found)]
    n_agreeing = sum(1 for of_label in drawn if n_honest(of_label) == len(of_label["mean_score"]))
    which = f"all {len(drawn)}" if n_agreeing == len(drawn) else f"{n_agreeing} of {len(drawn)}"
    return (
        f"The same, label by label, a point for each fifth of the photos: {which} agree with the dashed line"
        f" in every point, within the 95 % bands. By chance alone, up to one honest label in five does not."
    )


def see_learning_curve(facts: FactsView) -> str:
    """Say how far the mAP rose with the photos."""
    found = curve_of(facts)
    if found is None:
        return ""
    name, curve = found
    values = [
        f"{percent(value)} with {n:,}" for n, value in zip(curve["n_photos"], curve["values"], strict=True)
    ]
    return (
        f"Held-out photos, ranked by heads on the frozen backbone of {name} that learned from ever more"
        f" photos: mAP {values[0]}, {values[-1]} photos. The band holds the 95 % intervals."
    )


def see_label_learning_curves(facts: FactsView) -> str:
    """Explain the small curves."""
    return (
        "The same, label by label, with the 95 % intervals: a curve that still rises at its right end says"
        " that more photos of this label are likely to help; a wide band, that few photos carry it."
    )


def see_average_precision(facts: FactsView) -> str:
    """Name the easiest and the hardest label."""
    best = facts["models"][facts["best"]]
    values, counts = best["per_label"]["average_precision"], best["per_label"]["n_positive"]
    evaluated = [label for label, value in enumerate(values) if value is not None]
    if not evaluated:
        return "No evaluated photo has any of the labels, so nothing can be said about them."
    names = [label["name"] for label in facts["data"]["labels"]]
    easiest, hardest = (pick(evaluated, key=lambda label: float(values[label])) for pick in (max, min))
    text = f"{best['model']} finds “{names[easiest]}” best ({percent(values[easiest], digits=0)})"
    if easiest != hardest:
        text += f" and “{names[hardest]}” worst ({percent(values[hardest], digits=0)})"
    n_rare = sum(1 for label in evaluated if counts[label] < _FEW_POSITIVES)
    text += (
        "; a line is the 95 % interval, and the numbers on the right count the evaluated photos with the"
        " label."
    )
    if n_rare:
        stand = "is" if n_rare == 1 else "are"
        text += (
            f" {n_things(n_rare, 'label')} {stand} on fewer than {_FEW_POSITIVES}: one photo decides much."
        )
    return text


def see_precision_recall(facts: FactsView) -> str:
    """Say where the thresholds put the best network."""
    best = facts["models"][facts["best"]]
    return (
        f"The nearer a curve comes to the upper right corner, the better; the marker is where the thresholds"
        f" put the network. {best['model']} finds {percent(best['metrics']['OR'], digits=0)} of the labels,"
        f" and {percent(best['metrics']['OP'], digits=0)} of those it gives are right."
    )


def see_label_curves(facts: FactsView) -> str:
    """Explain the small plots."""
    n_positive = facts["models"][0]["per_label"]["n_positive"]
    n_shown = min(sum(1 for n in n_positive if n), MAX_PANELS)
    which = (
        "Each label by itself" if n_shown == len(n_positive) else f"The {n_shown} labels with most positives"
    )
    return (
        f"{which}, with the number of evaluated photos that carry it; a curve that falls to the dotted line"
        f" is no better than chance."
    )


def see_label_counts(facts: FactsView) -> str:
    """Name the most and the least frequent label."""
    labels = facts["data"]["labels"]
    most, least = (pick(labels, key=lambda label: int(label["n_positive"])) for pick in (max, min))
    text = f"“{most['name']}” is on {n_things(most['n_positive'], 'photo')}"
    if most is not least:
        text += f", “{least['name']}” on {least['n_positive']:,}"
    why = "the harder it is to learn and the less its numbers can be trusted"
    return f"{text}. The fewer photos carry a label, {why}."


def see_labels_per_photo(facts: FactsView) -> str:
    """Say how many labels a photo has."""
    counts = np.array(facts["data"]["labels_per_photo"])
    mean = float((counts * np.arange(len(counts))).sum() / max(counts.sum(), 1))
    none = f"; {n_things(int(counts[0]), 'photo')} without any" if counts[0] else ""
    return f"A photo carries {mean:.1f} labels on average{none}."


def see_co_occurrence(facts: FactsView) -> str:
    """Name the label that says most about another one."""
    counts = np.array(facts["data"]["co_occurrence"])
    names = [label["name"] for label in facts["data"]["labels"]]
    shares = np.where(np.diag(counts)[:, None] >= _FEW_POSITIVES, conditional_shares(counts), np.nan)
    if np.isnan(shares).all() or np.nanmax(shares) == 0:
        return "Rarely do two labels share a photo."
    row, column = np.unravel_index(int(np.nanargmax(shares)), shares.shape)
    return (
        f"Of the photos with “{names[row]}”, {percent(float(shares[row, column]), digits=0)} also have"
        f" “{names[column]}”: a network may well learn one from the other."
    )


CAPTIONS: dict[str, Callable[[FactsView], str]] = {
    "losses": see_losses,
    "average_precision": see_average_precision,
    "precision_recall": see_precision_recall,
    "precision_recall_labels": see_label_curves,
    "intervals": see_intervals,
    "reliability": see_reliability,
    "reliability_labels": see_label_reliability,
    "learning_curve": see_learning_curve,
    "learning_curve_labels": see_label_learning_curves,
    "label_counts": see_label_counts,
    "labels_per_photo": see_labels_per_photo,
    "co_occurrence": see_co_occurrence,
}
"""One sentence per plot that says what to see in it, by the names of the plots."""
