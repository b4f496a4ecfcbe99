"""Describe calibration, thresholds, and given labels that may be wrong.

In:  results.
Out: sentences.
"""

from dataclasses import dataclass
from typing import assert_never

from manylabel.decisions.calibration import MIN_PHOTOS
from manylabel.report.text.wording import n_things, sentence
from manylabel.results import (
    CalibrationResult,
    LabelIssue,
    ModelResults,
    NearDuplicate,
    NearDuplicateGroup,
    RunResults,
    ThresholdGain,
)
from manylabel.trials import MissedGuarantee

MOST_ISSUE_PHOTOS = 12
MOST_FINDINGS = 15

_MOST_LABELS = 100
_TRUSTED_SHARE = 0.25
_PART_WORDS = {"train": "training photo", "val": "validation photo", "test": "test photo", None: "left out"}


def describe_calibration(model: ModelResults) -> str:
    """Tell what was done to the probabilities of a model, and on which photos that was measured."""
    found = model.calibration
    if found is None:
        return "No photos were held out from training, so calibration could not be measured."
    photos = n_things(found.n_photos, "photo")
    return f"{sentence(calibration_note(found))} Measured on {photos}: {found.origin}."


def calibration_note(found: CalibrationResult) -> str:
    """Tell what was done to probabilities in a few words."""
    before, after = found.log_loss_before, found.log_loss_after
    left_out = "calibration left out:"
    if found.outcome == "off":
        return "not calibrated, as asked"
    if before is None or after is None or found.outcome == "unknown":
        return f"{left_out} no label of these photos is known"
    if found.outcome == "no_change":
        return f"{left_out} it would not have changed the log loss ({before:.3f})"
    n_digits = next((n for n in range(3, 9) if f"{before:.{n}f}" != f"{after:.{n}f}"), 9)
    change = f"{before:.{n_digits}f} \N{RIGHTWARDS ARROW} {after:.{n_digits}f}"
    match found.outcome:
        case "used":
            return f"calibrated: log loss {change} on photos that the calibration was not fitted to"
        case "too_few_photos":
            return f"{left_out} fewer than {MIN_PHOTOS} photos cannot show that it helps ({change})"
        case "within_chance":
            return f"{left_out} it would have changed the log loss by no more than chance ({change})"
        case "worse":
            return f"{left_out} it would have made the log loss worse ({change})"
        case _:
            assert_never(found.outcome)


def describe_missed_guarantee(missed: MissedGuarantee) -> str:
    """Tell why a precision or recall cannot be guaranteed.

    Examples:
        >>> missed = MissedGuarantee(
        ...     label="boat", metric="recall", target=0.9, n_positive=7, n_needed=9, reached=1.0
        ... )
        >>> describe_missed_guarantee(missed)
        "label 'boat': 7 positives are too few to guarantee 90 % recall; 9 are needed (here: 100 %)"
    """
    metric, n_positive, n_needed = missed.metric, missed.n_positive, missed.n_needed
    if missed.label is None:
        return (
            f"a {metric} of {missed.target:.0%} cannot be guaranteed: no photos were held out from training"
            " to choose thresholds on; use validation photos or --folds"
        )
    goal = f"{100 * missed.target:g} % {metric}"
    positives = "1 positive is" if n_positive == 1 else f"{n_positive} positives are"
    if n_positive >= n_needed:
        why = f"its probabilities do not separate it well enough to guarantee {goal} ({n_positive} positives)"
    elif metric == "recall":
        why = f"{positives} too few to guarantee {goal}; {n_needed} are needed"
    else:
        why = f"{positives} too few to guarantee {goal}; at least {n_needed} are needed"
    reached = "" if missed.reached is None else f" (here: {100 * missed.reached:.0f} %)"
    return f"label '{missed.label}': {why}{reached}"


_OBJECTIVES = {
    "f1": ("f_beta_macro", "macro-F"),
    "half": ("f_beta_macro", "macro-F"),
    "accuracy": ("binary_accuracy", "binary accuracy"),
    "cost": ("cost", "the cost of a photo"),
    "precision": ("precision_macro", "macro-precision"),
    "recall": ("recall_macro", "macro-recall"),
}
"""The metric that is closest to what thresholds were chosen for, and its name; F is followed by beta."""


def describe_threshold_gain(gain: ThresholdGain) -> str:
    """Tell what thresholds do for the metric that is closest to their objective."""
    metric, name = _OBJECTIVES[gain.method]
    name = f"{name}{gain.beta:g}" if metric == "f_beta_macro" else name
    before, new, own = gain.half[metric], gain.cross_fitted[metric], gain.optimistic[metric]
    if gain.half["exact_match"] is None:
        return "the effect of thresholds on new photos is unknown: no photo has a known label"
    if before is None or new is None or own is None:
        return f"the effect of thresholds on {name} is unknown: no label is predicted for any photo"
    template = "{:.2f}" if metric == "cost" else "{:.1%}"
    old_text, new_text, own_text = (template.format(value).rstrip("%") for value in (before, new, own))
    change = f"{'raise' if new > before else 'lower'} {name} from {old_text} to"
    effect = f"{change if old_text != new_text else f'leave {name} at'} {new_text}"
    return (
        f"thresholds {effect} on photos they were not chosen on; on their own photos it looks like {own_text}"
    )


def describe_thresholds(model: ModelResults) -> str:
    """Tell where the thresholds of a model come from and what they gain on new photos."""
    text = sentence(model.threshold_origin)
    return (
        text
        if model.threshold_gain is None
        else f"{text} {sentence(describe_threshold_gain(model.threshold_gain))}"
    )


def n_wrong_labels(results: RunResults) -> int | None:
    """Return how many given labels are probably wrong; None where the best model is too poor to tell.

    A model that misses many labels takes what it does not see for wrong. Where that comes to more than a
    quarter of the labels that are present, the number says more about the model than about the labels.
    """
    found = results.label_issues
    if found is None or found.n_expected > _TRUSTED_SHARE * found.n_present:
        return None
    return round(found.n_expected)


def describe_label_issues(results: RunResults) -> str:
    """Tell how many given labels are probably wrong."""
    found = results.label_issues
    if found is None:
        return "No photo was scored by a model that was not trained on it, so the labels were not checked."
    if not found.cells:
        return "No known label was scored, so none can be called wrong."
    photos = n_things(found.n_photos, "photo")
    on = f"on the {photos} that {results.best.model} scored without being trained on them"
    n_wrong = n_wrong_labels(results)
    if n_wrong is None:
        return (
            f"How many given labels are wrong cannot be estimated {on}: the model makes too many mistakes"
            " itself. The labels that it contradicts most:"
        )
    if n_wrong == 0:
        return f"Hardly any given label looks wrong {on}. The least likely ones:"
    wrong = "1 given label is" if n_wrong == 1 else f"{n_wrong:,} given labels are"
    return (
        f"About {wrong} probably wrong {on}. An unsure model overestimates this number: look before you"
        " change anything. The least likely labels first, at most three of one label in a row:"
    )


def describe_issue_file(results: RunResults) -> str:
    """Tell where all given labels that are probably wrong are listed; empty where there are none."""
    found = results.label_issues
    if found is None or not found.cells:
        return ""
    return (
        f"label_issues.csv, beside this report, lists {n_things(found.n_listed, 'label')}, the least likely"
        " first: what was given, and the probability that it is wrong."
    )


@dataclass(frozen=True, kw_only=True)
class IssuePhoto:
    """A photo with labels that may be wrong."""

    row: int
    name: str
    cells: tuple[LabelIssue, ...]


def issue_photos(results: RunResults) -> list[IssuePhoto]:
    """Return the photos with the least likely labels, the worst photo first."""
    cells_of: dict[int, list[LabelIssue]] = {}
    for cell in () if results.label_issues is None else results.label_issues.cells:
        cells_of.setdefault(cell.row, []).append(cell)
    photos = [IssuePhoto(row=row, name=cells[0].name, cells=tuple(cells)) for row, cells in cells_of.items()]
    return photos[:MOST_ISSUE_PHOTOS]


def describe_near_duplicate(photo: NearDuplicate, group: NearDuplicateGroup) -> list[str]:
    """Return what stands under a photo of a group of near-duplicates: its part, and its contested labels."""
    claims = [f"{'has' if label in photo.present else 'lacks'} {label}" for label in group.contested]
    return [_PART_WORDS[photo.part], *claims]


def frequent_labels(results: RunResults) -> list[int]:
    """Return the columns of the most frequent labels, in the order of the table; of few labels all."""
    labels = results.data.labels
    by_count = sorted(range(len(labels)), key=lambda column: -labels[column].n_positive)
    return sorted(by_count[:_MOST_LABELS])
