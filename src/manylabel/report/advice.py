"""Say what to do next: whether more photos would help, of which labels, and what else to look at.

In:  facts.
Out: sentences without any markup; names in them come from the user and are not safe for HTML by themselves.
"""

from collections.abc import Sequence

from manylabel.report.plots.learning import curve_of, half_of
from manylabel.report.words import FactsView, list_words, n_things, n_wrong_labels, percent

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


def more_photos(facts: FactsView) -> str:
    """Say whether more photos would help, from what the last doubling of the photos added."""
    found = curve_of(facts)
    if found is None:
        return (
            "Whether more photos would help was not measured: that takes at least 40 training photos, at most"
            " 100,000 cells of their table, and a network whose features were computed before training."
        )
    model, curve = found
    gain, (low, high) = curve["gain"], curve["gain_band"]
    if gain is None or low is None or high is None:
        return "Whether more photos would help cannot be told: too few photos carry the labels."
    fewer, all_photos = curve["n_photos"][half_of(curve)], curve["n_photos"][-1]
    added = (
        f"Learning from {all_photos:,} photos instead of {fewer:,} {'raised' if gain >= 0 else 'lowered'} the"
        f" mAP of a linear head on the frozen {model} by {abs(100 * gain):.1f} points"
        f" [{100 * low:z.1f}, {100 * high:z.1f}]"
    )
    if low > 0:
        return f"{added}, so more photos are likely to help."
    if high < _SMALL_GAIN:
        return f"{added}, so more photos of this kind would change little; look at the labels first."
    return f"{added}. That may be chance, so whether more photos would help cannot be told yet."


def labels_that_gain(facts: FactsView) -> str | None:
    """Name the labels that surely gained most from the last doubling; None where none did."""
    found = curve_of(facts)
    if found is None or len(facts["data"]["labels"]) < 2:
        return None
    before, after = (found[1]["label_values"][place] for place in (half_of(found[1]), -1))
    gains = {
        column: new - old
        for column, (old, new, (low, _)) in enumerate(
            zip(before, after, found[1]["label_gain_bands"], strict=True)
        )
        if None not in (old, new, low) and new - old >= _LABEL_GAIN and low > 0
    }
    if not gains:
        return None
    chosen = sorted(gains, key=lambda column: -gains[column])[:_MOST_LABELS]
    names = [
        f"“{facts['data']['labels'][column]['name']}” ({100 * before[column]:.0f} to"
        f" {percent(after[column], digits=0)})"
        for column in chosen
    ]
    return (
        f"The labels that gained most from it, and so promise most from more photos: {list_words(names)}."
        f" Single labels vary more than all together."
    )


def rare_labels(facts: FactsView) -> Sequence[str]:
    """Return what the check says of labels that are too rare to learn or to judge, the gravest first."""
    return [finding["text"] for finding in facts["check"]["findings"] if finding["kind"] in _RARE_KINDS]


def photos_of_rare_labels(facts: FactsView) -> str | None:
    """Name the labels of which photos are needed most; None where no label is too rare."""
    findings = [finding for finding in facts["check"]["findings"] if finding["kind"] in _RARE_KINDS]
    columns = [*dict.fromkeys(column for finding in findings for column in finding["labels"])]
    if not columns:
        return None
    names = [f"“{facts['data']['labels'][column]['name']}”" for column in columns[:MOST_RARE]]
    if len(columns) > MOST_RARE:
        names.append(f"{len(columns) - MOST_RARE:,} more")
    return f"Photos with rare labels are needed most: {list_words(names)}."


def labels_to_look_at(facts: FactsView) -> str | None:
    """Say how many given labels are worth a second look; None where hardly any is, or none can tell."""
    n_wrong = n_wrong_labels(facts)
    if not n_wrong:
        return None
    return f"About {n_things(n_wrong, 'given label')} {'is' if n_wrong == 1 else 'are'} probably wrong"
