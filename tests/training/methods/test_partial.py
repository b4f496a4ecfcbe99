"""Partial fine-tuning: the trained part is in the whole model; the part below the split layer is shared."""

import copy
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from manylabel.config import AugmentationConfig, TrainingConfig
from manylabel.engines.torch import TorchPredictor
from manylabel.errors import ConfigError
from manylabel.io.cache import list_cache
from manylabel.models.classifier import Classifier, build_classifier
from manylabel.training.methods import (
    METHODS,
    Fit,
    FitRows,
    LinearProbe,
    PartialFineTuning,
    TrainingTask,
    fill_defaults,
)
from manylabel.training.methods.base import fill_for_initial
from manylabel.training.methods.interpolation import DEFAULT_ALPHA
from manylabel.training.photo_store import PhotoStore, read_store
from manylabel.types import IntArray, LabelTable, Thresholds

TRAIN, OTHERS = np.arange(24), np.arange(24, 32)
NONE: IntArray = np.empty(0, dtype=np.int64)


@pytest.fixture
def store(shapes_table: LabelTable) -> PhotoStore:
    """Read the photos of shapes."""
    return read_store(shapes_table.photos, side_px=16)[0]


def method_of(
    classifier: Classifier,
    store: PhotoStore,
    table: LabelTable,
    cache: Path,
    *,
    is_cross_validated: bool = True,
    **changes: Any,
) -> PartialFineTuning:
    """Return a method of what lies above a cut, in full precision on the CPU, some settings changed."""
    training = TrainingConfig(
        tune="top",
        split_layer="2",
        epochs=3,
        n_views=2,
        batch_size=8,
        precision="fp32",
        device="cpu",
        engine="torch",
    )
    task = TrainingTask(
        initial=classifier,
        store=store,
        targets=table.targets,
        training=fill_for_initial(fill_defaults(replace(training, **changes)), is_pretrained=True),
        augmentation=AugmentationConfig(),
        seed=0,
        is_cross_validated=is_cross_validated,
        cache=cache,
        on_step=lambda stage, done, total: None,
    )
    return PartialFineTuning(task, train_rows=TRAIN, other_rows=OTHERS)


def test_what_learned_is_in_the_whole_network(
    tiny_classifier: Classifier, store: PhotoStore, shapes_table: LabelTable, feature_cache: Path
) -> None:
    method = method_of(tiny_classifier, store, shapes_table, feature_cache)
    fit = method.fit(FitRows(train=TRAIN, watched=OTHERS, val=NONE))
    whole = TorchPredictor(
        fit.classifier, thresholds=Thresholds(values=np.full(3, 0.5), origin=""), precision=torch.float32
    )

    for rows in (OTHERS, TRAIN[::5]):
        expected = whole.predict_proba([store[row] for row in rows])
        # What passes the cut is kept in 16 bits.
        np.testing.assert_allclose(method.scores(fit, rows), expected, atol=2e-3)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_joined_backbones_learn_together(
    engine: str,
    store: PhotoStore,
    shapes_table: LabelTable,
    feature_cache: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    joined = build_classifier("squeezenet1_1+mobilenet_v2", labels=shapes_table.labels, side_px=32)
    before = copy.deepcopy(joined.state_dict())
    method = method_of(joined, store, shapes_table, feature_cache, split_layer=None, engine=engine)
    fit = method.fit(FitRows(train=TRAIN, watched=NONE, val=NONE))

    whole = TorchPredictor(
        fit.classifier, thresholds=Thresholds(values=np.full(3, 0.5), origin=""), precision=torch.float32
    )
    expected = whole.predict_proba([store[row] for row in OTHERS.tolist()])
    np.testing.assert_allclose(method.scores(fit, OTHERS), expected, atol=2e-3)
    moved = {
        name for name, value in fit.classifier.state_dict().items() if not torch.equal(before[name], value)
    }
    for member in ("backbone.network.members.0.", "backbone.network.members.1."):
        assert any(name.startswith(member) for name in moved)
        assert not any(name.startswith(f"{member}network.features.0.") for name in moved)
    assert not caplog.records  # OpenVINO computes what torch does


def test_only_what_lies_above_the_cut_learns_and_the_start_stays(
    tiny_classifier: Classifier, store: PhotoStore, shapes_table: LabelTable, feature_cache: Path
) -> None:
    before = copy.deepcopy(tiny_classifier.state_dict())
    method = method_of(tiny_classifier, store, shapes_table, feature_cache)
    fit = method.fit(FitRows(train=TRAIN, watched=NONE, val=NONE))
    after, start = fit.classifier.state_dict(), tiny_classifier.state_dict()

    assert all(torch.equal(start[name], value) for name, value in before.items())
    moved = {name for name, value in before.items() if not torch.equal(after[name], value)}
    assert {"backbone.network.3.weight", "head.1.weight"} <= moved
    assert not any(name.startswith(("backbone.network.0.", "backbone.network.1.")) for name in moved)
    # What did not learn is not copied for every fold.
    first = fit.classifier.backbone.network.get_parameter("0.weight")
    assert first is tiny_classifier.backbone.network.get_parameter("0.weight")


@pytest.mark.parametrize("head_first", [True, False])
def test_the_head_starts_as_the_head_alone_would_learn_or_at_the_prior(
    head_first: bool,
    tiny_classifier: Classifier,
    store: PhotoStore,
    shapes_table: LabelTable,
    feature_cache: Path,
) -> None:
    rows = FitRows(train=TRAIN, watched=NONE, val=NONE)
    method = method_of(tiny_classifier, store, shapes_table, feature_cache, head_first=head_first)
    still = method_of(
        tiny_classifier,
        store,
        shapes_table,
        feature_cache,
        head_first=head_first,
        learning_rate=1e-12,
        body_learning_rate=0.0,
    )
    head = TrainingConfig(
        tune="head", n_views=2, weight_decay=3.0, precision="fp32", device="cpu", engine="torch"
    )
    task = replace(
        method.task, training=fill_for_initial(fill_defaults(head, head="linear"), is_pretrained=True)
    )
    alone = LinearProbe(task, train_rows=TRAIN, other_rows=OTHERS)

    started, solved = (maker.scores(maker.fit(rows), OTHERS) for maker in (still, alone))

    # What passes the cut is kept in 16 bits.
    assert np.allclose(started, solved, atol=2e-3) == head_first


def test_a_share_of_what_was_learned_is_kept(
    tiny_classifier: Classifier, store: PhotoStore, shapes_table: LabelTable, feature_cache: Path
) -> None:
    def weights(alpha: float) -> dict[str, Tensor]:
        method = method_of(tiny_classifier, store, shapes_table, feature_cache, alpha=alpha)
        fit = method.fit(FitRows(train=TRAIN, watched=NONE, val=NONE))
        return fit.classifier.state_dict()

    quarter, half, whole = weights(0.25), weights(0.5), weights(1.0)

    floats = {name: value for name, value in half.items() if value.is_floating_point()}
    for name, value in floats.items():
        torch.testing.assert_close(value, quarter[name] + (whole[name] - quarter[name]) / 3)
    assert not torch.equal(quarter["head.1.weight"], whole["head.1.weight"])
    body = "backbone.network.3.weight"
    torch.testing.assert_close(half[body], (tiny_classifier.state_dict()[body] + whole[body]) / 2)


def test_the_same_seed_trains_the_same_network_and_folds_differ(
    tiny_classifier: Classifier, store: PhotoStore, shapes_table: LabelTable, feature_cache: Path
) -> None:
    method = method_of(tiny_classifier, store, shapes_table, feature_cache)
    fits = [method.fit(FitRows(train=TRAIN, watched=NONE, val=NONE, fold=fold)) for fold in (None, None, 0)]
    first, again, other = (method.scores(fit, OTHERS) for fit in fits)

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_cut_that_does_not_exist_is_told(
    tiny_classifier: Classifier, store: PhotoStore, shapes_table: LabelTable, feature_cache: Path
) -> None:
    with pytest.raises(ConfigError, match=r"training\.split_layer: tiny cannot be split behind 'layer9'"):
        method_of(tiny_classifier, store, shapes_table, feature_cache, split_layer="layer9")


@pytest.mark.parametrize(("is_cross_validated", "n_views_of_training"), [(True, 3 + 1), (False, 1 + 1)])
def test_photos_that_only_learn_are_not_seen_in_the_views_of_scores(
    is_cross_validated: bool,
    n_views_of_training: int,
    tiny_classifier: Classifier,
    store: PhotoStore,
    shapes_table: LabelTable,
    feature_cache: Path,
) -> None:
    backbone = tiny_classifier.backbone
    backbone.preprocessing = replace(backbone.preprocessing, n_views=3)
    method_of(tiny_classifier, store, shapes_table, feature_cache, is_cross_validated=is_cross_validated)

    computed = {entry.n_photos: entry.n_views for entry in list_cache(feature_cache).entries}
    assert computed == {len(TRAIN): n_views_of_training, len(OTHERS): 3}


@pytest.mark.parametrize("val", [NONE, OTHERS])
def test_how_much_is_kept_stays_open_unless_it_was_given(
    val: IntArray,
    tiny_classifier: Classifier,
    store: PhotoStore,
    shapes_table: LabelTable,
    feature_cache: Path,
) -> None:
    rows = FitRows(train=TRAIN, watched=NONE, val=val)
    learn = partial(method_of, tiny_classifier, store, shapes_table, feature_cache)

    open_fit, given = learn().fit(rows), learn(alpha=0.3).fit(rows)

    assert open_fit.alpha == DEFAULT_ALPHA
    assert open_fit.interpolation is not None
    assert (given.alpha, given.interpolation) == (0.3, None)


def test_a_head_that_is_not_solved_learns_first_with_its_own_decay(
    shapes_table: LabelTable, feature_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    classifier = build_classifier("squeezenet1_1", labels=shapes_table.labels, head="mlp", side_px=32)
    decays: list[float] = []
    train = LinearProbe.train

    def remember(method: LinearProbe, *args: Any) -> Fit:
        fit = train(method, *args)
        decays.append(fit.weight_decay)
        return fit

    monkeypatch.setattr(LinearProbe, "train", remember)
    store = read_store(shapes_table.photos, side_px=32)[0]
    method = method_of(classifier, store, shapes_table, feature_cache, split_layer=None)
    fit = method.fit(FitRows(train=TRAIN, watched=NONE, val=NONE))

    assert decays == [METHODS["head"].defaults.weight_decay]
    assert fit.weight_decay == METHODS["top"].defaults.weight_decay
