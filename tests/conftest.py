"""Give tests what several of them need.

In:  the folders named by MANYLABEL_TEST_DATA and MANYLABEL_TEST_WEIGHTS, where they are set.
Out: those folders, or a skipped test that says why; a tiny folder of drawn photos with its table of labels; a
     feature cache per test; a trained bundle.
"""

import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image, ImageDraw

from manylabel.config import DataConfig, ModelConfig, RunConfig, TrainingConfig
from manylabel.types import FloatArray, LabelTable

# A slow or busy machine is no failure of the code under test.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

SHAPES = ("circle", "square", "triangle")


def _folder_from_environment(variable: str, *, holds: str) -> Path:
    given = os.environ.get(variable)
    if not given:
        pytest.skip(f"{variable} is not set; it names the folder of {holds}")
    folder = Path(given)
    if not folder.is_dir():
        pytest.skip(f"{variable} names {folder}, which is no folder of {holds}")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's cache out of the tests, and what they compute out of it."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MANYLABEL_CACHE", str(tmp_path_factory.mktemp("cache")))
        environment.setenv("MANYLABEL_NO_FSYNC", "1")
        yield


@pytest.fixture
def real_data() -> Path:
    """Return the folder of real photo sets."""
    return _folder_from_environment("MANYLABEL_TEST_DATA", holds="real photo sets")


@pytest.fixture
def real_weights() -> Path:
    """Return the folder of real pre-trained weights."""
    return _folder_from_environment("MANYLABEL_TEST_WEIGHTS", holds="pre-trained weights")


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to an empty folder, as a reader of the documents starts."""
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def shapes_table(tmp_path: Path) -> LabelTable:
    """Draw 32 photos of a red circle, a green square and a blue triangle, none to all three on each.

    The photos lie in ``images/``, the table as one-hot ``labels.csv`` beside that folder. Every combination
    of labels appears four times, in other places and sizes.
    """
    return _draw_table(tmp_path / "shapes")


@pytest.fixture
def shapes_folder(shapes_table: LabelTable) -> Path:
    """Return the folder with ``images/`` and ``labels.csv`` of ``shapes_table``."""
    return shapes_table.photos[0].parent.parent


@pytest.fixture(scope="session")
def shapes_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train a model of random weights on photos like those of ``shapes_table``; to be read, not changed."""
    from manylabel.pipeline import train  # not at the top: most tests do without torch

    folder = tmp_path_factory.mktemp("trained")
    _draw_table(folder)
    config = RunConfig(
        out=str(folder / "bundle"),
        data=DataConfig(photos=str(folder / "images"), labels=str(folder / "labels.csv")),
        model=ModelConfig(names=("squeezenet1_1",), init="random", side_px=64),
        training=TrainingConfig(tune="head", epochs=20, n_views=2, precision="fp32", engine="torch"),
    )
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MANYLABEL_CACHE", str(folder / "cache"))
        return train(config).out


def _draw_table(base: Path) -> LabelTable:
    generator = np.random.default_rng(0)
    folder = base / "images"
    folder.mkdir(parents=True)
    targets = np.array(4 * list(product((0.0, 1.0), repeat=len(SHAPES))))  # [32, 3]
    names = tuple(f"{number:02}.png" for number in range(len(targets)))
    for name, present in zip(names, targets, strict=True):
        _draw_shapes(present, generator).save(folder / name)
    _write_one_hot(folder.parent / "labels.csv", names, targets)
    return LabelTable(
        photos=tuple(folder / name for name in names),
        names=names,
        labels=SHAPES,
        targets=targets,
        parts=(None,) * len(names),
        source="labels.csv, one-hot",
    )


def _write_one_hot(path: Path, names: tuple[str, ...], targets: FloatArray) -> None:
    lines = [["image", *SHAPES]]
    lines += [[name, *(f"{cell:.0f}" for cell in row)] for name, row in zip(names, targets, strict=True)]
    path.write_text("".join(f"{','.join(line)}\n" for line in lines), encoding="utf-8")


def _draw_shapes(present: FloatArray, generator: np.random.Generator) -> Image.Image:
    grey = int(generator.integers(180, 221))
    photo = Image.new("RGB", (60, 48), (grey, grey, grey))
    draw = ImageDraw.Draw(photo)
    side = int(generator.integers(10, 17))
    lefts = np.array([0, 20, 40]) + generator.integers(0, 4, size=3)
    tops = generator.integers(0, 48 - side, size=3)
    boxes = [
        (int(left), int(top), int(left) + side, int(top) + side)
        for left, top in zip(lefts, tops, strict=True)
    ]
    if present[0]:
        draw.ellipse(boxes[0], fill=(220, 40, 40))
    if present[1]:
        draw.rectangle(boxes[1], fill=(40, 200, 40))
    if present[2]:
        left, top, right, bottom = boxes[2]
        draw.polygon([(left, bottom), (right, bottom), ((left + right) // 2, top)], fill=(40, 40, 220))
    return photo if generator.random() < 0.5 else photo.transpose(Image.Transpose.ROTATE_90)
