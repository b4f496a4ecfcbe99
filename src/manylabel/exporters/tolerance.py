"""Say what an 8-bit version may change, and refuse one that changes more.

In:  how its decisions and its mAP compare with those of the network.
Out: beforehand, what will be measured and refused; afterwards nothing, or an error.

Decisions count, not probabilities: in a network that tells labels apart sharply, a few probabilities move far
and change nothing. A share of a few photos says little, so the end of its 95 % interval counts as well.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from manylabel.errors import EngineError, InputError
from manylabel.exporters.comparison import Comparison
from manylabel.exporters.parity import Parity, ParityRow, check_parity
from manylabel.metrics.bootstrap import Interval, wilson_interval

MOST_CHANGED, MOST_CHANGED_HIGH = 0.02, 0.05
"""Share of decisions that may change, and where its 95 % interval may end."""

MOST_LOST, MOST_LOST_HIGH = 0.01, 0.05
"""mAP that may be lost, and where its 95 % interval may end."""

FEWEST_DECISIONS = 73
"""With fewer, the interval ends above 5 % even where no decision changes."""

FEWEST_GROUPS = 40
"""With fewer photos, copies counted as one, the interval ends above 5 points even where no mAP is lost."""

MOST_JUDGING = 100
"""Photos that are looked at for changed decisions, where that many are given."""

_FORM = "the 8-bit version"


def count_judging(n_given: int, *, n_labels: int, where: Path) -> int:
    """Return how many photos are looked at for changed decisions.

    Args:
        n_given: Photos that there are.
        n_labels: Labels of the network.
        where: Names the photos in errors.

    Raises:
        InputError: They are too few to tell how many decisions change.
    """
    needed = math.ceil(FEWEST_DECISIONS / n_labels)
    if n_given < needed:
        raise InputError(
            f"{where}: too few photos to see how many decisions 8-bit numbers change: given {n_given}, "
            f"expected at least {needed} to compare {FEWEST_DECISIONS} decisions ({n_labels} labels); "
            "give more photos like those to be scored"
        )
    return min(n_given, max(MOST_JUDGING, needed))


def announce(*, n_calibrating: int, n_judging: int, n_labelled: int | None) -> Iterator[str]:
    """Say what will be measured on how many photos, and what will be refused.

    Args:
        n_calibrating: Photos that set the ranges of 8-bit numbers.
        n_judging: Photos that are looked at for changed decisions.
        n_labelled: Photos that mAP is measured on; None where no labels are given.
    """
    yield f"{_FORM} takes its ranges from {n_calibrating} photos and is compared on {n_judging}"
    yield (
        f"it is refused where more than {100 * MOST_CHANGED:g} % of decisions change, or the 95 % interval "
        f"of that share ends above {100 * MOST_CHANGED_HIGH:g} %"
    )
    if n_labelled is None:
        yield "what it costs in mAP is not measured; --labels FILE would"
    elif n_labelled < FEWEST_GROUPS:
        yield f"mAP is measured on {n_labelled} photos and shown; it decides from {FEWEST_GROUPS} photos on"
    else:
        yield (
            f"it is refused, too, where mAP on {n_labelled} photos falls by more than {100 * MOST_LOST:g} "
            f"point, or the 95 % interval of that loss ends above {100 * MOST_LOST_HIGH:g} points"
        )


def check_cost(
    parity: Parity, comparison: Comparison | None, *, bundle: Path, max_difference: float | None
) -> None:
    """Refuse an 8-bit version that changes too much.

    Args:
        parity: How its probabilities and decisions compare with torch's.
        comparison: How its mAP compares with that of 32-bit numbers; None where no labels are given.
        bundle: Names the bundle in errors.
        max_difference: Largest difference of a probability that is accepted; not given: any.

    Raises:
        EngineError: Too many decisions change, mAP falls too far, or a probability moves by more than is
            accepted or is no number.
    """
    limit = 1.0 if max_difference is None else max_difference
    check_parity(parity, bundle=bundle, form=_FORM, limit=limit, advice=_advise(parity, comparison))
    problem = next(filter(None, (_too_many_changed(row, parity) for row in parity.rows)), None)
    problem = _too_much_lost(comparison) if problem is None else problem
    if problem is not None:
        costs = "" if comparison is None else f" {'. '.join(_weigh(comparison))}."
        raise EngineError(
            f"{bundle}: {_FORM} {problem}; nothing was written.{costs} Photos that are more like those to be "
            "scored may set better ranges; --engine openvino needs none"
        )


def changed_share(row: ParityRow, parity: Parity) -> Interval:
    """Return the 95 % interval of the share of decisions that change."""
    return wilson_interval(row.n_changed, parity.n_decisions)


def _too_many_changed(row: ParityRow, parity: Parity) -> str | None:
    share, interval = row.n_changed / parity.n_decisions, changed_share(row, parity)
    if share <= MOST_CHANGED and interval.high <= MOST_CHANGED_HIGH:
        return None
    more = "" if share > MOST_CHANGED else "; more photos would narrow the interval"
    return (
        f"({row.engine}) changes {row.n_changed} of {parity.n_decisions} decisions, {100 * share:.1f} % "
        f"({_ends(interval.low, interval.high)} %); at most {100 * MOST_CHANGED:g} % may change, and the "
        f"interval may end at {100 * MOST_CHANGED_HIGH:g} %{more}"
    )


def _too_much_lost(comparison: Comparison | None) -> str | None:
    loss = None if comparison is None else comparison.loss
    if loss is None or loss.n_groups < FEWEST_GROUPS:
        return None
    if loss.mAP <= MOST_LOST and loss.high <= MOST_LOST_HIGH:
        return None
    return (
        f"loses {100 * loss.mAP:.1f} points of mAP ({_ends(loss.low, loss.high)}); at most "
        f"{100 * MOST_LOST:g} may be lost, and the interval may end at {100 * MOST_LOST_HIGH:g}"
    )


def _ends(low: float, high: float) -> str:
    return f"95 % interval {100 * low:z.1f} to {100 * high:z.1f}"


def _advise(parity: Parity, comparison: Comparison | None) -> str:
    """Say what helps to decide whether a difference may be accepted, and how to accept it."""
    largest = max(row.max_difference if np.isfinite(row.max_difference) else math.inf for row in parity.rows)
    if math.isinf(largest):
        return "Such numbers cannot be used"
    sentences = [
        f"{row.engine}: {row.max_difference:.2g} at most, {row.mean_difference:.2g} on average, "
        f"{row.n_changed} of {parity.n_decisions} decisions change"
        for row in parity.rows
    ]
    if comparison is None:
        sentences.append("--labels FILE would tell what that costs in mAP and exact match")
    else:
        sentences += _weigh(comparison)
    accepted = min(math.ceil(100 * largest) / 100, 1.0)
    return ". ".join([*sentences, f"--max-difference {accepted:g} accepts it"])


def _weigh(comparison: Comparison) -> list[str]:
    """Say what 8-bit numbers cost and what they save."""
    before, after = comparison.engines["fp32"], comparison.engines["int8"]
    metrics = {
        "mAP": (before.mAP, after.mAP),
        "exact match": (before.exact_match, after.exact_match),
    }
    changes = [
        f"{name} from {100 * old:.1f} to {100 * new:.1f} %"
        for name, (old, new) in metrics.items()
        if old is not None and new is not None
    ]
    others = {"fp32": "32-bit numbers", "bf16": "bf16"}
    ratios = [
        f"{comparison.engines[name].ms_per_photo / after.ms_per_photo:.1f} times as fast as {words}"
        for name, words in others.items()
        if name in comparison.engines
    ]
    on = f"On {comparison.n_photos} photos ({comparison.judged_on})"
    return [*([f"{on} they change {', '.join(changes)}"] if changes else []), f"They are {', '.join(ratios)}"]
