"""Trained classifiers in folders and on the hub."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

from manylabel import MultiLabelClassifier
from manylabel.apply import predict
from manylabel.bundle.folder import read_bundle
from manylabel.errors import BundleError, InputError, OutputError
from manylabel.pretrained import push
from manylabel.types import LabelTable

SETTINGS = ("model.init=random", "model.side_px=64", "training.epochs=2", "training.n_views=2")


@pytest.fixture
def kept(shapes_table: LabelTable, tmp_path: Path) -> tuple[MultiLabelClassifier, Path]:
    """Return a trained classifier and the folder that it was kept in."""
    names = [
        {label for label, value in zip(shapes_table.labels, row, strict=True) if value}
        for row in shapes_table.targets
    ]
    classifier = MultiLabelClassifier("squeezenet1_1", head="mlp", settings=SETTINGS)
    classifier.fit(shapes_table.photos, names)
    classifier.thresholds_ = np.array([0.3, 0.5, 0.6])
    classifier.save_pretrained(tmp_path / "kept")
    return classifier, tmp_path / "kept"


def test_what_was_kept_says_the_same(
    kept: tuple[MultiLabelClassifier, Path], shapes_table: LabelTable
) -> None:
    classifier, folder = kept
    found = MultiLabelClassifier.from_pretrained(folder)
    photos = shapes_table.photos[:6]

    np.testing.assert_array_equal(found.predict_proba(photos), classifier.predict_proba(photos))
    np.testing.assert_array_equal(found.predict(photos), classifier.predict(photos))
    assert found.classes_.tolist() == classifier.classes_.tolist()
    assert (found.head, found.backbone) == ("mlp", "squeezenet1_1")
    assert found.n_parameters_ == classifier.n_parameters_
    np.testing.assert_array_equal(found.thresholds_, [0.3, 0.5, 0.6])


def test_it_is_a_bundle_like_any_other(
    kept: tuple[MultiLabelClassifier, Path], shapes_table: LabelTable
) -> None:
    classifier, folder = kept
    assert read_bundle(folder).config.labels == ("circle", "square", "triangle")
    said = predict(folder, shapes_table.photos[:3], engine="torch", precision="fp32")
    np.testing.assert_allclose(
        said.scores.values, classifier.predict_proba(shapes_table.photos[:3]), atol=0.02
    )


def test_a_taken_place_is_replaced_only_where_asked_for_and_only_a_bundle(
    kept: tuple[MultiLabelClassifier, Path],
) -> None:
    classifier, folder = kept
    (folder / "model.onnx").write_bytes(b"of an older network")
    with pytest.raises(OutputError, match="overwrite=True"):
        classifier.save_pretrained(folder)
    classifier.save_pretrained(folder, overwrite=True)
    assert not (folder / "model.onnx").exists()
    (folder / "notes.txt").write_text("of somebody")
    with pytest.raises(OutputError, match=r"notes\.txt"):
        classifier.save_pretrained(folder, overwrite=True)
    assert (folder / "notes.txt").read_text() == "of somebody"


def test_an_untrained_classifier_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        MultiLabelClassifier().save_pretrained(tmp_path / "kept")


def test_a_repository_of_the_hub_is_read(
    kept: tuple[MultiLabelClassifier, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def download(repository: str, **_: Any) -> str:
        asked.append(repository)
        return str(kept[1])

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert MultiLabelClassifier.from_pretrained("someone/postcards").classes_.tolist() == [
        "circle",
        "square",
        "triangle",
    ]
    assert asked == ["someone/postcards"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no/such/folder", "no such folder, and not a valid name of a repository on the hub"),
        ("someone/nothing", "no such folder, and it cannot be downloaded from the hub"),
    ],
)
def test_what_is_not_there_is_told(name: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BundleError, match=said):
        MultiLabelClassifier.from_pretrained(name)


def test_a_bundle_is_copied_to_the_hub(shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, dict[str, Any]]] = []

    class Hub:
        def create_repo(self, repository: str, **options: Any) -> str:
            calls.append((repository, options))
            return f"https://hub/{repository}"

        def upload_folder(self, **options: Any) -> None:
            calls.append(("upload", options))

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    assert push(shapes_bundle, "me/shapes", is_private=True) == "https://hub/me/shapes"
    assert calls[0] == ("me/shapes", {"private": True, "exist_ok": True})
    assert calls[1][1]["folder_path"] == shapes_bundle
    assert calls[1][1]["repo_id"] == "me/shapes"


def test_a_hub_that_refuses_is_told(shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Hub:
        def create_repo(self, *_: str, **__: Any) -> str:
            raise ConnectionError("no route to the hub")

    monkeypatch.setattr("huggingface_hub.HfApi", Hub)
    with pytest.raises(InputError, match="me/shapes: the hub did not take the bundle: no route to the hub"):
        push(shapes_bundle, "me/shapes")
