"""Describe calibration, thresholds, and given labels that may be wrong.

In:  results.
Out: sentences.
"""

from dataclasses import dataclass

from manylabel.report.text.wording import n_things, sentence
from manylabel.results import (
    CalibrationResult,
    LabelIssue,
    ModelResults,
    NearDuplicate,
    NearDuplicateGroup,
    RunResults,
)

MOST_ISSUE_PHOTOS = 12
MOST_FINDINGS = 15

_MOST_LABELS = 100
_TRUSTED_SHARE = 0.25
_PART_WORDS = {"train": "training photo", "val": "validation photo", "test": "test photo", None: "left out"}


def describe_calibration(model: ModelResults) -> str:
    """Tell what was done to the probabilities of a model, and on which photos that was measured."""
    found = model.calibration
    if found is None:
        return "No photos were kept from training, so calibration could not be measured."
    photos = n_things(found.n_photos, "photo")
    return f"{sentence(calibration_note(found))} Measured on {photos}: {found.origin}."


def calibration_note(found: CalibrationResult) -> str:
    """Tell what was done to probabilities in a few words."""
    note = found.note.replace("->", "\N{RIGHTWARDS ARROW}")
    return note if found.is_used else f"calibration {note}"


def describe_thresholds(model: ModelResults) -> str:
    """Tell where the thresholds of a model come from and what they gain on new photos."""
    text = sentence(model.threshold_origin)
    return text if model.threshold_gain is None else f"{text} {sentence(model.threshold_gain.note)}"


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
