"""Compare engines that shall say the same, on the same photos in the same minutes.

In:  predictors of one bundle, labelled photos.
Out: how right each is, and how long it takes.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from manylabel.data.align import align_targets
from manylabel.data.duplicates import group_copies
from manylabel.data.photos import convert_photos
from manylabel.engines.base import Finish, PixelPredictor
from manylabel.engines.stream import predict_files
from manylabel.errors import InputError, PhotoError
from manylabel.metrics.bootstrap import bootstrap_metrics
from manylabel.metrics.comparison import compare_pairs
from manylabel.metrics.registry import measure
from manylabel.metrics.resamples import BoolArray
from manylabel.preprocess import PixelArray, resize_views
from manylabel.types import FloatArray, LabelTable, Progress, ProgressCallback, ignore_progress

_N_TIMED = 32
_N_ROUNDS = 5


@dataclass(frozen=True, kw_only=True)
class EngineRow:
    """Hold how good and how fast one engine is.

    Attributes:
        mAP: Mean average precision in [0, 1]; None where it is undefined.
        exact_match: Share of photos with every known label right; None where it is undefined.
        ms_per_photo: Wall time from pixels to scores in milliseconds, many photos at a time.
    """

    mAP: float | None
    exact_match: float | None
    ms_per_photo: float


@dataclass(frozen=True, kw_only=True)
class Loss:
    """The mAP that one engine loses against another, on the same photos.

    Attributes:
        mAP: What is lost, in [-1, 1]; below 0 where something is gained.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n_groups: Photos that it rests on, copies counted as one.
    """

    mAP: float
    low: float
    high: float
    n_groups: int


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Hold how engines compare.

    Attributes:
        engines: A row per engine, by name.
        loss: What the last engine loses against the first; None where mAP is undefined.
        n_photos: Photos that they were evaluated on.
        judged_on: Which these were, in words.
        notes: What the user should know, one sentence each.
    """

    engines: dict[str, EngineRow]
    loss: Loss | None
    n_photos: int
    judged_on: str
    notes: tuple[str, ...]


def compare_engines(
    engines: Mapping[str, PixelPredictor],
    table: LabelTable,
    *,
    origin: str,
    on_progress: ProgressCallback = ignore_progress,
) -> Comparison:
    """Judge every engine on the same photos, and time them in turns.

    Args:
        engines: Predictors of the same labels, by name.
        table: Photos that none of them has learned or calibrated from.
        origin: Which photos these are, in words.
        on_progress: Hears of progress.

    Raises:
        InputError: Not one photo can be read, or the table shares no label with the engines.
    """
    first = next(iter(engines.values()))
    targets, notes = align_targets(table, first.labels)
    metrics, evaluated = {}, []
    rows = np.arange(0)
    for name, engine in engines.items():
        said = predict_files(engine, table.photos, names=table.names, on_progress=_renamed(on_progress, name))
        rows = said.rows
        if not len(rows):
            raise InputError(f"not one photo can be read to judge; the first problem: {said.failures[0]}")
        metrics[name] = measure(targets[rows], said.scores.values, said.decisions)
        evaluated.append((said.scores.values, said.decisions))
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
    return Comparison(engines=compared, loss=loss, n_photos=len(rows), judged_on=origin, notes=tuple(notes))


def _loss(
    targets: FloatArray, evaluated: Sequence[tuple[FloatArray, BoolArray]], *, photos: Sequence[Path]
) -> Loss | None:
    """Return the mAP that the last engine loses against the first, by the paired bootstrap."""
    bootstrap = bootstrap_metrics(
        targets, [evaluated[0], evaluated[-1]], groups=group_copies(photos), rng=np.random.default_rng(0)
    )
    (found,) = compare_pairs(bootstrap, names=("first", "last"), metrics=("mAP",))
    if np.isnan(found.difference):
        return None
    return Loss(mAP=found.difference, low=found.low, high=found.high, n_groups=bootstrap.n_groups)


def _renamed(on_progress: ProgressCallback, name: str) -> ProgressCallback:
    """Say of progress which engine makes it."""
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
    # The photos that judge can be read, but these few perhaps not: noise takes as long.
    shape = (preprocessing.n_views, preprocessing.side_px, preprocessing.side_px, 3)
    views = views if views else [np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)]
    views = [views[number % len(views)] for number in range(_N_TIMED)]
    for engine in engines.values():
        _score_all(engine, views)  # the first round is slower: memory has to be found
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(_N_ROUNDS):
        for name, engine in engines.items():
            seconds[name].append(_score_all(engine, views))
    return {name: 1000 * min(times) / len(views) for name, times in seconds.items()}


def _score_all(engine: PixelPredictor, views: list[PixelArray]) -> float:
    """Return the seconds that it takes to score some photos."""
    size = engine.batch_size
    batches = [np.concatenate(views[start : start + size]) for start in range(0, len(views), size)]
    started = time.perf_counter()
    waiting: list[Finish] = []
    for pixels in batches:
        if len(waiting) == engine.n_parallel:
            waiting.pop(0)()
        waiting.append(engine.start(pixels))
    for finish in waiting:
        finish()
    return time.perf_counter() - started


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else value
