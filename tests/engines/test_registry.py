"""Which engine scores photos, and what it keeps on disk."""

import importlib
import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from manylabel.apply import predict
from manylabel.bundle.folder import read_bundle
from manylabel.config import EngineName
from manylabel.engines import conversion
from manylabel.engines import registry as engines
from manylabel.engines.model_files import cached_engine, read_engine
from manylabel.engines.openvino import OpenVinoPredictor
from manylabel.engines.registry import open_predictor
from manylabel.engines.torch import TorchPredictor, load_classifier
from manylabel.errors import BundleError, ConfigError, EngineError, MissingExtraError
from manylabel.types import FloatArray, LabelTable

pytest.importorskip("openvino")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache."""
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def converted(shapes_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the place in a cache of one's own where the converted bundle lies."""
    open_predictor(shapes_bundle, engine="openvino")  # in the cache of all tests
    shutil.copytree(cached_engine(read_bundle(shapes_bundle)).parent, tmp_path / "copy" / "engines")
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "copy"))
    return cached_engine(read_bundle(shapes_bundle))


def scores(bundle: Path, table: LabelTable, engine: EngineName = "auto") -> FloatArray:
    """Score the first photos in full precision."""
    return predict(bundle, table.photos[:10], engine=engine, precision="fp32").scores.values


def test_openvino_says_what_torch_says(shapes_bundle: Path, shapes_table: LabelTable) -> None:
    ours, theirs = (scores(shapes_bundle, shapes_table, engine) for engine in ("openvino", "torch"))

    np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_a_cpu_takes_openvino_and_a_few_photos_need_one_batch_at_a_time(shapes_bundle: Path) -> None:
    predictor = open_predictor(shapes_bundle, device="cpu", workload="few")

    assert isinstance(predictor, OpenVinoPredictor)
    assert predictor.n_parallel == 1
    assert isinstance(open_predictor(shapes_bundle, engine="torch"), TorchPredictor)


def test_a_second_time_nothing_is_converted_and_the_scores_are_the_same(
    cache: Path, shapes_bundle: Path, shapes_table: LabelTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = scores(shapes_bundle, shapes_table)
    monkeypatch.setattr(conversion, "convert_bundle", lambda bundle: pytest.fail("converted again"))

    np.testing.assert_array_equal(scores(shapes_bundle, shapes_table), fresh)
    assert [path.name for path in (cache / "engines").glob("*/model.xml")] == ["model.xml"]


def test_what_was_just_converted_is_opened_as_the_cache_keeps_it(
    cache: Path, shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = list[object]()
    monkeypatch.setattr(engines, "open_converted", lambda bundle, model, **_: opened.append(model))

    for _ in range(2):
        open_predictor(shapes_bundle, engine="openvino")

    # In memory, the sums of some layers are ordered otherwise: probabilities differ in their last digits.
    (model,) = (cache / "engines").glob("*/model.xml")
    assert opened == [model, model]


@pytest.mark.usefixtures("converted")
def test_a_second_time_torch_is_not_loaded(shapes_bundle: Path, shapes_table: LabelTable) -> None:
    program = (
        "import sys; from manylabel import predict; predict(*sys.argv[1:], device='cpu'); "
        "print({'torch', 'timm', 'nncf'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, shapes_bundle, shapes_table.photos[0]],
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "set()"


def test_a_truncated_file_of_the_cache_is_made_anew(
    converted: Path, shapes_bundle: Path, shapes_table: LabelTable, caplog: pytest.LogCaptureFixture
) -> None:
    fresh = scores(shapes_bundle, shapes_table)
    whole = (converted / "model.bin").read_bytes()
    (converted / "model.bin").write_bytes(whole[:-100])

    np.testing.assert_allclose(scores(shapes_bundle, shapes_table), fresh, atol=1e-5)

    assert "model.bin: has changed since it was written" in caplog.text
    assert "the model is converted again" in caplog.text
    assert (converted / "model.bin").read_bytes() == whole


@pytest.mark.parametrize("name", ["model.bin", "model.xml", "facts.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "gone"])
def test_a_file_that_is_not_as_it_was_written_is_refused(name: str, damage: str, converted: Path) -> None:
    file = converted / name
    whole = file.read_bytes()
    assert read_engine(converted).model == converted / "model.xml"
    match damage:
        case "cut":
            file.write_bytes(whole[:-100])
        case "changed":
            file.write_bytes(b" " + whole.replace(b"1", b"2"))
        case _:
            file.unlink()

    with pytest.raises(BundleError, match=name):
        read_engine(converted)


def test_other_weights_or_another_openvino_is_another_place(
    shapes_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = read_bundle(shapes_bundle)
    other = read_bundle(Path(shutil.copytree(shapes_bundle, tmp_path / "other")))
    assert cached_engine(bundle) == cached_engine(other)

    other.facts["sha256"]["weights.safetensors"] = "0"
    assert cached_engine(bundle) != cached_engine(other)

    before = cached_engine(bundle)
    monkeypatch.setattr("openvino.get_version", lambda: "2099.1")
    assert cached_engine(bundle) != before


def test_a_cache_that_cannot_be_written_stops_nothing(
    shapes_bundle: Path,
    shapes_table: LabelTable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "file"))

    first = scores(shapes_bundle, shapes_table)
    assert len(first) == 10
    assert "the converted model could not be kept" in caplog.text
    monkeypatch.setenv("MANYLABEL_CACHE", str(tmp_path / "cache"))
    np.testing.assert_array_equal(scores(shapes_bundle, shapes_table), first)


def test_without_openvino_torch_is_used_without_a_word(
    shapes_bundle: Path,
    shapes_table: LabelTable,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    expected = scores(shapes_bundle, shapes_table, "torch")
    monkeypatch.setitem(sys.modules, "openvino", None)

    with caplog.at_level(logging.DEBUG, "manylabel"):
        np.testing.assert_array_equal(scores(shapes_bundle, shapes_table), expected)
    assert not caplog.text


@pytest.mark.parametrize("engine", ["openvino", "int8"])
def test_without_openvino_asking_for_it_is_told_with_the_command_that_installs_it(
    engine: EngineName, shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)

    with pytest.raises(MissingExtraError, match=rf"The engine '{engine}' .* pip install '\.\[openvino\]'"):
        open_predictor(shapes_bundle, engine=engine)


def test_a_network_that_openvino_computes_otherwise_is_left_to_torch(
    cache: Path,
    shapes_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(conversion, "logit_difference", lambda model, classifier: float("nan"))

    assert isinstance(open_predictor(shapes_bundle, device="cpu"), TorchPredictor)
    assert "does not compute this model as torch does" in caplog.text
    assert "torch is used instead" in caplog.text
    assert not (cache / "engines").exists()
    with pytest.raises(EngineError, match="logits differ by nan of their size, at most 1e-03 is expected"):
        open_predictor(shapes_bundle, engine="openvino")


def test_a_network_that_openvino_cannot_take_is_left_to_torch(
    cache: Path, shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("unknown operation\nand a long story")

    monkeypatch.setattr(conversion, "pixels_to_openvino", refuse)

    assert isinstance(open_predictor(shapes_bundle, device="cpu"), TorchPredictor)
    assert "OpenVINO cannot take this model: unknown operation; torch is used instead" in caplog.text


def test_the_comparison_sees_a_network_that_is_another(shapes_bundle: Path) -> None:
    bundle = read_bundle(shapes_bundle)
    model = conversion.convert_bundle(bundle)
    classifier = load_classifier(bundle)
    assert conversion.logit_difference(model, classifier) < 1e-4

    classifier._output_layer.weight.data *= 1.01
    assert conversion.logit_difference(model, classifier) > conversion.MAX_DIFFERENCE


def test_bf16_that_the_processor_does_not_have_is_left_to_torch(
    shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manylabel.engines.openvino.has_native_bf16", lambda: False)

    assert isinstance(open_predictor(shapes_bundle, device="cpu", precision="bf16"), TorchPredictor)


@pytest.mark.parametrize("engine", ["openvino", "int8"])
def test_another_device_than_the_cpu_is_refused(engine: EngineName, shapes_bundle: Path) -> None:
    with pytest.raises(ConfigError, match=rf"engine: '{engine}' computes on the CPU, device 'cuda'"):
        open_predictor(shapes_bundle, engine=engine, device="cuda")


@pytest.mark.parametrize(
    ("system", "machine", "files", "library", "expected"),
    [
        ("Linux", "x86_64", (), None, False),
        ("Linux", "x86_64", (__file__,), None, True),
        ("Darwin", "arm64", (), None, True),
        ("Darwin", "x86_64", (), None, False),
        ("Windows", "AMD64", (), "nvcuda.dll", True),
        ("Windows", "AMD64", (), None, False),
    ],
)
def test_torch_is_asked_for_its_device_only_where_a_gpu_may_be(
    system: str,
    machine: str,
    files: tuple[str, ...],
    library: str | None,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(engines, "_ACCELERATOR_FILES", files)
    monkeypatch.setattr(engines, "find_library", lambda name: library)

    assert engines._may_have_accelerator() is expected


def test_where_a_gpu_may_be_torch_decides(shapes_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_may_have_accelerator", lambda: True)
    from manylabel.models.device import choose_device

    assert engines._is_cpu("auto") is (choose_device("auto").type == "cpu")
    monkeypatch.setitem(sys.modules, "manylabel.models.device", None)
    assert engines._is_cpu("auto")
    assert not engines._is_cpu("cuda")


def test_an_8_bit_version_that_was_never_made_is_told(shapes_bundle: Path) -> None:
    with pytest.raises(
        BundleError, match=r"has no 8-bit version yet; make one: manylabel export .* --to int8"
    ):
        open_predictor(shapes_bundle, engine="int8")


@pytest.mark.parametrize(
    "facts", ["no JSON", "[]", "{}", json.dumps({"sha256": []}), json.dumps({"sha256": {"model.xml": 1}})]
)
def test_facts_that_cannot_be_understood_are_refused(facts: str, tmp_path: Path) -> None:
    for name in ("model.xml", "model.bin"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "facts.json").write_text(facts, encoding="utf-8")

    with pytest.raises(BundleError):
        read_engine(tmp_path)


def test_an_engine_of_another_module_is_chosen_by_its_name(
    shapes_bundle: Path, shapes_table: LabelTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine_of_mine.py").write_text(
        "import numpy as np\n"
        "from manylabel.engines.base import EnginePredictor\n"
        "from manylabel.engines.registry import ENGINES, Engine\n"
        "class Constant(EnginePredictor):\n"
        "    engine = 'constant, fp64'\n"
        "    def start(self, pixels):\n"
        "        logits = np.zeros((len(pixels), len(self.labels)))\n"
        "        return lambda: self.to_scores(logits, n_rows=len(pixels))\n"
        "def open_it(bundle, options):\n"
        "    config = bundle.config\n"
        "    return Constant(labels=config.labels, thresholds=bundle.thresholds,\n"
        "                    constraints=config.constraints,\n"
        "                    preprocessing=config.preprocessing, views_per_batch=4)\n"
        "ENGINES['constant'] = Engine(name='constant', help='for tests', open=open_it, is_cpu_only=True)\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(tmp_path)
    with patch.dict(engines.ENGINES):
        importlib.import_module("engine_of_mine")

        np.testing.assert_array_equal(scores(shapes_bundle, shapes_table, "constant"), 0.5)
        with pytest.raises(ConfigError, match="engine: 'constant' computes on the CPU, device 'cuda'"):
            open_predictor(shapes_bundle, engine="constant", device="cuda")


def test_an_unknown_engine_is_told_with_those_that_are_known(shapes_bundle: Path) -> None:
    with pytest.raises(ConfigError, match=r"unknown engine 'openvin'; did you mean 'openvino'\?"):
        open_predictor(shapes_bundle, engine="openvin")
