"""One model, trained and evaluated."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from manylabel.config import EvaluationConfig, RunConfig, ThresholdName, TrainingConfig, TuneName
from manylabel.decisions import policy as decision_rule
from manylabel.decisions.policy import PolicyData, learn_policy
from manylabel.decisions.thresholds import ThresholdObjective
from manylabel.models.classifier import Classifier
from manylabel.models.weights import Provenance
from manylabel.training import features, trial
from manylabel.training import weight_decay as decay
from manylabel.training.cross_validation import CrossValidation, Experiment, cross_validate
from manylabel.training.methods import FitRows, LinearProbe
from manylabel.training.methods import linear_probe as head
from manylabel.training.methods.interpolation import ALPHAS, DEFAULT_ALPHA
from manylabel.training.photo_store import PhotoStore, read_store, store_of_images
from manylabel.training.trial import TrainedModel, build_method, build_task, run_trial, seconds_per_photo
from manylabel.training.weight_decay import DECAYS, DEFAULT_DECAY
from manylabel.trials import EvaluatedPhotos
from manylabel.types import FloatArray, IntArray, LabelTable, Progress, Split, ignore_progress

RANDOM = Provenance(init="random", note="random weights, as asked for", sha256=None)
OFFICIAL = Provenance(init="official", note="official weights tiny.pth", sha256="0")
NONE: IntArray = np.empty(0, dtype=np.int64)
SOLVED: dict[str, Any] = {"tune": "head", "epochs": None, "batch_size": None}
TUNINGS: tuple[dict[str, Any], ...] = (
    {"tune": "head"},
    {"tune": "top", "split_layer": "2", "head_first": False},
    {"tune": "top", "split_layer": "2", "head_first": True},
    SOLVED,
    {"tune": "full", "head_first": False},
    {"tune": "full", "head_first": True},
)

# shapes_table holds every combination of labels four times: eight photos each train, choose and judge.
HOLD_OUT = Split(train=np.arange(24), val=NONE, test=np.arange(24, 32))
WITH_VAL = Split(train=np.arange(16), val=np.arange(16, 24), test=np.arange(24, 32))
IN_FOLDS = Split(
    train=np.arange(24),
    val=NONE,
    test=np.arange(24, 32),
    folds=(np.arange(0, 24, 3), np.arange(1, 24, 3), np.arange(2, 24, 3)),
)

RunTiny = Callable[..., TrainedModel]
Tuning = dict[str, Any]


def training(**changes: Any) -> TrainingConfig:
    """Return settings that take no time and compute in full precision on the CPU."""
    quick = TrainingConfig(
        tune="head", epochs=2, n_views=2, batch_size=8, precision="fp32", device="cpu", engine="torch"
    )
    return replace(quick, **changes)


@pytest.fixture
def store(shapes_table: LabelTable) -> PhotoStore:
    """Read the photos of shapes."""
    photos, *_ = read_store(shapes_table.photos, side_px=16)
    return photos


@pytest.fixture
def run_tiny(
    tiny_classifier: Classifier, store: PhotoStore, shapes_table: LabelTable, feature_cache: Path
) -> RunTiny:
    """Return a function that runs the trial of the tiny model on the photos of shapes."""

    def run(
        *,
        split: Split = HOLD_OUT,
        targets: FloatArray = shapes_table.targets,
        provenance: Provenance = RANDOM,
        **changes: Any,
    ) -> TrainedModel:
        tune = training(**changes.pop("training", {}))
        experiment = Experiment(
            store=changes.pop("store", store),
            targets=targets,
            split=split,
            config=RunConfig(training=tune, seed=changes.pop("seed", 0), **changes),
            cache=feature_cache,
            on_progress=ignore_progress,
        )
        return run_trial(tiny_classifier, provenance, experiment)

    return run


@pytest.fixture
def cv(monkeypatch: pytest.MonkeyPatch) -> list[CrossValidation]:
    """Return the list of all cross-validations that are going to be made."""
    made: list[CrossValidation] = []

    def cross_validate_and_remember(*args: Any) -> CrossValidation | None:
        result = cross_validate(*args)
        made.extend([] if result is None else [result])
        return result

    monkeypatch.setattr(trial, "cross_validate", cross_validate_and_remember)
    return made


@pytest.fixture
def worthwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep chosen thresholds whatever they gain: a tiny model says little."""
    monkeypatch.setattr(decision_rule, "_are_worthwhile", lambda *_: True)


def with_lies(table: LabelTable, rows: IntArray) -> FloatArray:
    """Return the targets of a table with those of some photos changed, and with them how many there are."""
    targets = table.targets.copy()
    targets[rows] = [1, 1, 0]
    return targets


def scores_of(network: TrainedModel) -> FloatArray:
    """Return the scores of the test photos."""
    assert network.trial.test is not None
    return network.trial.test.scores


def out_of_fold(network: TrainedModel) -> EvaluatedPhotos:
    """Return what was said about the training photos."""
    assert network.trial.out_of_fold is not None
    return network.trial.out_of_fold


@pytest.mark.parametrize("tuning", TUNINGS)
def test_a_seed_gives_exactly_the_same_scores(tuning: Tuning, run_tiny: RunTiny) -> None:
    first, second, third = (scores_of(run_tiny(training=tuning, seed=seed)) for seed in (0, 0, 1))

    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, third)


@pytest.mark.parametrize("tuning", TUNINGS)
def test_global_generators_decide_nothing_and_stay_as_they_were(tuning: Tuning, run_tiny: RunTiny) -> None:
    first = scores_of(run_tiny(training=tuning))
    torch.manual_seed(123)
    state = torch.get_rng_state()
    second = scores_of(run_tiny(training=tuning))

    np.testing.assert_array_equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("patience", [None, 1])
@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("split", [HOLD_OUT, IN_FOLDS, WITH_VAL])
def test_the_targets_of_test_photos_decide_nothing(
    split: Split, tuning: Tuning, patience: int | None, run_tiny: RunTiny, shapes_table: LabelTable
) -> None:
    settings = {**tuning, "patience": patience}
    honest = run_tiny(split=split, training=settings)
    lied_to = run_tiny(split=split, training=settings, targets=with_lies(shapes_table, split.test))

    np.testing.assert_array_equal(scores_of(honest), scores_of(lied_to))
    np.testing.assert_array_equal(honest.trial.thresholds.values, lied_to.trial.thresholds.values)
    np.testing.assert_array_equal(honest.trial.pos_weight, lied_to.trial.pos_weight)
    held_out = [[epoch.held_out_loss for epoch in run.trial.history] for run in (honest, lied_to)]
    assert held_out[0] != held_out[1]


@pytest.mark.parametrize("tuning", TUNINGS)
def test_the_pixels_of_test_photos_decide_nothing(
    tuning: Tuning, run_tiny: RunTiny, shapes_table: LabelTable, store: PhotoStore
) -> None:
    honest = run_tiny(split=IN_FOLDS, training=tuning)
    others = [store[row] for row in range(24)] + [Image.new("RGB", (60, 48), "red")] * 8
    replaced = run_tiny(split=IN_FOLDS, training=tuning, store=store_of_images(others, side_px=16))

    weights, other_weights = honest.classifier.state_dict(), replaced.classifier.state_dict()
    assert all(torch.equal(value, other_weights[name]) for name, value in weights.items())
    np.testing.assert_array_equal(out_of_fold(honest).scores, out_of_fold(replaced).scores)
    assert not np.array_equal(scores_of(honest), scores_of(replaced))


@pytest.mark.parametrize("patience", [None, 1])
@pytest.mark.parametrize("tuning", TUNINGS)
def test_a_fold_is_scored_without_its_targets(
    tuning: Tuning,
    patience: int | None,
    run_tiny: RunTiny,
    shapes_table: LabelTable,
    cv: list[CrossValidation],
) -> None:
    fold, settings = IN_FOLDS.folds[1], {**tuning, "patience": patience}
    run_tiny(split=IN_FOLDS, training=settings)
    run_tiny(split=IN_FOLDS, training=settings, targets=with_lies(shapes_table, fold))

    honest, lied_to = cv
    np.testing.assert_array_equal(honest.rows, IN_FOLDS.train)
    np.testing.assert_array_equal(honest.scores[:, fold], lied_to.scores[:, fold])
    others = np.setdiff1d(IN_FOLDS.train, fold)
    assert not np.array_equal(honest.scores[:, others], lied_to.scores[:, others])


@pytest.mark.parametrize("tuning", TUNINGS)
def test_a_fold_is_calibrated_and_decided_by_the_other_folds(
    tuning: Tuning, run_tiny: RunTiny, shapes_table: LabelTable, cv: list[CrossValidation]
) -> None:
    evaluated = out_of_fold(run_tiny(split=IN_FOLDS, training=tuning))

    scores = cv[0].scores
    usual = 0 if len(scores) == 1 else ALPHAS.index(DEFAULT_ALPHA)
    targets = shapes_table.targets[IN_FOLDS.train]
    held_out = PolicyData(targets=targets, scores=scores, folds=IN_FOLDS.folds, default_variant=usual)
    aim = ThresholdObjective(method="f1")
    kept = learn_policy(held_out, objective=aim).calibration
    for number, fold in enumerate(IN_FOLDS.folds):
        policy = learn_policy(
            held_out.without(number), objective=aim, calibrate="always" if kept.is_used else "never"
        )
        scores = policy.score(held_out.scores[:, fold])
        np.testing.assert_array_equal(evaluated.decisions[fold], policy.thresholds.decide(scores))
        raw_scores = held_out.scores[policy.variant, fold]
        np.testing.assert_array_equal(evaluated.scores[fold], kept.calibration.apply(raw_scores))


@pytest.mark.usefixtures("worthwhile")
def test_validation_photos_choose_thresholds_and_do_not_teach(
    run_tiny: RunTiny, shapes_table: LabelTable
) -> None:
    honest = run_tiny(split=WITH_VAL)
    lied_to = run_tiny(split=WITH_VAL, targets=with_lies(shapes_table, WITH_VAL.val))

    np.testing.assert_array_equal(scores_of(honest), scores_of(lied_to))
    assert not np.array_equal(honest.trial.thresholds.values, lied_to.trial.thresholds.values)
    assert honest.trial.thresholds.origin == "best F1 per label on the validation photos (8 photos)"


@pytest.mark.parametrize("tuning", TUNINGS)
def test_early_stopping_looks_at_validation_photos(
    tuning: Tuning, run_tiny: RunTiny, shapes_table: LabelTable
) -> None:
    settings = {**tuning, "epochs": 12, "patience": 2, "learning_rate": 0.3, "body_learning_rate": 0.1}
    lied_to = run_tiny(split=WITH_VAL, training=settings, targets=with_lies(shapes_table, WITH_VAL.val))

    assert len(lied_to.trial.history) < 12


def test_early_stopping_without_validation_photos_holds_some_training_photos_back(
    run_tiny: RunTiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[FitRows] = []
    fit = LinearProbe.fit

    def remember(method: LinearProbe, rows: FitRows) -> Any:
        fitted.append(rows)
        return fit(method, rows)

    monkeypatch.setattr(LinearProbe, "fit", remember)
    run_tiny(split=IN_FOLDS, training={"patience": 1})

    *of_folds, final = fitted
    for rows, held_out in zip(of_folds, IN_FOLDS.folds, strict=True):
        assert len(rows.val) > 0
        parts = np.concatenate([rows.train, rows.val, held_out])
        np.testing.assert_array_equal(np.sort(parts), IN_FOLDS.train)
    assert len(final.val) > 0
    np.testing.assert_array_equal(np.sort(np.concatenate([final.train, final.val])), IN_FOLDS.train)


@pytest.mark.parametrize("tuning", TUNINGS)
def test_the_initial_model_is_never_changed(
    tuning: Tuning, run_tiny: RunTiny, tiny_classifier: Classifier
) -> None:
    before = copy.deepcopy(tiny_classifier.state_dict())
    network = run_tiny(split=IN_FOLDS, training=tuning)
    after = tiny_classifier.state_dict()

    assert all(torch.equal(value, after[name]) for name, value in before.items())
    learned = network.classifier.state_dict()
    assert not torch.equal(learned["head.1.weight"], before["head.1.weight"])
    has_moved = not torch.equal(learned["backbone.network.0.weight"], before["backbone.network.0.weight"])
    assert has_moved == (tuning["tune"] == "full")


@pytest.mark.parametrize(
    ("provenance", "given", "moves"),
    [
        (RANDOM, None, True),
        (OFFICIAL, None, False),
        (RANDOM, True, False),
        (OFFICIAL, False, True),
    ],
)
def test_batch_norm_keeps_statistics_worth_keeping(
    provenance: Provenance, run_tiny: RunTiny, tiny_classifier: Classifier, *, given: bool | None, moves: bool
) -> None:
    network = run_tiny(provenance=provenance, training={"tune": "full", "freeze_batch_norm": given})

    name = "backbone.network.1.running_mean"
    before, after = tiny_classifier.state_dict()[name], network.classifier.state_dict()[name]
    assert torch.equal(before, after) != moves


@pytest.mark.parametrize("tuning", TUNINGS)
def test_the_predictor_says_what_the_trial_says(tuning: Tuning, run_tiny: RunTiny, store: PhotoStore) -> None:
    network = run_tiny(training=tuning)
    photos = [store[row] for row in HOLD_OUT.test.tolist()]

    # What passes a cut is kept in 16 bits.
    atol = 5e-4 if tuning["tune"] == "top" else 1e-5
    np.testing.assert_allclose(network.predictor.predict_proba(photos), scores_of(network), atol=atol)
    np.testing.assert_array_equal(network.predictor.thresholds.values, network.trial.thresholds.values)


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("loss", ["weighted_bce", "bce"])
def test_probabilities_of_a_rare_label_are_honest_whatever_the_loss_weighs(
    loss: str, tuning: Tuning, tiny_classifier: Classifier
) -> None:
    # Photos that are all the same: nothing but the frequencies can be learned.
    targets = np.zeros((40, 3))
    targets[:4, 0], targets[:20, 1], targets[:36, 2] = 1, 1, 1
    experiment = Experiment(
        store=store_of_images([Image.new("RGB", (16, 16), "teal")] * 40, side_px=16),
        targets=targets,
        split=Split(train=np.arange(40), val=NONE, test=NONE),
        config=RunConfig(training=training(**tuning, loss=loss, learning_rate=0.003)),
        cache=None,
        on_progress=ignore_progress,
    )

    network = run_trial(tiny_classifier, RANDOM, experiment)

    (scores,) = network.predictor.predict_proba([experiment.store[0]])
    np.testing.assert_allclose(scores, [0.1, 0.5, 0.9], atol=0.05)
    expected_weights = [9, 1, 1 / 9] if loss == "weighted_bce" else [1, 1, 1]
    np.testing.assert_allclose(network.trial.pos_weight, expected_weights)


@pytest.mark.parametrize("tuning", TUNINGS)
def test_unknown_cells_are_borne(tuning: Tuning, run_tiny: RunTiny, shapes_table: LabelTable) -> None:
    targets = shapes_table.targets.copy()
    targets[::2, 0], targets[:, 1], targets[3] = np.nan, np.nan, np.nan
    targets[:, 2] = 1

    told = run_tiny(split=IN_FOLDS, targets=targets, training=tuning).trial

    assert np.isfinite(told.evaluated.scores).all()
    np.testing.assert_array_equal(told.pos_weight[1:], [1, 1])
    assert all(np.isfinite(epoch.train_loss) for epoch in told.history)


@pytest.mark.parametrize(
    ("split", "tune", "method", "origin"),
    [
        (
            IN_FOLDS,
            "full",
            "f1",
            "best F1 per label on out-of-fold scores of the training photos (24 photos)",
        ),
        (
            HOLD_OUT,
            "head",
            "accuracy",
            "best accuracy per label on out-of-fold scores of the training photos (24 photos)",
        ),
        (
            HOLD_OUT,
            "full",
            "f1",
            "0.5 for every label; no photos were held out from training to choose them on",
        ),
        (IN_FOLDS, "head", "half", "0.5 for every label"),
        (WITH_VAL, "head", "half", "0.5 for every label"),
        (
            Split(train=np.arange(19), val=NONE, test=np.arange(19, 32)),
            "head",
            "f1",
            "0.5 for every label; no photos were held out from training to choose them on",
        ),
    ],
)
@pytest.mark.usefixtures("worthwhile")
def test_thresholds_come_from_photos_that_did_not_teach(
    split: Split, tune: TuneName, method: ThresholdName, origin: str, run_tiny: RunTiny
) -> None:
    network = run_tiny(split=split, training={"tune": tune}, evaluation=EvaluationConfig(thresholds=method))

    assert network.trial.thresholds.origin == origin
    is_half = (network.trial.thresholds.values == 0.5).all()
    assert is_half == origin.startswith("0.5")


def test_folds_and_final_fit_share_the_features(run_tiny: RunTiny, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    batches_of_views = features._batches_of_views

    def count(store: Any, rows: IntArray, *rest: Any) -> Any:
        computed.append(len(rows))
        return batches_of_views(store, rows, *rest)

    monkeypatch.setattr(features, "_batches_of_views", count)
    run_tiny(split=IN_FOLDS)
    assert computed == [24, 8]

    run_tiny(split=IN_FOLDS, seed=0, training={"loss": "bce", "epochs": 3})
    assert computed == [24, 8]


def test_a_trial_holds_all_that_the_report_shows(run_tiny: RunTiny, tiny_classifier: Classifier) -> None:
    told = run_tiny(split=IN_FOLDS, provenance=OFFICIAL).trial

    assert (told.model, told.init, told.init_note) == ("tiny", "official", "official weights tiny.pth")
    assert (told.head, told.tune, told.labels) == ("linear", "head", ("circle", "square", "triangle"))
    assert told.parameters == sum(parameter.numel() for parameter in tiny_classifier.parameters())
    assert [(epoch.fold, epoch.epoch) for epoch in told.history] == [
        (fold, epoch) for fold in (0, 1, 2, None) for epoch in (1, 2)
    ]
    assert all(epoch.held_out_loss is not None for epoch in told.history)
    assert told.training_seconds > 0
    assert told.inference_seconds > 0
    assert list(told.stage_seconds) == [
        "features",
        "cross-validation",
        "training",
        "calibration and thresholds",
        "scoring",
        "learning curve",
        "timing one photo",
    ]


def test_a_solved_head_tells_its_course_and_its_decay(run_tiny: RunTiny) -> None:
    told = run_tiny(split=IN_FOLDS, training=SOLVED).trial

    assert {epoch.learning_rate for epoch in told.history} == {None}
    assert {epoch.fold for epoch in told.history} == {0, 1, 2, None}
    kept = [epoch for epoch in told.history if epoch.fold is None]
    assert [epoch.epoch for epoch in kept] == list(range(1, len(kept) + 1))
    assert kept[-1].train_loss <= kept[0].train_loss
    assert all(epoch.held_out_loss is not None for epoch in told.history)
    assert DECAYS[0] <= told.weight_decay <= DECAYS[-1]
    assert told.fold_weight_decays == (DEFAULT_DECAY,) * 3  # 16 photos say nothing about a decay


def test_a_decay_that_was_given_is_used(run_tiny: RunTiny) -> None:
    strong, weak = (run_tiny(training={**SOLVED, "weight_decay": decay}) for decay in (50.0, 0.001))

    assert (strong.trial.weight_decay, weak.trial.weight_decay) == (50.0, 0.001)
    lengths = [float(network.classifier.state_dict()["head.1.weight"].norm()) for network in (strong, weak)]
    assert lengths[0] < lengths[1]


@pytest.mark.parametrize(
    "given",
    [
        {"epochs": 1},
        {"batch_size": 8},
        {"learning_rate": 0.001},
        {"ema_decay": 0.5},
        {"patience": 1},
        {"schedule": "cosine"},
        {"warmup_fraction": 0.3},
    ],
)
def test_a_setting_of_the_loop_asks_for_the_loop(given: Tuning, run_tiny: RunTiny) -> None:
    told = run_tiny(training={**SOLVED, "epochs": None, **given}).trial

    assert all(epoch.learning_rate is not None for epoch in told.history)


def test_too_many_photos_take_the_loop(run_tiny: RunTiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(head, "_MOST_VALUES", 24 * 2 * 8 - 1)
    told = run_tiny(training=SOLVED).trial
    assert len([epoch for epoch in told.history if epoch.fold is None]) == 60

    monkeypatch.setattr(head, "_MOST_VALUES", 24 * 2 * 8)
    assert run_tiny(training=SOLVED).trial.history[0].learning_rate is None


def test_the_decay_of_a_fold_is_chosen_without_its_targets(
    run_tiny: RunTiny, shapes_table: LabelTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decay, "_MIN_PHOTOS", 10)
    chosen: list[FloatArray] = []
    measure = decay.held_out_logits

    def remember(*args: Any, **rest: Any) -> FloatArray:
        chosen.append(measure(*args, **rest))
        return chosen[-1]

    monkeypatch.setattr(decay, "held_out_logits", remember)
    fold = IN_FOLDS.folds[1]
    for targets in (shapes_table.targets, with_lies(shapes_table, fold)):
        run_tiny(split=IN_FOLDS, training=SOLVED, targets=targets)

    honest, lied_to = chosen[:4], chosen[4:]
    np.testing.assert_array_equal(honest[1], lied_to[1])
    assert not any(np.array_equal(honest[other], lied_to[other]) for other in (0, 2, 3))


def test_without_test_photos_the_folds_are_judged(run_tiny: RunTiny) -> None:
    everything = Split(
        train=np.arange(32), val=NONE, test=NONE, folds=(np.arange(0, 32, 2), np.arange(1, 32, 2))
    )
    told = run_tiny(split=everything).trial

    assert told.test is None
    assert told.evaluated is told.out_of_fold
    assert told.evaluated.scores.shape == (32, 3)


def test_decisions_about_test_photos_follow_the_thresholds(run_tiny: RunTiny) -> None:
    told = run_tiny(split=IN_FOLDS).trial
    assert told.test is not None

    np.testing.assert_array_equal(told.test.decisions, told.test.scores >= told.thresholds.values)


def test_every_stage_is_heard_of(tiny_classifier: Classifier, store: PhotoStore) -> None:
    heard: list[Progress] = []
    experiment = Experiment(
        store=store,
        targets=np.tile([1.0, 0.0, 1.0], (32, 1)),
        split=IN_FOLDS,
        config=RunConfig(training=training()),
        cache=None,
        on_progress=heard.append,
    )
    run_trial(tiny_classifier, RANDOM, experiment)

    finished = [progress.stage for progress in heard if progress.done == progress.total]
    assert finished == ["features", "features of other photos", "fold 1", "fold 2", "fold 3", "training"]
    assert {progress.subject for progress in heard} == {"tiny"}


def test_one_photo_is_enough_to_time_a_predictor(run_tiny: RunTiny) -> None:
    store = store_of_images([Image.new("RGB", (16, 16))], side_px=16)

    assert seconds_per_photo(run_tiny().predictor, store) > 0


@pytest.mark.parametrize("tuning", TUNINGS)
def test_no_photos_have_no_scores(
    tuning: Tuning, tiny_classifier: Classifier, store: PhotoStore, shapes_table: LabelTable
) -> None:
    experiment = Experiment(
        store=store,
        targets=shapes_table.targets,
        split=HOLD_OUT,
        config=RunConfig(training=training(**tuning)),
        cache=None,
        on_progress=ignore_progress,
    )
    method = build_method(build_task(tiny_classifier, RANDOM, experiment), experiment)
    fit = method.fit(FitRows(train=HOLD_OUT.train, watched=NONE, val=NONE))

    assert method.scores(fit, NONE).shape == (0, 3)
    assert {epoch.held_out_loss for epoch in fit.history} == {None}
