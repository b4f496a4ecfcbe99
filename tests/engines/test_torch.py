"""Predictions through torch, and reading the model of a bundle."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from manylabel.bundle.folder import RESULTS_FILE, WEIGHTS_FILE, read_bundle
from manylabel.engines.torch import TorchPredictor, save_weights, torch_predictor
from manylabel.errors import BundleError
from manylabel.io.files import file_sha256
from manylabel.models.classifier import Classifier, build_classifier
from manylabel.models.device import autocast
from manylabel.preprocess import resize_views
from manylabel.types import Thresholds

HALF = Thresholds(values=np.full(2, 0.5), origin="by hand")


@pytest.fixture
def classifier() -> Classifier:
    """Return a small model with random weights, also in its last layer."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        small = build_classifier("squeezenet1_1", labels=("sea", "sky"), head="mlp", side_px=64)
    return small.train()


@pytest.fixture
def copied_bundle(shapes_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle that may be changed."""
    return Path(shutil.copytree(shapes_bundle, tmp_path / "copy"))


def noise(n_photos: int) -> list[Image.Image]:
    """Draw photos of noise, of all sizes."""
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(256, size=(40 + number, 90 - number, 3), dtype=np.uint8))
        for number in range(n_photos)
    ]


def change_weights(bundle: Path, change: Any) -> None:
    """Change the weights of a bundle, and their hash, as if they had been written that way."""
    weights = load_file(bundle / WEIGHTS_FILE)
    save_file(change(weights), bundle / WEIGHTS_FILE)
    facts = json.loads((bundle / RESULTS_FILE).read_text(encoding="utf-8"))
    facts["sha256"][WEIGHTS_FILE] = file_sha256(bundle / WEIGHTS_FILE)
    (bundle / RESULTS_FILE).write_text(json.dumps(facts), encoding="utf-8")


def test_scores_are_the_sigmoid_of_the_logits(classifier: Classifier) -> None:
    predictor = TorchPredictor(classifier, thresholds=HALF, precision=torch.float32)
    photos = noise(3)

    scores = predictor.predict_proba(photos)

    pixels = torch.from_numpy(
        np.concatenate([resize_views(photo, classifier.preprocessing) for photo in photos])
    )
    with torch.inference_mode():
        logits = classifier(pixels).double()
    np.testing.assert_allclose(scores, logits.sigmoid().numpy(), atol=1e-7)
    assert scores.dtype == np.float64


def test_a_photo_scores_the_same_in_any_batch(classifier: Classifier) -> None:
    predictor = TorchPredictor(classifier, thresholds=HALF, precision=torch.float32)
    photos = noise(35)

    together = predictor.predict_proba(photos)

    alone = np.concatenate([predictor.predict_proba([photo]) for photo in photos[30:]])
    np.testing.assert_allclose(together[30:], alone, atol=1e-5)


def test_no_photos_have_no_scores(classifier: Classifier) -> None:
    predictor = TorchPredictor(classifier, thresholds=HALF, precision=torch.float32)

    assert predictor.predict_proba([]).shape == (0, 2)


def test_the_predictor_says_what_it_is(classifier: Classifier) -> None:
    predictor = TorchPredictor(classifier, thresholds=HALF, precision=torch.float32)

    assert predictor.labels == ("sea", "sky")
    assert predictor.thresholds is HALF
    assert predictor.side_px == 64


def test_bf16_changes_scores_a_little(classifier: Classifier) -> None:
    photos = noise(4)
    full, half = (
        TorchPredictor(classifier, thresholds=HALF, precision=precision).predict_proba(photos)
        for precision in (torch.float32, torch.bfloat16)
    )

    assert not np.array_equal(full, half)
    np.testing.assert_allclose(full, half, atol=0.02)


def test_full_precision_needs_no_autocast() -> None:
    with autocast(torch.device("cpu"), torch.float32):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
    with autocast(torch.device("cpu"), torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


def test_a_bundle_is_the_network_that_was_saved(shapes_bundle: Path, tmp_path: Path) -> None:
    predictor = torch_predictor(read_bundle(shapes_bundle), device="cpu", precision="fp32")
    save_weights(predictor.classifier, tmp_path / "again.safetensors")

    saved, again = load_file(shapes_bundle / WEIGHTS_FILE), load_file(tmp_path / "again.safetensors")
    assert saved.keys() == again.keys()
    assert all(torch.equal(value, again[name]) for name, value in saved.items())
    assert predictor.labels == ("circle", "square", "triangle")
    assert predictor.side_px == 64


def test_reading_a_bundle_leaves_the_global_generator_as_it_was(shapes_bundle: Path) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    torch_predictor(read_bundle(shapes_bundle))

    assert torch.equal(torch.get_rng_state(), state)


def test_weights_of_another_network_are_told(copied_bundle: Path) -> None:
    change_weights(
        copied_bundle, lambda weights: {name: value for name, value in weights.items() if "head" in name}
    )

    with pytest.raises(BundleError, match=r"weights.safetensors: does not fit config.json: .*backbone"):
        torch_predictor(read_bundle(copied_bundle))


def test_weights_of_another_number_of_labels_are_told(copied_bundle: Path) -> None:
    change_weights(
        copied_bundle,
        lambda weights: {**weights, "head.1.weight": torch.zeros(5, 512), "head.1.bias": torch.zeros(5)},
    )

    with pytest.raises(BundleError, match=r"does not fit config.json: .*head.1"):
        torch_predictor(read_bundle(copied_bundle))
