"""Predictions through OpenVINO."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from manylabel.bundle.folder import BundleConfig
from manylabel.constraints import parse_constraints
from manylabel.engines import openvino as openvino_predictor
from manylabel.engines.conversion import pixels_to_openvino
from manylabel.engines.openvino import (
    OpenVinoPredictor,
    Workload,
    choose_dtype,
    compile_model,
    has_native_bf16,
)
from manylabel.engines.openvino_models import import_openvino
from manylabel.engines.torch import TorchPredictor
from manylabel.errors import ConfigError
from manylabel.models.classifier import Classifier, build_classifier
from manylabel.types import Thresholds

pytest.importorskip("openvino")

HALF = Thresholds(values=np.full(2, 0.5), origin="by hand")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """Return a small model with random weights, also in its last layer, that looks at two views."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = build_classifier("squeezenet1_1", labels=("sea", "sky"), head="mlp", side_px=64)
        torch.nn.init.normal_(small._output_layer.weight)
    small.backbone.preprocessing = replace(small.preprocessing, n_views=2)
    return small.eval()


def noise(n_photos: int) -> list[Image.Image]:
    """Draw photos of noise, of all sizes."""
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(256, size=(40 + number, 90 - number, 3), dtype=np.uint8))
        for number in range(n_photos)
    ]


@pytest.fixture(scope="module")
def file(classifier: Classifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of the same network in OpenVINO."""
    path = tmp_path_factory.mktemp("openvino") / "model.xml"
    import_openvino().save_model(
        pixels_to_openvino(classifier, side_px=64), str(path), compress_to_fp16=False
    )
    return path


@pytest.fixture
def predictor(classifier: Classifier, file: Path) -> OpenVinoPredictor:
    """Return a predictor of that file."""
    return of(file, classifier)


def of(file: Path, classifier: Classifier, workload: Workload = "any") -> OpenVinoPredictor:
    """Open that file."""
    return OpenVinoPredictor(
        file,
        config=BundleConfig(
            backbone="squeezenet1_1",
            head="mlp",
            labels=classifier.labels,
            preprocessing=classifier.preprocessing,
            constraints=parse_constraints(labels=classifier.labels),
        ),
        thresholds=HALF,
        precision="fp32",
        workload=workload,
    )


@pytest.mark.parametrize("workload", ["few", "many", "any"])
def test_scores_are_those_of_torch(workload: Workload, classifier: Classifier, file: Path) -> None:
    expected = TorchPredictor(classifier, thresholds=HALF, precision=torch.float32)
    photos = noise(7)

    scores = of(file, classifier, workload).predict_proba(photos)

    assert scores.dtype == np.float64
    assert scores.std() > 0.01
    np.testing.assert_allclose(scores, expected.predict_proba(photos), atol=1e-4)


def test_batches_that_run_together_keep_their_scores(predictor: OpenVinoPredictor) -> None:
    rng = np.random.default_rng(1)
    batches = [rng.integers(256, size=(2 * 3, 64, 64, 3), dtype=np.uint8) for _ in range(5)]

    one_by_one = [predictor.start(pixels)() for pixels in batches]
    running = [predictor.start(pixels) for pixels in batches]
    together = [finish() for finish in running]

    np.testing.assert_allclose(together, one_by_one, atol=1e-6)


def test_the_predictor_says_what_it_is(
    predictor: OpenVinoPredictor, classifier: Classifier, file: Path
) -> None:
    assert predictor.labels == ("sea", "sky")
    assert predictor.thresholds is HALF
    assert predictor.preprocessing == classifier.preprocessing
    assert predictor.batch_size == 2
    assert predictor.n_parallel >= 2
    assert of(file, classifier, "few").n_parallel == 1
    assert predictor.predict_proba([]).shape == (0, 2)


def test_bf16_is_used_only_where_the_processor_has_it(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_predictor, "has_native_bf16", lambda: False)

    compiled = compile_model(file, dtype=choose_dtype("auto"), hint="LATENCY")
    assert compiled.get_property("INFERENCE_PRECISION_HINT") == import_openvino().Type.f32
    with pytest.raises(
        ConfigError, match="precision: 'bf16' was asked for, which OpenVINO cannot compute in"
    ):
        choose_dtype("bf16")

    monkeypatch.setattr(openvino_predictor, "has_native_bf16", lambda: True)
    assert choose_dtype("auto") == "bf16"
    assert choose_dtype("bf16") == "bf16"
    assert choose_dtype("fp32") == "f32"


def test_the_processor_is_asked_for_bf16() -> None:
    assert has_native_bf16() in (True, False)


def test_threads_may_score_at_the_same_time(predictor: OpenVinoPredictor) -> None:
    side_px, n_views = predictor.preprocessing.side_px, predictor.preprocessing.n_views
    rng = np.random.default_rng(0)
    batches = [
        rng.integers(256, size=(n_views * (1 + number % 4), side_px, side_px, 3), dtype=np.uint8)
        for number in range(60)
    ]
    expected = [predictor.start(batch)() for batch in batches]
    with ThreadPoolExecutor(predictor.n_parallel) as threads:
        found = list(threads.map(lambda batch: predictor.start(batch)(), batches, timeout=60))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.02)
