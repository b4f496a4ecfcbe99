"""Features of photos, part by part."""

from pathlib import Path

import numpy as np
import pytest

from manylabel.apply import predict
from manylabel.live_model import photos as photos_module
from manylabel.live_model.photos import PhotoFeatures
from manylabel.types import LabelTable


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read 10 photos at a time."""
    monkeypatch.setattr(photos_module, "_PHOTOS_PER_PART", 10)


@pytest.mark.usefixtures("small_parts")
def test_a_trained_model_gives_the_probabilities_of_predict(
    shapes_table: LabelTable, shapes_bundle: Path, tmp_path: Path
) -> None:
    features = PhotoFeatures(shapes_table.photos, model=shapes_bundle, cache=tmp_path / "cache")
    seen: list[int] = []

    n_known = [int(features.is_known.sum()) for _ in features.read(seen.append)]

    assert n_known == [10, 20, 30, 32]
    assert seen == sorted(seen)
    assert seen[-1] == 32
    expected = predict(shapes_bundle, shapes_table.photos[0].parent)
    assert list(features.labels) == list(expected.labels)
    assert np.allclose(features.probabilities, expected.scores.values, atol=1e-3)


@pytest.mark.usefixtures("small_parts")
def test_photos_that_cannot_be_read_are_not_known_and_alone(
    shapes_table: LabelTable, shapes_bundle: Path, tmp_path: Path
) -> None:
    paths = list(shapes_table.photos)
    paths[3].write_bytes(b"no photo")
    paths[20].unlink()
    paths[31].write_bytes(paths[0].read_bytes())

    features = PhotoFeatures(paths, model=shapes_bundle, cache=tmp_path / "cache")
    list(features.read(lambda n_done: None))

    assert np.flatnonzero(~features.is_known).tolist() == [3, 20]
    assert np.isnan(features.probabilities[[3, 20]]).all()
    groups = features.find_groups()
    assert groups[0] == groups[31]
    assert (groups == groups[3]).sum() == 1
    assert (groups == groups[20]).sum() == 1
