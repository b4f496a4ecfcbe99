"""Bundles in other forms: ONNX and OpenVINO."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from manylabel.apply import predict
from manylabel.bundle.folder import read_bundle
from manylabel.bundle.onnx_file import read_onnx
from manylabel.config import EngineName, ExportName, PrecisionName
from manylabel.engines.onnxruntime import OnnxPredictor
from manylabel.engines.openvino import OpenVinoPredictor
from manylabel.engines.registry import open_predictor, open_split_model
from manylabel.engines.torch import load_classifier
from manylabel.errors import BundleError, ConfigError, EngineError, MissingExtraError, OutputError
from manylabel.exporters import onnx as onnx_export
from manylabel.exporters import parity
from manylabel.exporters.registry import EXPORTERS, export
from manylabel.types import LabelTable

openvino = pytest.importorskip("openvino")
onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def exported(shapes_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle with both forms, to be read and not changed."""
    bundle = Path(shutil.copytree(shapes_bundle, tmp_path_factory.mktemp("exported") / "bundle"))
    for form in ("onnx", "openvino"):
        export(bundle, form, photos=shapes_bundle.parent / "images")
    return bundle


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    """Return a bundle with both forms that may be changed."""
    return Path(shutil.copytree(exported, tmp_path / "copy"))


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_labels_are_not_passed_over_in_silence(form: ExportName, copied: Path) -> None:
    with pytest.raises(ConfigError, match="leave --labels out, or use --to int8"):
        export(copied, form, labels=copied / "labels.csv")


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_every_engine_says_what_torch_says(
    engine: EngineName, exported: Path, shapes_table: LabelTable
) -> None:
    precision: PrecisionName = "auto" if engine == "onnxruntime" else "fp32"
    ours = predict(exported, shapes_table.photos, engine=engine, precision=precision).scores.values
    theirs = predict(exported, shapes_table.photos, engine="torch", precision="fp32").scores.values
    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_the_file_stands_alone(exported: Path) -> None:
    """Read the file as somebody would who has nothing but ONNX Runtime."""
    session = onnxruntime.InferenceSession(str(exported / "model.onnx"), providers=["CPUExecutionProvider"])
    bundle = read_bundle(exported)
    said = {key: json.loads(value) for key, value in session.get_modelmeta().custom_metadata_map.items()}

    assert said["manylabel.labels"] == list(bundle.config.labels)
    assert said["manylabel.thresholds"] == bundle.thresholds.values.tolist()
    assert said["manylabel.preprocessing"]["side_px"] == 64
    assert said["manylabel.made_from"] == bundle.facts["sha256"]
    (given,) = session.get_inputs()
    assert (given.name, given.type, given.shape[1:]) == ("pixels", "tensor(uint8)", [64, 64, 3])
    outputs = [output.name for output in session.get_outputs()]
    assert outputs == ["probabilities", "logits", "features", "activations"]
    for n_photos in (1, 5):
        pixels = np.random.default_rng(0).integers(256, size=(n_photos, 64, 64, 3), dtype=np.uint8)
        probabilities, logits, *_ = session.run(None, {"pixels": pixels})
        assert probabilities.shape == (n_photos, 3)
        np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-logits)), atol=1e-6)
    onnx.checker.check_model(str(exported / "model.onnx"), full_check=True)


def test_the_facts_say_how_near_it_is(exported: Path) -> None:
    facts = json.loads((exported / "results.json").read_text(encoding="utf-8"))["exports"]["onnx"]
    assert facts["parity"]["evaluated_on"] == "24 photos and 4 of noise"
    assert list(facts["parity"]["engines"]) == ["ONNX Runtime, fp32", "OpenVINO, fp32"]
    assert all(row["max_difference"] <= 1e-3 for row in facts["parity"]["engines"].values())
    assert json.loads((exported / "openvino" / "facts.json").read_text(encoding="utf-8"))["parity"]


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_an_exported_form_is_used_without_torch_and_without_a_cache(
    form: ExportName, copied: Path, shapes_table: LabelTable, tmp_path: Path
) -> None:
    if form == "onnx":
        shutil.rmtree(copied / "openvino")
    program = (
        "import sys\n"
        "for name in ('torch', 'torchvision', 'timm'): sys.modules[name] = None\n"
        "from manylabel.apply import predict\n"
        "from pathlib import Path\n"
        "from manylabel.bundle.folder import read_bundle\n"
        "from manylabel.engines.registry import open_split_model\n"
        "print(predict(sys.argv[1], sys.argv[2]).scores.values.shape, "
        "open_split_model(read_bundle(Path(sys.argv[1]))).grid.rows)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, copied, shapes_table.photos[0]],
        capture_output=True,
        text=True,
        env={"MANYLABEL_CACHE": str(tmp_path / "empty"), "PATH": "", "HOME": str(tmp_path)},
        check=False,
    )
    assert done.stdout.strip() == "(1, 3) 7", done.stderr


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_a_changed_file_is_refused(form: ExportName, copied: Path) -> None:
    file = copied / ("model.onnx" if form == "onnx" else "openvino/model.bin")
    file.write_bytes(file.read_bytes()[:-10])
    engine: EngineName = "onnxruntime" if form == "onnx" else "openvino"
    with pytest.raises(
        BundleError, match=rf"has changed since .*export it again: manylabel export .* --to {form}"
    ):
        open_predictor(copied, engine=engine)


def test_a_file_that_nothing_is_known_of_is_refused(shapes_bundle: Path, tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))
    (bundle / "model.onnx").write_bytes(b"who knows")
    with pytest.raises(BundleError, match=r"has no entry in results\.json; export it again"):
        open_predictor(bundle, engine="onnxruntime")


def test_the_form_of_other_weights_is_refused(copied: Path) -> None:
    bundle = read_bundle(copied)
    facts = json.loads((copied / "results.json").read_text(encoding="utf-8"))
    facts["exports"]["onnx"]["bundle"]["weights.safetensors"] = "another"
    (copied / "results.json").write_text(json.dumps(facts), encoding="utf-8")
    assert read_onnx(bundle) is not None  # as it was read before
    with pytest.raises(BundleError, match="was exported from a different model than the one in this bundle"):
        read_onnx(read_bundle(copied))


def test_a_file_that_was_never_made_is_told(shapes_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"has no model\.onnx yet; make it: manylabel export .* --to onnx"):
        open_predictor(shapes_bundle, engine="onnxruntime")


def test_onnx_runtime_computes_on_the_cpu_in_32_bits(exported: Path) -> None:
    with pytest.raises(ConfigError, match="'onnxruntime' computes on the CPU"):
        open_predictor(exported, engine="onnxruntime", device="cuda")
    with pytest.raises(ConfigError, match="leave 'bf16' out"):
        open_predictor(exported, engine="onnxruntime", precision="bf16")


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_a_form_that_computes_something_else_is_not_written(
    form: ExportName, shapes_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))
    before = sorted(path.name for path in bundle.iterdir())
    monkeypatch.setattr(parity, "MAX_DIFFERENCE", 0.0)
    with pytest.raises(
        EngineError, match=r"does not compute this model as torch does: .* nothing was written"
    ):
        export(bundle, form)
    assert sorted(path.name for path in bundle.iterdir()) == before


def test_a_full_disk_is_told_and_leaves_what_was_there(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = (copied / "model.onnx").read_bytes()
    monkeypatch.setattr(onnx_export, "add_onnx", fill_disk)
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        export(copied, "onnx")
    assert (copied / "model.onnx").read_bytes() == before
    assert not [path for path in copied.iterdir() if path.name.startswith(".onnx")]


def test_a_network_too_large_for_one_file_is_told_at_once(
    shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_export, "_MOST_BYTES", 1000)
    with pytest.raises(EngineError, match=r"one ONNX file holds 2\.1 GB at most; .*--to openvino"):
        export(shapes_bundle, "onnx")


def test_a_missing_library_is_told_with_the_command_that_installs_it(
    shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[onnx\]'"):
        export(shapes_bundle, "onnx")


def test_the_locator_of_openvino_gives_what_torch_gives(exported: Path) -> None:
    locator = open_split_model(read_bundle(exported))
    assert locator is not None
    pixels = np.random.default_rng(0).integers(256, size=(2, 64, 64, 3), dtype=np.uint8)
    activations, _ = locator.lower(pixels)
    with torch.inference_mode():
        expected = load_classifier(read_bundle(exported))(torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(locator.upper(activations), expected, atol=1e-3)


def test_a_model_of_something_else_is_refused(copied: Path, tmp_path: Path) -> None:
    config, thresholds = read_bundle(copied).config, read_bundle(copied).thresholds
    numbers = openvino.opset13.parameter([-1, 8], np.float32, name="numbers")
    model = openvino.Model([openvino.opset13.relu(numbers).output(0)], [numbers], "other")
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 8]) for name in "xy"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])], "other", *([end] for end in ends)
    )
    onnx.save(
        onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)]),
        tmp_path / "other.onnx",
    )

    with pytest.raises(BundleError, match="the model: expected one input of pixels"):
        OpenVinoPredictor(model, config=config, thresholds=thresholds)
    with pytest.raises(BundleError, match=r"other.onnx: expected one input and an output 'logits'"):
        OnnxPredictor(tmp_path / "other.onnx", config=config, thresholds=thresholds)


def test_an_exporter_of_another_module_is_chosen_by_its_name(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exporter_of_mine.py").write_text(
        "from manylabel.exporters.parity import Exported, Parity\n"
        "from manylabel.exporters.registry import EXPORTERS, Exporter\n"
        "def run(job):\n"
        "    path = job.bundle.folder / 'labels.txt'\n"
        "    path.write_text(' '.join(job.bundle.config.labels))\n"
        "    return Exported(path=path, parity=Parity(rows=(), n_decisions=0, evaluated_on='nothing'))\n"
        "EXPORTERS['names'] = Exporter(name='names', help='for tests', output='labels.txt', run=run)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    with patch.dict(EXPORTERS):
        importlib.import_module("exporter_of_mine")
        made = export(copied, "names")

    assert made.path.read_text().split() == list(read_bundle(copied).config.labels)


def test_an_unknown_export_is_told_with_those_that_are_known(copied: Path) -> None:
    with pytest.raises(ConfigError, match="unknown export 'tflite'; known exports: onnx, openvino, int8"):
        export(copied, "tflite")
