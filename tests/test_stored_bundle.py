"""A bundle as the first version wrote it still means the same.

tests/stored/bundle_version_1 has its files as they were written on 2026-11-23, but for 2.9 MB of weights:
these are drawn again, from the names and shapes of the tensors. The probabilities were computed then.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from manylabel.apply import predict
from manylabel.bundle.folder import read_bundle, replace_thresholds
from manylabel.config import EngineName
from manylabel.exporters.registry import export
from manylabel.hash_list import verify
from manylabel.io.files import file_sha256
from manylabel.types import LabelTable, Thresholds

STORED = Path(__file__).parent / "stored" / "bundle_version_1"
EXPECTED = json.loads((STORED / "expected.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle, its weights drawn as they were then."""
    folder = Path(shutil.copytree(STORED, tmp_path_factory.mktemp("stored") / "bundle"))
    (folder / "expected.json").unlink()
    (folder / "README.md").write_text("the model card\n", encoding="utf-8")
    rng, tensors = np.random.default_rng(0), {}
    for name, shape in sorted(EXPECTED["tensors"].items()):
        n_inputs = int(np.prod(shape[1:])) or 1
        drawn = rng.normal(size=shape) * (2 / n_inputs) ** 0.5
        tensors[name] = torch.from_numpy(np.asarray(drawn, dtype=np.float32))
    save_file(tensors, folder / "weights.safetensors")
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    # The order of tensors in the file is that of the library.
    facts["sha256"]["weights.safetensors"] = file_sha256(folder / "weights.safetensors")
    (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def test_what_it_says_of_itself_is_read(bundle: Path) -> None:
    read = read_bundle(bundle)

    assert read.config.labels == ("circle", "square", "triangle")
    assert (read.config.backbone, read.config.head) == ("squeezenet1_1", "linear")
    assert read.config.preprocessing.side_px == 64
    assert read.config.preprocessing.n_views == 1
    assert not read.config.constraints.constraints
    np.testing.assert_allclose(read.thresholds.values, [0.465269, 0.478324, 0.480070], atol=1e-6)


@pytest.mark.parametrize("engine", ["torch", "openvino"])
def test_it_scores_as_it_did_then(engine: EngineName, bundle: Path, shapes_table: LabelTable) -> None:
    pytest.importorskip("openvino")
    said = predict(bundle, shapes_table.photos[:4], engine=engine, device="cpu", precision="fp32")

    np.testing.assert_allclose(said.scores.values, EXPECTED["scores"], atol=1e-5)


def test_it_is_exported(bundle: Path) -> None:
    pytest.importorskip("onnxscript")
    for row in export(bundle, "onnx").parity.rows:
        assert row.max_difference <= 1e-3


def test_new_thresholds_are_noted_in_its_own_file(bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    new = Thresholds(values=np.array([0.1, 0.2, 0.3]), origin="as wished")

    replace_thresholds(read_bundle(folder), new)

    assert not (folder / "results.json").exists()
    read = read_bundle(folder)
    assert (read.thresholds.origin, read.thresholds.changes) == ("as wished", ())
    assert {file.name: file.state for file in verify(folder).files}["facts.json"] == "holds the hashes"
