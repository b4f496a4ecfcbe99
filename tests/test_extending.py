"""One training method, loss, head and backbone are added in a module of their own, and trained with."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from manylabel.config import EvaluationConfig, ModelConfig, RunConfig, TrainingConfig
from manylabel.models.backbones import module as modules
from manylabel.models.classifier import build_initial_classifiers
from manylabel.models.heads import HEADS
from manylabel.training.cross_validation import Experiment
from manylabel.training.losses import LOSSES
from manylabel.training.methods import METHODS
from manylabel.training.photo_store import read_store
from manylabel.training.trial import TrainedModel, run_trial
from manylabel.types import IntArray, LabelTable, Split, ignore_progress

NONE: IntArray = np.empty(0, dtype=np.int64)
ADDITIONS = """
from torch import nn

from manylabel.models.backbones import register_backbone
from manylabel.models.heads import HEADS, HeadEntry
from manylabel.preprocess import Preprocessing
from manylabel.training.losses import LOSSES, LossEntry, mean_of_known
from manylabel.training.methods import METHODS, LinearProbe
from manylabel.training.methods.base import TrainingDefaults


class BitByBit(LinearProbe):
    name = "bit_by_bit"
    title = "linear probing, slowly"
    help = "Trains the head at a tenth of the rate."
    defaults = TrainingDefaults(
        epochs=3, batch_size=8, learning_rate=3e-5, body_learning_rate=0.0, weight_decay=0.0, ema_decay=0.0,
        n_views=1, loss="squared",
    )


def squared_error(pos_weight):
    return lambda logits, targets: mean_of_known(
        (logits.float().sigmoid() - targets.nan_to_num(0.0)).square(), targets
    )


METHODS["bit_by_bit"] = BitByBit
LOSSES["squared"] = LossEntry(name="squared", title="squared error", help="Brier.", build=squared_error)
HEADS["tanh"] = HeadEntry(
    name="tanh",
    title="tanh layer",
    help="A hidden layer.",
    build=lambda backbone, n_features, n_labels: [
        nn.Linear(n_features, 8), nn.Tanh(), nn.Linear(8, n_labels)
    ],
)
register_backbone(
    "two_layers",
    nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU()),
    preprocessing=Preprocessing(side_px=16),
)
"""


@pytest.fixture
def additions(tmp_path: Path) -> Iterator[ModuleType]:
    """Import a module that adds one of each; take all of it away again afterwards."""
    registries: tuple[dict[str, Any], ...] = (METHODS, LOSSES, HEADS, modules._MODULES)
    before = [dict(registry) for registry in registries]
    file = tmp_path / "additions.py"
    file.write_text(ADDITIONS, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("additions", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["additions"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["additions"]
    for registry, kept in zip(registries, before, strict=True):
        registry.clear()
        registry.update(kept)


def train(table: LabelTable, model: dict[str, Any], training: dict[str, Any]) -> TrainedModel:
    """Train the one model of the settings on drawn photos."""
    quick: dict[str, Any] = {"epochs": 2, "precision": "fp32", "device": "cpu", "engine": "torch"}
    config = RunConfig(
        model=ModelConfig(**model),
        training=TrainingConfig(**quick | training),
        evaluation=EvaluationConfig(inner_folds=False, learning_curve=False),
    )
    ((initial, provenance),) = build_initial_classifiers(config.model, labels=table.labels, tta=1, seed=0)
    side_px = initial.preprocessing.side_px
    experiment = Experiment(
        store=read_store(table.photos, side_px=side_px)[0],
        targets=table.targets,
        split=Split(train=np.arange(24), val=NONE, test=np.arange(24, 32)),
        config=config,
        cache=None,
        on_progress=ignore_progress,
    )
    return run_trial(initial, provenance, experiment)


MINE: dict[str, Any] = {"names": ("two_layers",)}


@pytest.mark.usefixtures("additions")
@pytest.mark.parametrize(
    ("model", "training"),
    [
        (MINE, {"tune": "bit_by_bit"}),
        (MINE, {"tune": "head", "loss": "squared", "epochs": None}),
        (MINE, {"tune": "top", "loss": "squared", "split_layer": "1"}),
        (MINE, {"tune": "full"}),
        (MINE | {"head": "tanh"}, {"tune": "head"}),
    ],
)
def test_additions_are_trained_with(
    model: dict[str, Any], training: dict[str, Any], shapes_table: LabelTable
) -> None:
    network = train(shapes_table, model, training)

    assert network.trial.model == "two_layers"
    assert (network.trial.head, network.trial.tune) == (model.get("head", "linear"), training["tune"])
    assert network.trial.init == "file"
    assert network.trial.test is not None
    assert np.isfinite(network.trial.test.scores).all()
    assert len(network.trial.history) >= 2  # losses of the loop
    assert network.trial.history[0].learning_rate is not None


@pytest.mark.usefixtures("additions")
@pytest.mark.parametrize("loss", ["focal", "asymmetric"])
@pytest.mark.parametrize(
    "tuning",
    [{"tune": "head", "epochs": None}, {"tune": "top", "split_layer": "1"}, {"tune": "full", "epochs": 8}],
)
def test_every_method_trains_under_every_loss(
    loss: str, tuning: dict[str, Any], shapes_table: LabelTable
) -> None:
    network = train(shapes_table, MINE, tuning | {"loss": loss})

    losses = [epoch.train_loss for epoch in network.trial.history]
    assert losses[-1] < losses[0]
    np.testing.assert_array_equal(network.trial.pos_weight, 1.0)
