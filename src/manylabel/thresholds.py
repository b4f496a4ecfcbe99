"""Show the thresholds of a bundle, and choose others.

In:  a bundle, and what new thresholds shall reach.
Out: a threshold per label, and what the new ones do on photos that did not choose them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from manylabel.bundle.folder import Bundle, find_out_of_fold, read_bundle, replace_thresholds
from manylabel.bundle.tables import SAME, write_thresholds
from manylabel.decisions.policy import ThresholdGain, measure_threshold_gain
from manylabel.decisions.thresholds import (
    ChosenThresholds,
    ThresholdObjective,
    choose_thresholds,
    cross_fit_thresholds,
)
from manylabel.errors import ConfigError, did_you_mean
from manylabel.types import IntArray

_OBJECTIVES = "precision=0.9, recall=0.9, f-beta=2, cost=FALSE:MISSED (e.g. cost=1:5), f1, accuracy or half"


@dataclass(frozen=True, eq=False, kw_only=True)
class NewThresholds:
    """Thresholds that were chosen for a bundle after its training.

    Attributes:
        bundle: The bundle as it is.
        thresholds: The new ones, and what they promise.
        n_positive: Photos with each label among those that chose [n_labels].
        n_photos: Photos that chose.
        gain: What they do; thresholds that decide about a photo were chosen on other folds.
    """

    bundle: Bundle
    thresholds: ChosenThresholds
    n_positive: IntArray
    n_photos: int
    gain: ThresholdGain


def choose_new_thresholds(bundle: Path | str, objective: ThresholdObjective | str) -> NewThresholds:
    """Choose thresholds anew, on the out-of-fold probabilities that a bundle keeps.

    Args:
        bundle: Folder that training wrote.
        objective: What to choose them for, as ``parse_objective`` reads it or ready made.

    Raises:
        BundleError: The bundle cannot be used, or keeps no out-of-fold probabilities.
        ConfigError: The objective cannot be understood.
    """
    objective = parse_objective(objective) if isinstance(objective, str) else objective
    opened = read_bundle(Path(bundle))
    kept = find_out_of_fold(opened)
    chosen = choose_thresholds(
        kept.targets, kept.scores, objective=objective, labels=kept.labels, groups=kept.groups
    )
    decisions = cross_fit_thresholds(kept.targets, kept.scores, kept.fold_rows, objective=objective)
    return NewThresholds(
        bundle=opened,
        thresholds=chosen,
        n_positive=(kept.targets == 1).sum(axis=0),
        n_photos=len(kept.names),
        gain=measure_threshold_gain(kept.targets, kept.scores, decisions=decisions, objective=objective),
    )


def keep_thresholds(new: NewThresholds) -> Path:
    """Write new thresholds into their bundle.

    Returns:
        The file that holds them.

    Raises:
        OutputError: It cannot be written.
    """
    return replace_thresholds(new.bundle, new.thresholds)


def save_thresholds(path: Path, bundle: Bundle, thresholds: ChosenThresholds | None = None) -> None:
    """Write thresholds to a file that ``predict``, ``evaluate`` and ``serve`` read.

    Args:
        path: The file, .csv.
        bundle: The bundle that they are for.
        thresholds: The thresholds; not given: those of the bundle.

    Raises:
        OutputError: It cannot be written.
    """
    values = bundle.thresholds.values if thresholds is None else thresholds.values
    write_thresholds(path, bundle.config.labels, values)


def describe_source(bundle: Bundle) -> list[str]:
    """Say of each label how its threshold came about: chosen, or edited and from what [n_labels]."""
    if bundle.chosen_thresholds is None:
        word = "edited" if bundle.thresholds.changes else "chosen"
        return [word] * len(bundle.config.labels)
    pairs = zip(bundle.thresholds.values.tolist(), bundle.chosen_thresholds.tolist(), strict=True)
    return [f"edited, was {old:.3f}" if abs(now - old) > SAME else "chosen" for now, old in pairs]


def parse_objective(text: str) -> ThresholdObjective:
    """Read what thresholds shall reach.

    Args:
        text: ``precision=0.9``, ``recall=0.9``, ``f-beta=2``, ``cost=FALSE:MISSED`` (what a label costs that
            is given and not there, and one that is there and not given), ``f1``, ``accuracy`` or ``half``.

    Raises:
        ConfigError: It is something else.

    Examples:
        >>> parse_objective("cost=1:5").costs  # missed, false
        (5.0, 1.0)
    """
    name, _, given = text.partition("=")
    objectives: dict[str, Callable[[], ThresholdObjective]] = {
        "precision": lambda: ThresholdObjective(method="precision", target=_as_number(given)),
        "recall": lambda: ThresholdObjective(method="recall", target=_as_number(given)),
        "f-beta": lambda: ThresholdObjective(method="f1", beta=_as_number(given)),
        "cost": lambda: _costs(given),
        "f1": lambda: _without_number("f1", given),
        "accuracy": lambda: _without_number("accuracy", given),
        "half": lambda: _without_number("half", given),
    }
    if name not in objectives:
        hint = did_you_mean(name, [*objectives])
        known = f"{hint} Known" if hint else "; known"
        raise ConfigError(f"thresholds for '{text}': unknown objective '{name}'{known}: {_OBJECTIVES}")
    try:
        return objectives[name]()
    except ValueError as error:
        raise ConfigError(f"thresholds for '{text}': {error}; expected e.g. {_OBJECTIVES}") from error


def _as_number(given: str) -> float:
    try:
        return float(given)
    except ValueError:
        raise ValueError(f"'{given}' is no number") from None


def _costs(given: str) -> ThresholdObjective:
    false, mark, missed = given.partition(":")
    if not mark:
        raise ValueError("a cost is FALSE:MISSED")
    return ThresholdObjective(method="cost", cost_false=_as_number(false), cost_missed=_as_number(missed))


def _without_number(method: str, given: str) -> ThresholdObjective:
    if given:
        raise ValueError(f"'{method}' takes no number")
    match method:
        case "f1":
            return ThresholdObjective(method="f1")
        case "accuracy":
            return ThresholdObjective(method="accuracy")
        case _:
            return ThresholdObjective(method="half")
