"""Tell what is to be seen in every plot.

In:  results.
Out: a sentence or two per plot.
"""

import numpy as np

from manylabel.report.plots.counts import conditional_shares
from manylabel.report.plots.curves import MAX_PANELS, labels_with_points, panels_of
from manylabel.report.plots.learning import mean_curve, read_losses
from manylabel.report.text.comparison import against_baselines
from manylabel.report.text.wording import n_things, percent, percent_range
from manylabel.results import LabelCounts, RunResults

_FEW_POSITIVES = 5
_FEW_EPOCHS = 4


def caption_losses(results: RunResults) -> str:
    """Tell whether the best model stopped in time."""
    losses = read_losses(results.best.history)
    held_out = mean_curve(losses.held_out)
    held_out = held_out[~np.isnan(held_out)]
    if not len(held_out):
        return "The loss on the training photos by epoch; no photos were held out from this fit."
    mean = ", averaged over the folds" if len(losses.held_out) > 1 else ""
    lowest, earlier = int(np.argmin(held_out)), held_out[-1 - len(held_out) // 4]
    n_since = len(held_out) - 1 - lowest
    if len(held_out) < _FEW_EPOCHS:
        end = f"has only {n_things(len(held_out), 'point')}: too few to see a trend"
    elif held_out[-1] > 1.05 * held_out[lowest] and n_since > len(held_out) // 10:
        end = f"rises again after epoch {lowest + 1}: from there on the model overfits"
    elif n_since == 0 and held_out[-1] < 0.97 * earlier:
        end = "still falls at the end, so more epochs may help"
    else:
        end = "is flat at the end, so more epochs would change little"
    return f"The solid line is the loss on held-out photos{mean}. For {results.best.model} it {end}."


def caption_intervals(results: RunResults) -> str:
    """Tell where the best model lies, and whether that is above the baselines."""
    n_photos = n_things(results.evaluated.n_known, "evaluated photo")
    text = (
        "The line through a marker is its 95 % interval: where the value over all photos of this kind"
        f" probably lies, estimated from {n_photos}."
    )
    span = percent_range(results.best.intervals["mAP"])
    if not span:
        return text
    return f"{text} The mAP of {results.best.model} lies at {span}. {against_baselines(results)}"


def caption_reliability(results: RunResults) -> str:
    """Tell in how many groups the probabilities of the best model agree with the truth."""
    calibration = results.best.calibration
    if calibration is None:
        return ""
    counts = [f"{panel.n_calibrated} of {len(panel.mean_score)}" for panel in panels_of(calibration).values()]
    before = f", before calibration in {counts[0]}" if len(counts) > 1 else ""
    return (
        "Calibrated probabilities lie on the dashed line: of all labels scored 30 %, three in ten are"
        f" present. Those of {results.best.model} agree with it, within the 95 % band, in {counts[-1]}"
        f" groups{before}."
    )


def caption_label_reliability(results: RunResults) -> str:
    """Explain the small diagrams, and count the labels that agree with the truth throughout."""
    calibration = results.best.calibration
    if calibration is None:
        return ""
    drawn = [calibration.kept.label_reliability[label] for label in labels_with_points(calibration)]
    n_agreeing = sum(1 for of_label in drawn if of_label.n_calibrated == len(of_label.mean_score))
    which = f"all {len(drawn)}" if n_agreeing == len(drawn) else f"{n_agreeing} of {len(drawn)}"
    return (
        f"The same per label, a point for each fifth of the photos: {which} agree with the dashed line in"
        " every point, within the 95 % bands. By chance alone, up to one calibrated label in five does not."
    )


def caption_learning_curve(results: RunResults) -> str:
    """Tell how far the mAP rose with the photos."""
    found = results.learning_curve
    if found is None:
        return ""
    name, curve = found
    values = [f"{percent(value)} with {n:,}" for n, value in zip(curve.n_photos, curve.values, strict=True)]
    return (
        f"Linear heads on the frozen backbone of {name}, trained on more and more photos: mAP {values[0]},"
        f" {values[-1]} photos, measured on held-out photos. The band shows the 95 % intervals."
    )


def caption_label_learning_curves(results: RunResults) -> str:
    """Explain the small curves."""
    return (
        "The same per label, with 95 % intervals: where a curve still rises at its right end, more photos of"
        " this label are likely to help; a wide band means that few photos carry it."
    )


def caption_average_precision(results: RunResults) -> str:
    """Name the easiest and the hardest label."""
    best, names = results.best, results.labels
    values = {
        column: value for column, value in enumerate(best.per_label["average_precision"]) if value is not None
    }
    if not values:
        return "No evaluated photo has any of the labels, so nothing can be said about them."
    easiest, hardest = (pick(values, key=values.__getitem__) for pick in (max, min))
    text = f"{best.model} finds “{names[easiest]}” best ({percent(values[easiest], digits=0)})"
    if easiest != hardest:
        text += f" and “{names[hardest]}” worst ({percent(values[hardest], digits=0)})"
    text += ". Lines are 95 % intervals; the numbers on the right count the evaluated photos with the label."
    n_rare = sum(1 for column in values if best.n_positive[column] < _FEW_POSITIVES)
    if n_rare:
        verb = "is" if n_rare == 1 else "are"
        rare = n_things(n_rare, "label")
        text += f" {rare} {verb} on fewer than {_FEW_POSITIVES}, where a single photo matters."
    return text


def caption_precision_recall(results: RunResults) -> str:
    """Tell where the thresholds put the best model."""
    best = results.best
    return (
        "The closer a curve comes to the upper right corner, the better; the marker is where the thresholds"
        f" put the model. {best.model} finds {percent(best.metrics['OR'], digits=0)} of the labels, and"
        f" {percent(best.metrics['OP'], digits=0)} of those it predicts are right."
    )


def caption_label_curves(results: RunResults) -> str:
    """Explain the small plots."""
    n_positive = results.models[0].n_positive
    n_shown = min(sum(1 for n in n_positive if n), MAX_PANELS)
    which = "The same per label" if n_shown == len(n_positive) else f"The {n_shown} most frequent labels"
    return (
        f"{which}, with the number of evaluated photos that carry it; a curve that falls to the dotted line"
        " is no better than chance."
    )


def caption_label_counts(results: RunResults) -> str:
    """Name the most and the least frequent label."""

    def count(label: LabelCounts) -> int:
        return label.n_positive

    most, least = max(results.data.labels, key=count), min(results.data.labels, key=count)
    text = f"“{most.name}” is on {n_things(most.n_positive, 'photo')}"
    if most is not least:
        text += f", “{least.name}” on {least.n_positive:,}"
    return (
        f"{text}. The fewer photos carry a label, the harder it is to learn and the less certain are its"
        " numbers."
    )


def caption_labels_per_photo(results: RunResults) -> str:
    """Tell how many labels a photo has."""
    counts = np.array(results.data.labels_per_photo)
    mean = float((counts * np.arange(len(counts))).sum() / max(counts.sum(), 1))
    none = f"; {n_things(int(counts[0]), 'photo')} without any" if counts[0] else ""
    return f"A photo carries {mean:.1f} labels on average{none}."


def caption_co_occurrence(results: RunResults) -> str:
    """Name the label that says most about another one."""
    counts, names = np.array(results.data.co_occurrence), results.labels
    shares = np.where(np.diag(counts)[:, None] >= _FEW_POSITIVES, conditional_shares(counts), np.nan)
    if np.isnan(shares).all() or np.nanmax(shares) == 0:
        return "Two labels rarely share a photo."
    row, column = np.unravel_index(int(np.nanargmax(shares)), shares.shape)
    return (
        f"Of the photos with “{names[row]}”, {percent(float(shares[row, column]), digits=0)} also have"
        f" “{names[column]}”: a model may learn one from the other."
    )
