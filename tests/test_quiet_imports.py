"""OpenVINO and NNCF without their telemetry."""

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from manylabel.quiet_imports import has_openvino, import_openvino

TELEMETRY = "openvino_telemetry"


@pytest.mark.parametrize("function", ["import_openvino", "import_nncf"])
def test_telemetry_is_neither_loaded_nor_writes_into_the_home_folder(function: str, tmp_path: Path) -> None:
    pytest.importorskip("nncf" if "nncf" in function else "openvino")
    program = (
        "import sys\n"
        f"from manylabel.quiet_imports import {function}\n"
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
