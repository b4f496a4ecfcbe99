"""Say in plain words what the facts show.

In:  facts.
Out: sentences without any markup; names in them come from the user and are not safe for HTML by themselves.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from manylabel.report.plots.counts import conditional_shares
from manylabel.report.plots.losses import mean_curve, read_losses

FactsView = Mapping[str, Any]

_FEW_POSITIVES = 5


def percent(share: float | None, *, digits: int = 1) -> str:
    """Write a share for people.

    Examples:
        >>> percent(0.824), percent(1.0, digits=0), percent(None)
        ('82.4 %', '100 %', 'undefined')
    """
    return "undefined" if share is None else f"{share:.{digits}%}".replace("%", "\N{NO-BREAK SPACE}%")


def duration(seconds: float) -> str:
    """Write a time span for people.

    Examples:
        >>> duration(0.0042), duration(41.3), duration(485.7), duration(7300)
        ('4.2 ms', '41.3 s', '8 min 6 s', '2 h 2 min')
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


def headline(facts: FactsView) -> str:
    """Name the network that is best, in one line."""
    models, best = facts["models"], facts["models"][facts["best"]]
    start = f"{best['model']} (random weights)" if best["init"] == "random" else best["model"]
    score = f"mAP {percent(best['metrics']['mAP'])}"
    if len(models) == 1:
        return f"{start} reaches {score}"
    return f"{start} is the best of {len(models)} networks: {score}"


def judged_on(facts: FactsView) -> str:
    """Say which photos judged, and that no network had seen them."""
    n_photos, n_folds = facts["judged"]["n_photos"], facts["data"]["n_folds"]
    if facts["judged"]["part"] == "test":
        return f"Judged on {n_things(n_photos, 'test photo')} that no network learned from."
    return (
        f"Judged on all {n_things(n_photos, 'photo')} by {n_folds}-fold cross-validation: each photo was scored by"
        f" a network that had not learned from it."
    )


def result(facts: FactsView) -> str:
    """Say how many photos the best network gets entirely right, and how far ahead it is."""
    best = facts["models"][facts["best"]]
    share, n_photos = best["metrics"]["exact_match"], facts["judged"]["n_photos"]
    if share is None:
        return "No judged photo has a known label, so nothing can be said about right and wrong."
    text = f"It gets every label right on {percent(share)} of the photos"
    others = [
        model
        for position, model in enumerate(facts["models"])
        if position != facts["best"]
        if model["metrics"]["mAP"] is not None
    ]
    if others and best["metrics"]["mAP"] is not None:
        second = max(others, key=lambda model: float(model["metrics"]["mAP"]))
        ahead = 100 * (best["metrics"]["mAP"] - second["metrics"]["mAP"])
        text += f", and its mAP is {ahead:.1f} points above that of {second['model']}"
    return f"{text}. With {n_things(n_photos, 'photo')}, one photo more or less moves exact match by {100 / n_photos:.1f} points."


def baseline_warning(facts: FactsView) -> str:
    """Say what a model that never gives a label reaches in binary accuracy, and why that is so much."""
    nothing = facts["baselines"][0]["metrics"]
    best = facts["models"][facts["best"]]
    return (
        f"Binary accuracy needs a yardstick: giving no label to any photo already reaches"
        f" {percent(nothing['binary_accuracy'])}, because most labels are absent from most photos. Read the"
        f" {percent(best['metrics']['binary_accuracy'])} of {best['model']} against that, not against 50"
        f"\N{NO-BREAK SPACE}%."
    )


def random_warnings(facts: FactsView) -> list[str]:
    """Say of every network that started from random weights that it did, and what that means."""
    return [
        f"{model['model']} started from random weights, not from pre-trained ones; its numbers say nothing about"
        f" what it can do. {model['init_note']}".strip()
        for model in facts["models"]
        if model["init"] == "random"
    ]


def parts(facts: FactsView) -> str:
    """Say how the photos were divided, and by whom."""
    sizes, n_folds = facts["data"]["parts"], facts["data"]["n_folds"]
    kinds = {"train": "to learn from", "val": "to stop and choose thresholds by", "test": "to judge by"}
    shares = ", ".join(f"{sizes[part]:,} {purpose}" for part, purpose in kinds.items() if sizes[part])
    folds = f", in {n_folds} folds" if n_folds else ""
    origin = f" ({facts['data']['split_origin']})" if facts["data"]["split_origin"] else ""
    return f"Divided into {shares}{folds}{origin}."


def top_value(facts: FactsView, column: str) -> float | None:
    """Return the best value of a column of the table among the networks; None where none is best."""
    if column in ("training_seconds", "inference_seconds", "parameters"):
        return min(float(model[column]) for model in facts["models"])
    values = [model["metrics"].get(column) for model in facts["models"]]
    return max((float(value) for value in values if value is not None), default=None)


def timings(facts: FactsView) -> dict[str, Any]:
    """Lay out the time per stage: one row per network, one for what was done once.

    Returns:
        ``rows``, each with its name, its seconds and its stages (name, seconds, and a number that is the same
        for the same stage in all rows); ``longest``, the seconds of the longest row.
    """
    spans = {model["model"]: model["stage_seconds"] for model in facts["models"]}
    spans["once for all"] = facts["run"]["stage_seconds"]
    numbers: dict[str, int] = {}
    rows = []
    for name, seconds in spans.items():
        stages = [
            {"name": stage, "seconds": spent, "number": numbers.setdefault(stage, len(numbers))}
            for stage, spent in seconds.items()
        ]
        if sum(seconds.values()) > 0:
            rows.append({"name": name, "seconds": sum(seconds.values()), "stages": stages})
    return {"rows": rows, "longest": max((row["seconds"] for row in rows), default=0.0)}


def see_losses(facts: FactsView) -> str:
    """Say whether the best network stopped in time."""
    best = facts["models"][facts["best"]]
    losses = read_losses(best["history"])
    if not losses.has_held_out:
        return "Loss on the training photos, epoch by epoch; no photo was held out while training."
    held_out = mean_curve(losses.held_out)
    held_out = held_out[~np.isnan(held_out)]
    if not len(held_out):
        return "Loss on training and held-out photos, epoch by epoch."
    lowest = int(np.argmin(held_out))
    kind = "mean over the folds in bold" if len(losses.held_out) > 1 else "one line per part"
    if held_out[-1] > 1.05 * held_out[lowest]:
        what = (
            f"rises again after epoch {lowest + 1}: from there on {best['model']} learned its training photos by"
            f" heart, and fewer epochs would do"
        )
    else:
        what = f"stays low to the end, so {best['model']} did not learn its training photos by heart"
    return f"The held-out loss ({kind}) {what}."


def see_average_precision(facts: FactsView) -> str:
    """Name the easiest and the hardest label."""
    best = facts["models"][facts["best"]]
    values, counts = best["per_label"]["average_precision"], best["per_label"]["n_positive"]
    judged = [label for label, value in enumerate(values) if value is not None]
    if not judged:
        return "No judged photo has any of the labels, so nothing can be said about them."
    names = [label["name"] for label in facts["data"]["labels"]]
    easiest, hardest = (pick(judged, key=lambda label: float(values[label])) for pick in (max, min))
    text = f"{best['model']} finds “{names[easiest]}” best ({percent(values[easiest], digits=0)})"
    if easiest != hardest:
        text += f" and “{names[hardest]}” worst ({percent(values[hardest], digits=0)})"
    n_rare = sum(1 for label in judged if counts[label] < _FEW_POSITIVES)
    rare = f" {_rare_words(n_rare)}, so one photo decides much there." if n_rare else ""
    return f"{text}; the numbers on the right count the judged photos that carry the label.{rare}"


def see_precision_recall(facts: FactsView) -> str:
    """Say where the thresholds put the best network."""
    best = facts["models"][facts["best"]]
    return (
        f"The nearer a curve comes to the upper right corner, the better; the marker is where the thresholds put the"
        f" network. {best['model']} finds {percent(best['metrics']['OR'], digits=0)} of the labels, and"
        f" {percent(best['metrics']['OP'], digits=0)} of those it gives are right."
    )


def see_label_curves(facts: FactsView) -> str:
    """Explain the small plots."""
    n_positive = facts["models"][0]["per_label"]["n_positive"]
    n_shown = min(sum(1 for n in n_positive if n), 30)
    which = "Each label" if n_shown == len(n_positive) else f"The {n_shown} labels with most positives"
    return (
        f"{which} by itself, with the number of judged photos that carry it; a curve that falls to the dotted line is"
        f" no better than chance."
    )


def see_label_counts(facts: FactsView) -> str:
    """Name the most and the least frequent label."""
    labels = facts["data"]["labels"]
    most, least = (pick(labels, key=lambda label: int(label["n_positive"])) for pick in (max, min))
    text = f"“{most['name']}” is on {n_things(most['n_positive'], 'photo')}"
    if most is not least:
        text += f", “{least['name']}” on {least['n_positive']:,}"
    return f"{text}. The fewer photos carry a label, the harder it is to learn and the less its numbers can be trusted."


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


SEE: dict[str, Callable[[FactsView], str]] = {
    "losses": see_losses,
    "average_precision": see_average_precision,
    "precision_recall": see_precision_recall,
    "precision_recall_labels": see_label_curves,
    "label_counts": see_label_counts,
    "labels_per_photo": see_labels_per_photo,
    "co_occurrence": see_co_occurrence,
}
"""One sentence per plot that says what to see in it, by the names of the plots."""


def _rare_words(n_labels: int) -> str:
    return f"{n_things(n_labels, 'label')} stand{'s' if n_labels == 1 else ''} on fewer than {_FEW_POSITIVES} of them"
