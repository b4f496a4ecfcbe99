"""Describe what a run found: the best model, what it was evaluated on, how it was trained.

In:  results.
Out: sentences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from manylabel.report.text.comparison import close_models
from manylabel.report.text.wording import list_words, n_things, percent
from manylabel.results import ModelResults, RunResults
from manylabel.types import Part

BASELINES = {
    "all-negative": "predicts no label for any photo",
    "label-prior": "scores every label with its share among the training photos",
    "nearest-neighbors": "gives a photo the labels of the training photos that look most like it to the"
    " backbone before training",
}
"""What each baseline does, as the end of a sentence."""

NOT_RANKED_HEADING = "Not pre-trained on this machine"
NOT_RANKED_SHORT_HEADING = "Not pre-trained:"
"""The heading above the models that are not ranked, and the one for narrow tables."""

TUNED = {
    "head": "only the head was trained",
    "top": "the head and the last stages of the backbone were trained",
    "full": "all weights were trained",
}
"""What was trained, by the setting ``training.tune``."""

_STAYED_RANDOM = {
    "head": "Only the head was trained; the backbone kept its random weights.",
    "top": "The backbone kept its random weights below the split layer.",
    "full": "",
}
_WAY_TO_MISSING_WEIGHTS = "connect to the internet once, or give --weights NAME=FILE"
_PART_WORDS: dict[Part, str] = {"train": "training photo", "val": "validation photo", "test": "test photo"}
_FEW_PHOTOS = 200
_FEW_NAMES = 2
_FEW_KNOWN = 5
_FEW_LABELS = 3


def describe_baselines(baselines: Sequence[str]) -> str:
    """Describe what some baselines do.

    Examples:
        >>> describe_baselines(["all-negative"])
        'Baselines to beat: all-negative predicts no label for any photo.'
    """
    return f"Baselines to beat: {'; '.join(f'{name} {BASELINES[name]}' for name in baselines)}."


def baseline_rows(results: RunResults) -> str:
    """Tell which rows of the table are baselines."""
    return f"{list_words([baseline.model for baseline in results.baselines])} are baselines to beat."


def headline(results: RunResults) -> str:
    """Name the best model in one line, and those that may be as good."""
    n_models, best, close = len(results.models), results.best, close_models(results)
    name = best.model if best.is_pretrained else f"{best.model} (random weights)"
    score = f"mAP {percent(best.metrics['mAP'])}"
    if n_models == 1:
        return f"{name} reaches {score}"
    if best.metrics["mAP"] is None:
        return f"The {n_models} models cannot be ranked: {score}"
    if not close:
        return f"{name} is the best of {n_models} models: {score}"
    names = list_words(close) if len(close) <= _FEW_NAMES else f"{len(close)} of them"
    return f"{name} ranks first of {n_models} models, but {names} may be as good: {score}"


def evaluated_on(results: RunResults) -> str:
    """Tell which photos the metrics are computed on."""
    n_photos, n_folds = results.evaluated.n_evaluated, results.data.n_folds
    if results.evaluated.part == "test":
        return f"Evaluated on {n_things(n_photos, 'test photo')} that no model was trained on."
    return (
        f"Evaluated on all {n_things(n_photos, 'photo')} by {n_folds}-fold cross-validation: each photo was"
        " scored by a model that was not trained on it."
    )


def known_note(results: RunResults) -> str:
    """Tell how few known labels the metrics rest on; empty where all are known.

    A label that is hardly ever known to be absent looks perfect to every metric.
    """
    n_positive, n_known = results.best.n_positive, results.best.n_known
    n_present, n_cells = sum(n_positive), sum(n_known)
    n_photos, labels = results.evaluated.n_photos, results.labels
    if n_cells == n_photos * len(labels):
        return ""
    cells = (
        f"Of {n_photos:,} evaluated photos x {n_things(len(labels), 'label')}, {n_cells:,} values are known:"
        f" {n_present:,} present, {n_cells - n_present:,} absent."
    )
    scarce = [
        label
        for label, known, present in zip(labels, n_known, n_positive, strict=True)
        if known < n_photos and known - present < _FEW_KNOWN
    ]
    if not scarce:
        return cells
    more = [f"{len(scarce) - _FEW_LABELS} more"] if scarce[_FEW_LABELS:] else []
    return (
        f"{cells} Fewer than {_FEW_KNOWN} photos are known to lack"
        f" {list_words([*scarce[:_FEW_LABELS], *more])}: false alarms there cannot be measured."
    )


def best_result(results: RunResults) -> str:
    """Tell how many photos the best model gets entirely right, and how far ahead it is."""
    best, n_photos = results.best, results.evaluated.n_known
    share = best.metrics["exact_match"]
    if share is None:
        return "No evaluated photo has a known label, so no decision can be called right or wrong."
    text = (
        f"{best.model} gets every label right on {round(share * n_photos):,} of {n_things(n_photos, 'photo')}"
        f" ({percent(share)}){_lead(results)}."
    )
    if n_photos <= _FEW_PHOTOS:
        text += f" One photo more or less changes this share by {100 / n_photos:.1f} points."
    return text


def _lead(results: RunResults) -> str:
    """Compare the mAP of the best model with the highest of the others; empty where there is none."""
    best = results.best
    others = [
        (value, model.model)
        for model in results.models
        if model is not best and (value := model.metrics["mAP"]) is not None
    ]
    own = best.metrics["mAP"]
    if not others or own is None:
        return ""
    value, name = max(others, key=lambda other: other[0])
    points = 100 * (own - value)
    if abs(points) < 0.05:
        return f", and its mAP equals that of {name}"
    if points < 0:
        return (
            f", and its mAP is {-points:.1f} points below that of {name}, which cross-validation ranked lower"
        )
    doubt = ", which may be chance" if name in close_models(results) else ""
    return f", and its mAP is {points:.1f} points above that of {name}{doubt}"


def chosen_by(results: RunResults) -> str:
    """Tell which photos the best model was chosen on; empty for one model."""
    if len(results.models) < 2:
        return ""
    if results.best_by == "out_of_fold":
        return (
            "The best model was chosen by cross-validation on the training photos, so the choice does not"
            " flatter its numbers here."
        )
    return (
        "The best model was chosen on the evaluated photos themselves, which flatters its numbers: a little"
        " with few models and many photos, by several points with many models and 40 photos."
    )


def baseline_warning(results: RunResults) -> str:
    """Put binary accuracy into proportion: what giving no label at all reaches."""
    reached = results.best.metrics["binary_accuracy"]
    by_nothing = results.baselines[0].metrics["binary_accuracy"]
    if reached is None or by_nothing is None:
        return "No label of an evaluated photo is known, so binary accuracy is undefined."
    why = ", because most labels are absent from most photos" if by_nothing > 0.5 else ""
    text = (
        "Read binary accuracy with care: predicting no label for any photo already reaches"
        f" {percent(by_nothing)}{why}. {results.best.model} reaches {percent(reached)}."
    )
    return f"{text} {worse_than_nothing(results)}".rstrip()


def worse_than_nothing(results: RunResults) -> str:
    """Tell where the best model decides worse than by giving no label; empty where it does not."""
    nothing, best = results.baselines[0].metrics, results.best
    lost = [
        f"{name.replace('_', ' ')} ({percent(by_nothing)} against {percent(reached)})"
        for name in ("exact_match", "binary_accuracy")
        if (by_nothing := nothing[name]) is not None
        and (reached := best.metrics[name]) is not None
        and reached < by_nothing
    ]
    if not lost:
        return ""
    return (
        f"Predicting no label for any photo beats {best.model} in {list_words(lost)}: do not rely on its"
        " decisions yet. mAP and F1 show whether it ranks photos well."
    )


def untrained_note(results: RunResults) -> str:
    """Warn that no model is pre-trained; empty where one is."""
    models = results.models
    if any(model.is_pretrained for model in models):
        return ""
    names = list_words([model.model for model in models])
    stayed = " ".join(sorted({_STAYED_RANDOM[model.tune] for model in models} - {""}))
    return (
        f"No model here is pre-trained: {names} started from random weights.{f' {stayed}' if stayed else ''}"
        f" These numbers do not show what pre-trained models reach: {_way_to_weights(models)}."
    )


def not_ranked_note(results: RunResults) -> str:
    """Tell which models are not ranked, why, and how to get their weights; empty where all are."""
    names = [model.model for model in results.not_ranked]
    if not names:
        return ""
    verb, their = ("is", "its") if len(names) == 1 else ("are", "their")
    return (
        f"{list_words(names)} {verb} not ranked, because {their} pre-trained weights are not on this machine:"
        f" {_way_to_weights(results.not_ranked)}."
    )


def _way_to_weights(models: Sequence[ModelResults]) -> str:
    is_asked_for = all(model.init == "random" for model in models)
    return "leave --init random out" if is_asked_for else _WAY_TO_MISSING_WEIGHTS


def describe_split(results: RunResults) -> str:
    """Describe how the photos were split."""
    data = results.data
    sizes = list_words(
        [
            n_things(data.part_sizes[part], words)
            for part, words in _PART_WORDS.items()
            if data.part_sizes[part]
        ]
    )
    folds = f" in {data.n_folds} folds" if data.n_folds else ""
    origin = f" ({data.split_origin})" if data.split_origin else ""
    return f"Split into {sizes}{folds}{origin}."


def describe_training(model: ModelResults) -> str:
    """Describe the weight decay of a model and of its folds, and what was done to its weights afterwards."""
    folds = model.fold_weight_decays
    parts = [f"weight decay {model.weight_decay:.2g}"]
    if not set(folds) <= {model.weight_decay}:
        parts.append(f"in the folds {', '.join(f'{decay:.2g}' for decay in folds)}")
    if model.logit_scale != 1:
        parts.append(f"logits scaled by {model.logit_scale:.2g}")
    if model.alpha != 1:
        parts.append(
            f"interpolation alpha {model.alpha:g}"
            if model.alpha
            else "interpolation alpha 0: fine-tuning beyond the head was dropped"
        )
    return "; ".join(parts)


@dataclass(frozen=True, kw_only=True)
class StageTime:
    """The time of one stage; stages of one name have one number in all rows."""

    name: str
    seconds: float
    number: int


@dataclass(frozen=True, kw_only=True)
class TimeRow:
    """Where the time of a model, or of the rest of the run, went."""

    name: str
    stages: tuple[StageTime, ...]

    @property
    def seconds(self) -> float:
        """The time of all stages."""
        return sum(stage.seconds for stage in self.stages)


def time_rows(results: RunResults) -> list[TimeRow]:
    """Lay out where the time went: per model its stages and training steps, then the rest of the run."""
    spans: list[tuple[str, Mapping[str, float]]] = []
    for model in (*results.models, *results.not_ranked):
        spans.append((model.model, model.stage_seconds))
        spans.append((f"{model.model}, training steps", model.step_seconds))
    spans.append(("rest of the run", results.run.stage_seconds))
    numbers: dict[str, int] = {}
    rows = [
        TimeRow(
            name=name,
            stages=tuple(
                StageTime(name=stage, seconds=spent, number=numbers.setdefault(stage, len(numbers)))
                for stage, spent in seconds.items()
            ),
        )
        for name, seconds in spans
    ]
    return [row for row in rows if row.seconds > 0]
