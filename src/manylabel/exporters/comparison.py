"""Compare the engines of one bundle, and refuse a quantized model that costs too much.

In:  predictors of one bundle, labeled photos; how the decisions of the quantized model compare with torch's.
Out: quality and speed of each engine; nothing, or an error.

Decisions count, not probabilities: in a model that separates labels sharply, a few probabilities move far
and change nothing. A share of a few photos is uncertain, so the end of its 95 % interval counts as well.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from manylabel.data.duplicates import group_duplicates
from manylabel.data.evaluation_set import align_targets
from manylabel.data.photos import convert_photos
from manylabel.engines.base import PixelPredictor, run_batches
from manylabel.engines.stream import predict_files
from manylabel.errors import EngineError, InputError, PhotoError
from manylabel.exporters.parity import Comparison, EngineRow, Loss, Parity, ParityRow, check_parity
from manylabel.metrics.bootstrap import Interval, bootstrap_metrics, wilson_interval
from manylabel.metrics.comparison import compare_pairs
from manylabel.metrics.registry import measure
from manylabel.metrics.resamples import BoolArray
from manylabel.preprocess import PixelArray, resize_views
from manylabel.types import FloatArray, LabelTable, Progress, ProgressCallback, ignore_progress

_N_TIMED = 32
_N_ROUNDS = 5

MAX_CHANGED, MAX_CHANGED_HIGH = 0.02, 0.05
"""Share of decisions that may change, and where its 95 % interval may end."""

MAX_LOST, MAX_LOST_HIGH = 0.01, 0.05
"""mAP that may be lost, and where its 95 % interval may end."""

MIN_DECISIONS = 73
"""With fewer, the interval ends above 5 % even where no decision changes."""

MIN_GROUPS = 40
"""With fewer photos, near-duplicates counted as one, the interval ends above 5 points even without loss."""

MAX_EVALUATED = 100
"""Photos that are compared for changed decisions, where that many are given."""

_NAME = "the 8-bit version"


def compare_engines(
    engines: Mapping[str, PixelPredictor],
    table: LabelTable,
    *,
    origin: str,
    on_progress: ProgressCallback = ignore_progress,
) -> Comparison:
    """Evaluate every engine on the same photos, and time them in turns.

    Args:
        engines: Predictors of the same labels, by name.
        table: Photos that were used neither to train nor to calibrate them.
        origin: Which photos these are, in words.
        on_progress: Called as the work goes on.

    Raises:
        InputError: Not one photo can be read, or the table shares no label with the engines.
    """
    first = next(iter(engines.values()))
    targets, notes = align_targets(table, first.labels)
    metrics, evaluated = {}, []
    rows = np.arange(0)
    for name, engine in engines.items():
        predictions = predict_files(
            engine, table.photos, names=table.names, on_progress=_name_engine(on_progress, name)
        )
        rows = predictions.rows
        if not len(rows):
            raise InputError(
                f"no photo can be read to evaluate; the first problem: {predictions.failures[0]}"
            )
        metrics[name] = measure(targets[rows], predictions.scores.values, predictions.decisions)
        evaluated.append((predictions.scores.values, predictions.decisions))
    milliseconds = _time_in_turns(engines, table)
    loss = _loss(targets[rows], evaluated, photos=[table.photos[row] for row in rows])
    compared = {
        name: EngineRow(
            mAP=_or_none(metrics[name]["mAP"]),
            exact_match=_or_none(metrics[name]["exact_match"]),
            ms_per_photo=milliseconds[name],
        )
        for name in engines
    }
    return Comparison(
        engines=compared, loss=loss, n_photos=len(rows), evaluated_on=origin, notes=tuple(notes)
    )


def _loss(
    targets: FloatArray, evaluated: Sequence[tuple[FloatArray, BoolArray]], *, photos: Sequence[Path]
) -> Loss | None:
    """Return the mAP that the last engine loses against the first, by the paired bootstrap."""
    bootstrap = bootstrap_metrics(
        targets, [evaluated[0], evaluated[-1]], groups=group_duplicates(photos), rng=np.random.default_rng(0)
    )
    (found,) = compare_pairs(bootstrap, names=("first", "last"), metrics=("mAP",))
    if np.isnan(found.difference):
        return None
    return Loss(mAP=found.difference, low=found.low, high=found.high, n_groups=bootstrap.n_groups)


def _name_engine(on_progress: ProgressCallback, name: str) -> ProgressCallback:
    """Add the name of the engine to progress."""
    return lambda progress: on_progress(
        Progress(progress.subject, f"{progress.stage} in {name}", progress.done, progress.total)
    )


def _time_in_turns(engines: Mapping[str, PixelPredictor], table: LabelTable) -> dict[str, float]:
    """Return the milliseconds per photo of each engine: the best of a few rounds, one round of each in turn.

    On a busy machine the best round is the one that was disturbed least.
    """
    preprocessing = next(iter(engines.values())).preprocessing
    read = convert_photos(
        table.photos[:_N_TIMED],
        lambda photo: resize_views(photo, preprocessing),
        side_px=preprocessing.side_px,
    )
    views = [photo for photo in read if not isinstance(photo, PhotoError)]
    # These few may be just the unreadable ones: noise takes as long.
    shape = (preprocessing.n_views, preprocessing.side_px, preprocessing.side_px, 3)
    views = views if views else [np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)]
    views = [views[number % len(views)] for number in range(_N_TIMED)]
    for engine in engines.values():
        _score_all(engine, views)  # the first round is slower: it allocates memory
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(_N_ROUNDS):
        for name, engine in engines.items():
            seconds[name].append(_score_all(engine, views))
    return {name: 1000 * min(times) / len(views) for name, times in seconds.items()}


def _score_all(engine: PixelPredictor, views: list[PixelArray]) -> float:
    """Return the seconds that it takes to score some photos."""
    size = engine.batch_size
    batches = [np.concatenate(views[first : first + size]) for first in range(0, len(views), size)]
    started = time.perf_counter()
    for _ in run_batches(engine.start, batches, n_parallel=engine.n_parallel):
        pass
    return time.perf_counter() - started


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value


def count_evaluated(n_given: int, *, n_labels: int, where: Path) -> int:
    """Return how many photos are compared for changed decisions.

    Args:
        n_given: Photos that are given.
        n_labels: Labels of the model.
        where: Their folder, for errors.

    Raises:
        InputError: They are too few to measure how many decisions change.
    """
    needed = math.ceil(MIN_DECISIONS / n_labels)
    if n_given < needed:
        raise InputError(
            f"{where}: too few photos to see how many decisions int8 changes: given {n_given}, "
            f"expected at least {needed} to compare {MIN_DECISIONS} decisions ({n_labels} labels); "
            "give more photos like those to be scored"
        )
    return min(n_given, max(MAX_EVALUATED, needed))


def announce(*, n_calibrating: int, n_evaluated: int, n_labeled: int | None) -> Iterator[str]:
    """Yield log lines about what will be measured on how many photos, and what will be refused.

    Args:
        n_calibrating: Photos that set the ranges of 8-bit integers.
        n_evaluated: Photos that are compared for changed decisions.
        n_labeled: Photos that mAP is measured on; None where no labels are given.
    """
    yield f"{_NAME} takes its ranges from {n_calibrating} photos and is compared on {n_evaluated}"
    yield (
        f"it is refused where more than {100 * MAX_CHANGED:g} % of decisions change, or the 95 % interval "
        f"of that share ends above {100 * MAX_CHANGED_HIGH:g} %"
    )
    if n_labeled is None:
        yield "what it costs in mAP is not measured; --labels FILE would"
    elif n_labeled < MIN_GROUPS:
        yield f"mAP is measured on {n_labeled} photos and shown; it decides from {MIN_GROUPS} photos on"
    else:
        yield (
            f"it is refused, too, where mAP on {n_labeled} photos falls by more than {100 * MAX_LOST:g} "
            f"point, or the 95 % interval of that loss ends above {100 * MAX_LOST_HIGH:g} points"
        )


def check_cost(
    parity: Parity, comparison: Comparison | None, *, bundle: Path, max_difference: float | None
) -> None:
    """Refuse a quantized model that changes too much.

    Args:
        parity: How its probabilities and decisions compare with torch's.
        comparison: How its mAP compares with that of 32-bit floats; None where no labels are given.
        bundle: The bundle, for errors.
        max_difference: Largest difference of a probability that is accepted; not given: any.

    Raises:
        EngineError: Too many decisions change, mAP falls too far, or a probability moves by more than is
            accepted or is NaN.
    """
    limit = 1.0 if max_difference is None else max_difference
    check_parity(parity, bundle=bundle, name=_NAME, limit=limit, advice=_advise(parity, comparison))
    problem = next(filter(None, (_too_many_changed(row, parity) for row in parity.rows)), None)
    problem = _too_much_lost(comparison) if problem is None else problem
    if problem is not None:
        costs = "" if comparison is None else f" {'. '.join(_weigh(comparison))}."
        raise EngineError(
            f"{bundle}: {_NAME} {problem}; nothing was written.{costs} Calibrating on photos more like those "
            "to be scored may help; --engine openvino needs no calibration"
        )


def changed_share(row: ParityRow, parity: Parity) -> Interval:
    """Return the 95 % interval of the share of decisions that change."""
    return wilson_interval(row.n_changed, parity.n_decisions)


def _too_many_changed(row: ParityRow, parity: Parity) -> str | None:
    share, interval = row.n_changed / parity.n_decisions, changed_share(row, parity)
    if share <= MAX_CHANGED and interval.high <= MAX_CHANGED_HIGH:
        return None
    more = "" if share > MAX_CHANGED else "; more photos would narrow the interval"
    return (
        f"({row.engine}) changes {row.n_changed} of {parity.n_decisions} decisions, {100 * share:.1f} % "
        f"({_ends(interval.low, interval.high)} %); at most {100 * MAX_CHANGED:g} % may change, and the "
        f"interval may end at {100 * MAX_CHANGED_HIGH:g} %{more}"
    )


def _too_much_lost(comparison: Comparison | None) -> str | None:
    loss = None if comparison is None else comparison.loss
    if loss is None or loss.n_groups < MIN_GROUPS:
        return None
    if loss.mAP <= MAX_LOST and loss.high <= MAX_LOST_HIGH:
        return None
    return (
        f"loses {100 * loss.mAP:.1f} points of mAP ({_ends(loss.low, loss.high)}); at most "
        f"{100 * MAX_LOST:g} may be lost, and the interval may end at {100 * MAX_LOST_HIGH:g}"
    )


def _ends(low: float, high: float) -> str:
    return f"95 % interval {100 * low:z.1f} to {100 * high:z.1f}"


def _advise(parity: Parity, comparison: Comparison | None) -> str:
    """Return what helps to decide whether to accept a difference, and how to accept it."""
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
    """Return what 8-bit integers cost and what they save."""
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
    on = f"On {comparison.n_photos} photos ({comparison.evaluated_on})"
    return [*([f"{on} they change {', '.join(changes)}"] if changes else []), f"They are {', '.join(ratios)}"]
