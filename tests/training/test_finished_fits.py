"""Finished fits that are kept until a run is complete."""

import errno
import logging
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from manylabel.config import AugmentationConfig, EvaluationConfig, RunConfig, TrainingConfig
from manylabel.models.classifier import Classifier
from manylabel.models.weights import Provenance
from manylabel.training import finished_fits
from manylabel.training.cross_validation import Experiment
from manylabel.training.finished_fits import FinishedFits
from manylabel.training.methods import METHODS
from manylabel.training.photo_store import PhotoStore, read_store
from manylabel.training.trial import TrainedModel, run_trial
from manylabel.types import IntArray, LabelTable, Split, ignore_progress

OFFICIAL = Provenance(init="official", note="official weights tiny.pth", sha256="0")
NONE: IntArray = np.empty(0, dtype=np.int64)
SPLIT = Split(train=np.arange(24), val=NONE, test=np.arange(24, 32))
SOLVED: dict[str, Any] = {"tune": "head"}
IN_LOOP: dict[str, Any] = {"tune": "head", "epochs": 2}
TOP: dict[str, Any] = {"tune": "top", "split_layer": "2", "epochs": 2}
FULL: dict[str, Any] = {"tune": "full", "epochs": 2}
N_FITS = {"head": 5 + 1, "top": 3 + 1, "full": 1}

Run = Callable[..., TrainedModel]


@pytest.fixture
def fits_folder(tmp_path: Path) -> Path:
    """Return an empty folder."""
    folder = tmp_path / "fits"
    folder.mkdir()
    return folder


@pytest.fixture
def store(shapes_table: LabelTable) -> PhotoStore:
    """Read the photos of shapes."""
    return read_store(shapes_table.photos, side_px=16)[0]


@pytest.fixture
def run(tiny_classifier: Classifier, store: PhotoStore, shapes_table: LabelTable, feature_cache: Path) -> Run:
    """Return a function that runs the trial of the tiny model with fits of a folder."""

    def run_tiny(fits: FinishedFits, training: dict[str, Any], **changes: Any) -> TrainedModel:
        quick = TrainingConfig(n_views=2, precision="fp32", device="cpu", engine="torch")
        experiment = Experiment(
            store=changes.pop("store", store),
            targets=changes.pop("targets", shapes_table.targets),
            split=changes.pop("split", SPLIT),
            config=RunConfig(
                training=replace(quick, batch_size=None if training == SOLVED else 8, **training),
                evaluation=EvaluationConfig(learning_curve=False),
                **changes,
            ),
            cache=feature_cache,
            on_progress=ignore_progress,
            fits=fits,
        )
        return run_trial(tiny_classifier, OFFICIAL, experiment)

    return run_tiny


def refuse(*_: object) -> None:
    """Stand for training that must not take place."""
    raise AssertionError("trained again")


def assert_same(found: TrainedModel, expected: TrainedModel) -> None:
    """Compare everything but what was measured anew: the seconds of stages and of one photo."""
    for name in ("out_of_fold", "test", "calibration_set"):
        ours, theirs = getattr(found.trial, name), getattr(expected.trial, name)
        assert (ours is None) == (theirs is None)
        for field in () if ours is None else ("scores", "decisions", "raw_scores"):
            np.testing.assert_array_equal(getattr(ours, field, 0), getattr(theirs, field, 0))
    for name in ("history", "alpha", "logit_scale", "weight_decay", "fold_weight_decays", "step_seconds"):
        assert getattr(found.trial, name) == getattr(expected.trial, name), name
    np.testing.assert_array_equal(found.trial.thresholds.values, expected.trial.thresholds.values)
    np.testing.assert_array_equal(found.trial.pos_weight, expected.trial.pos_weight)
    weights = expected.classifier.state_dict()
    assert found.classifier.state_dict().keys() == weights.keys()
    for name, values in found.classifier.state_dict().items():
        assert torch.equal(values, weights[name]), name


@pytest.mark.parametrize(
    "training", [SOLVED, IN_LOOP, TOP, {**TOP, "alpha": 0.5}, {**TOP, "alpha": 1.0}, FULL]
)
def test_a_fit_that_is_read_equals_the_one_that_was_trained(
    training: dict[str, Any], run: Run, monkeypatch: pytest.MonkeyPatch, fits_folder: Path
) -> None:
    expected = run(FinishedFits(fits_folder), training)
    n_fits = N_FITS[training["tune"]]
    assert len(list(fits_folder.iterdir())) == n_fits
    monkeypatch.setattr(METHODS[training["tune"]], "fit", refuse)
    again = FinishedFits(fits_folder)

    found = run(again, training)

    assert again.n_read == n_fits
    assert_same(found, expected)


@pytest.mark.parametrize("training", [SOLVED, TOP])
def test_a_run_trains_the_fits_that_are_missing(
    training: dict[str, Any], run: Run, fits_folder: Path
) -> None:
    expected = run(FinishedFits(fits_folder), training)
    for path in sorted(fits_folder.iterdir())[::2]:
        path.unlink()
    n_left = len(list(fits_folder.iterdir()))
    again = FinishedFits(fits_folder)

    found = run(again, training)

    assert again.n_read == n_left > 0
    assert len(list(fits_folder.iterdir())) == N_FITS[training["tune"]]
    np.testing.assert_array_equal(found.trial.thresholds.values, expected.trial.thresholds.values)
    assert found.trial.out_of_fold is not None
    assert expected.trial.out_of_fold is not None
    np.testing.assert_array_equal(found.trial.out_of_fold.scores, expected.trial.out_of_fold.scores)
    for name, values in found.classifier.state_dict().items():
        assert torch.equal(values, expected.classifier.state_dict()[name]), name


def with_another_hash(store: PhotoStore) -> PhotoStore:
    """Return the same photos, the first one with another hash."""
    changed = PhotoStore(side_px=store.side_px)
    for row in range(len(store)):
        known = store.fingerprints[row]
        changed.add(store[row], is_known_as=replace(known, sha256="f" * 64) if row == 0 else known)
    return changed


@pytest.mark.parametrize(
    "name",
    [
        "seed",
        "augmentation",
        "training",
        "targets",
        "store",
        "split",
        "weights",
        "version",
        "threads",
        "module",
    ],
)
def test_a_fit_with_any_other_input_is_not_read(  # noqa: C901 - a case per input
    name: str,
    run: Run,
    store: PhotoStore,
    shapes_table: LabelTable,
    tiny_classifier: Classifier,
    monkeypatch: pytest.MonkeyPatch,
    fits_folder: Path,
) -> None:
    run(FinishedFits(fits_folder), SOLVED)
    training, changes = SOLVED, dict[str, Any]()
    match name:
        case "seed":
            changes["seed"] = 1
        case "augmentation":
            changes["augmentation"] = AugmentationConfig(brightness=0.3)
        case "training":
            training = {**SOLVED, "weight_decay": 0.5}
        case "targets":
            changes["targets"] = shapes_table.targets.copy()
            changes["targets"][0, 0] = np.nan
        case "store":
            changes["store"] = with_another_hash(store)
        case "split":
            changes["split"] = Split(train=np.arange(1, 24), val=NONE, test=np.arange(24, 32))
        case "weights":
            tiny_classifier.scale_output(2.0)
        case "threads":
            monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
        case "module":
            setattr(tiny_classifier.head[0], "has_unit_length", False)  # noqa: B010 - not in the type
        case "version":
            monkeypatch.setattr(torch, "__version__", "9.9")
    again = FinishedFits(fits_folder)

    run(again, training, **changes)

    assert again.n_read == 0


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-1], lambda content: content[:10], lambda _: b""]
)
def test_a_damaged_file_is_replaced_with_a_warning(
    damage: Callable[[bytes], bytes], run: Run, caplog: pytest.LogCaptureFixture, fits_folder: Path
) -> None:
    expected = run(FinishedFits(fits_folder), SOLVED)
    path = min(fits_folder.iterdir())
    path.write_bytes(damage(path.read_bytes()))
    again = FinishedFits(fits_folder)

    found = run(again, SOLVED)

    assert f"{path.name} cannot be used (wrong checksum)" in caplog.text
    assert again.n_read == N_FITS["head"] - 1
    assert found.trial.history == expected.trial.history
    third = FinishedFits(fits_folder)
    run(third, SOLVED)
    assert third.n_read == N_FITS["head"]


def test_a_full_disk_costs_one_warning(
    run: Run, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, fits_folder: Path
) -> None:
    def fill(path: Path, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(finished_fits, "write_atomically", fill)

    with caplog.at_level(logging.WARNING):
        trained = run(FinishedFits(fits_folder), SOLVED)

    assert caplog.text.count("no more finished fits of this model can be kept") == 1
    assert list(fits_folder.iterdir()) == []
    assert asdict(trained.trial.history[0])["fold"] == 0
