"""The whole flow on an accelerator: what is trained there says the same on a CPU."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manylabel.apply import predict
from manylabel.config import (
    DataConfig,
    DeviceName,
    ModelConfig,
    PrecisionName,
    RunConfig,
    TrainingConfig,
)
from manylabel.pipeline import train

torch = pytest.importorskip("torch")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]


@pytest.fixture
def images(shapes_folder: Path) -> Path:
    """Return the folder of the photos of ``shapes_table``."""
    return shapes_folder / "images"


@pytest.mark.parametrize(
    ("name", "training"),
    [
        ("squeezenet1_1", {"tune": "head"}),
        ("mobilenet_v2", {"tune": "top"}),
        ("timm/vit_tiny_patch16_224", {"tune": "top"}),
        ("squeezenet1_1", {"tune": "full", "batch_size": 8}),
    ],
)
def test_what_is_trained_on_a_gpu_says_the_same_on_a_cpu(
    name: str, training: dict[str, Any], images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "cache"))
    config = RunConfig(
        out=str(tmp_path / "bundle"),
        data=DataConfig(photos=str(images), labels=str(images.parent / "labels.csv")),
        model=ModelConfig(names=(name,), init="random", side_px=64),
        training=TrainingConfig(**training, epochs=5, n_views=2, device="cuda"),
    )

    bundle = train(config).out
    assert torch.cuda.max_memory_allocated() > 0
    exact = predict(bundle, images, engine="torch", device="cpu", precision="fp32").scores.values
    on_gpu = predict(bundle, images, engine="torch", device="cuda", precision="fp32").scores.values
    as_chosen = predict(bundle, images, device="cuda").scores.values

    assert exact.std(axis=0).min() > 0
    np.testing.assert_allclose(on_gpu, exact, atol=5e-3)  # convolutions are rounded to TF32
    np.testing.assert_allclose(as_chosen, exact, atol=0.05)
    np.testing.assert_allclose(predict(bundle, images).scores.values, exact, atol=0.05)


def test_a_head_learns_on_a_gpu_what_it_learns_on_a_cpu(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "cache"))
    scores = []
    wishes: list[tuple[DeviceName, PrecisionName]] = [("cpu", "fp32"), ("cuda", "fp32"), ("cuda", "auto")]
    for device, precision in wishes:
        config = RunConfig(
            out=str(tmp_path / f"{device}_{precision}"),
            data=DataConfig(photos=str(images), labels=str(images.parent / "labels.csv")),
            model=ModelConfig(names=("mobilenet_v2",), init="random", side_px=64),
            training=TrainingConfig(
                tune="head", epochs=5, n_views=2, device=device, precision=precision, engine="torch"
            ),
        )
        bundle = train(config).out
        scores.append(predict(bundle, images, engine="torch", device="cpu", precision="fp32").scores.values)

    exact, on_gpu, as_chosen = scores
    np.testing.assert_allclose(on_gpu, exact, atol=0.02)
    np.testing.assert_allclose(as_chosen, exact, atol=0.1)
