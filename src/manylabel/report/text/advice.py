"""Advise what to do next: whether more photos would help, of which labels, and what else to look at.

In:  results.
Out: sentences.
"""

from collections.abc import Sequence

from manylabel.report.text.decisions import n_wrong_labels
from manylabel.report.text.wording import list_words, n_things, percent
from manylabel.results import RunResults

MOST_RARE = 5

_SMALL_GAIN = 0.01
_LABEL_GAIN = 0.02
_MOST_LABELS = 3
_RARE_KINDS = (
    "too_few_photos",
    "never_present",
    "only_unknown",
    "not_in_training",
    "not_in_test",
    "few_positives",
)


def more_photos(results: RunResults) -> str:
    """Tell whether more photos would help, from what the last doubling of the photos added."""
    found = results.learning_curve
    if found is None:
        return (
            "Whether more photos would help was not measured: that takes at least 40 training photos, at most"
            " 100,000 cells in their table, and a backbone whose features were computed before training."
        )
    model, curve = found
    gain, low, high = curve.gain, curve.gain_band.low, curve.gain_band.high
    if gain is None or low is None or high is None:
        return "Whether more photos would help is unknown: too few photos carry the labels."
    fewer, all_photos = curve.n_photos[curve.half_index], curve.n_photos[-1]
    added = (
        f"Training on {all_photos:,} photos instead of {fewer:,} {'raised' if gain >= 0 else 'lowered'} the"
        f" mAP of a linear head on the frozen {model} by {abs(100 * gain):.1f} points [{100 * low:z.1f},"
        f" {100 * high:z.1f}]"
    )
    if low > 0:
        return f"{added}, so more photos are likely to help."
    if high < _SMALL_GAIN:
        return f"{added}, so more photos of this kind would change little; check the labels first."
    return f"{added}. This may be chance, so it is unknown whether more photos would help."


def labels_that_gain(results: RunResults) -> str | None:
    """Name the labels that surely gained most from the last doubling; None where none did."""
    found = results.learning_curve
    if found is None or len(results.labels) < 2:
        return None
    curve = found[1]
    before, after = curve.label_values[curve.half_index], curve.label_values[-1]
    gains = [
        (new - old, column, old, new)
        for column, (old, new, band) in enumerate(zip(before, after, curve.label_gain_bands, strict=True))
        if old is not None and new is not None and band.low is not None
        if new - old >= _LABEL_GAIN and band.low > 0
    ]
    if not gains:
        return None
    names = [
        f"“{results.labels[column]}” ({100 * old:.0f} to {percent(new, digits=0)})"
        for _, column, old, new in sorted(gains, key=lambda entry: -entry[0])[:_MOST_LABELS]
    ]
    return (
        f"The labels that gained most, and so promise most from more photos: {list_words(names)}. Single"
        " labels vary more than their mean."
    )


def rare_labels(results: RunResults) -> Sequence[str]:
    """Return what the check found about labels that are too rare, the gravest first."""
    return [finding.text for finding in results.findings if finding.kind in _RARE_KINDS]


def photos_of_rare_labels(results: RunResults) -> str | None:
    """Name the labels of which photos are needed most; None where no label is too rare."""
    findings = [finding for finding in results.findings if finding.kind in _RARE_KINDS]
    columns = [*dict.fromkeys(column for finding in findings for column in finding.labels)]
    if not columns:
        return None
    names = [f"“{results.labels[column]}”" for column in columns[:MOST_RARE]]
    if len(columns) > MOST_RARE:
        names.append(f"{len(columns) - MOST_RARE:,} more")
    return f"Photos with rare labels are needed most: {list_words(names)}."


def labels_to_look_at(results: RunResults) -> str | None:
    """Tell how many given labels deserve a second look; None where hardly any does, or none can tell."""
    n_wrong = n_wrong_labels(results)
    if not n_wrong:
        return None
    return f"About {n_things(n_wrong, 'given label')} {'is' if n_wrong == 1 else 'are'} probably wrong"
