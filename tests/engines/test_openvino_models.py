"""OpenVINO and NNCF without their telemetry; the models of OpenVINO."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from manylabel.engines.openvino_models import (
    for_rows,
    has_openvino,
    import_nncf,
    import_openvino,
    read_model,
)
from manylabel.errors import BundleError

TELEMETRY = "openvino_telemetry"


@pytest.mark.parametrize("function", ["import_openvino", "import_nncf"])
def test_telemetry_is_neither_loaded_nor_writes_into_the_home_folder(function: str, tmp_path: Path) -> None:
    pytest.importorskip("nncf" if "nncf" in function else "openvino")
    program = (
        "import sys\n"
        f"from manylabel.engines.openvino_models import {function}\n"
        f"print({function}().__name__, [name for name in sys.modules if name.startswith('{TELEMETRY}')])"
    )
    homes = {"HOME": str(tmp_path), "USERPROFILE": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **homes},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == [function.removeprefix("import_"), "[]"]
    assert not (tmp_path / "intel").exists()


def test_the_loggers_of_the_program_stay_what_they_are() -> None:
    pytest.importorskip("nncf")
    before = logging.getLoggerClass()
    import_nncf()

    assert logging.getLoggerClass() is before


def test_telemetry_that_the_program_has_loaded_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    loaded = ModuleType(TELEMETRY)
    monkeypatch.setitem(sys.modules, TELEMETRY, loaded)
    import_openvino()

    assert sys.modules[TELEMETRY] is loaded


def test_a_missing_openvino_is_seen_without_loading_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)

    assert not has_openvino()
    with pytest.raises(ModuleNotFoundError):
        import_openvino()


def test_a_model_of_one_number_of_photos_cannot_take_another(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("openvino")
    from tests.attack.onnx_graphs import constant, graph_file, node, proto  # needs onnx

    made = onnx.load_from_string(graph_file())
    made.graph.node[0].CopyFrom(node("Reshape", ["pixels", "shape"], ["first"]))
    made.graph.node.insert(1, node("Cast", ["first"], ["floats"], to=proto.FLOAT))
    made.graph.initializer.append(constant("shape", [5, 64, 64, 3]))
    path = tmp_path / "model.onnx"
    path.write_bytes(made.SerializeToString())

    with pytest.raises(BundleError, match=r"model\.onnx: cannot take 2 photos at a time"):
        for_rows(read_model(path), n_rows=2, source=path)
