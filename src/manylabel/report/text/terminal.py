"""Tell under a table in a terminal what it rests on and how certain it is.

In:  results.
Out: lines.
"""

from manylabel.report.text.comparison import against_baselines, comparison_sentence, sorted_comparisons
from manylabel.report.text.decisions import describe_missed_guarantee
from manylabel.report.text.summary import known_note, worse_than_nothing
from manylabel.report.text.wording import n_things, percent_range
from manylabel.results import ModelResults, RunResults

_MOST_PAIRS = 3
_MOST_NOTES = 3


def terminal_lines(results: RunResults) -> list[str]:
    """Return the lines under the table of results."""
    evaluated, best = results.evaluated, results.best
    n_photos = evaluated.n_evaluated
    on = (
        f"{n_things(n_photos, 'test photo')}"
        if evaluated.part == "test"
        else f"{n_things(n_photos, 'photo')}, each scored by a model that was not trained on it"
    )
    ranges = [
        f"{name} {words}"
        for name, key in (("mAP", "mAP"), ("exact match", "exact_match"))
        if (words := percent_range(best.intervals[key]))
    ]
    lines = [
        f"Evaluated on {on}.",
        known_note(results),
        f"95 % intervals of {best.model}: {', '.join(ranges)}." if ranges else "",
        against_baselines(results),
        worse_than_nothing(results),
    ]
    if len(results.models) > 1 and results.best_by == "out_of_fold":
        lines.append(f"Best by cross-validation on the training photos: {best.model}.")
    lines += map(comparison_sentence, sorted_comparisons(results)[:_MOST_PAIRS])
    return [line for line in (*lines, _broken_promises(best)) if line]


def _broken_promises(model: ModelResults) -> str:
    """Tell what thresholds cannot guarantee, with the first reasons; empty where they guarantee all."""
    missed = model.missed_guarantees
    if not missed:
        return ""
    notes, n_more = [*map(describe_missed_guarantee, missed[:_MOST_NOTES])], len(missed) - _MOST_NOTES
    more = [f"and {n_more:,} more labels"] if n_more > 0 else []
    return f"Thresholds: {model.threshold_origin}; {'; '.join([*notes, *more])}."
