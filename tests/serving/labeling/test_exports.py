"""Files made with a model: a short stand-in takes the place of the command."""

import sys
import textwrap
import time
from pathlib import Path

import pytest

from manylabel.errors import InputError
from manylabel.serving.labeling.exports import Export, Exports, Wanted
from tests.serving.labeling.one_model import BACKBONE, NAME, OneModel

SECONDS = 20
ONNX, CSV = Wanted(NAME, BACKBONE, "onnx"), Wanted(NAME, BACKBONE, "csv")

WRITE = """
import pathlib, sys
command, bundle, *words = sys.argv[1:]
out = words[words.index("--out") + 1] if "--out" in words else pathlib.Path(bundle) / "model.onnx"
pathlib.Path(out).write_text(f"{command} {words}")
"""
FAIL = """
import sys
print("Reading photos", file=sys.stderr)
print("error: /home/ada/photos: no photos in this folder", file=sys.stderr)
sys.exit(2)
"""


def make(folder: Path, script: str) -> Exports:
    program = (sys.executable, "-c", textwrap.dedent(script))
    return Exports(OneModel(folder / "photos.models"), photos=folder / "photos", program=program)


def find(exports: Exports, wanted: Wanted) -> Export:
    return next(one for one in exports.listed() if one.kind == wanted.kind)


def wait(exports: Exports, wanted: Wanted) -> Export:
    end = time.monotonic() + SECONDS
    while (found := find(exports, wanted)).state == "running":
        assert time.monotonic() < end
        time.sleep(0.01)
    return found


def test_a_file_is_there_once_it_was_made(tmp_path: Path) -> None:
    exports = make(tmp_path, WRITE)
    assert [one.state for one in exports.listed()] == ["none", "none"]
    with pytest.raises(InputError, match="no such file yet"):
        exports.file(ONNX)

    exports.start(ONNX)

    assert wait(exports, ONNX).state == "done"
    assert exports.file(ONNX).read_text() == "export ['--to', 'onnx']"
    exports.start(CSV)
    made = wait(exports, CSV)
    assert (made.state, made.file) == ("done", "photos.models/model 1/predictions_squeezenet1_1.csv")
    assert made.seconds > 0
    words = exports.file(CSV).read_text()
    assert words.startswith(f"predict ['{tmp_path}")
    assert "--overwrite" in words


def test_a_file_that_was_made_before_is_there(tmp_path: Path) -> None:
    exports = make(tmp_path, WRITE)
    exports.start(ONNX)
    wait(exports, ONNX)

    again = Exports(exports._models, photos=tmp_path / "photos")

    assert [one.state for one in again.listed()] == ["done", "none"]


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (FAIL, "…/photos: no photos in this folder"),
        ("import sys; sys.exit(3)", "the process ended (exit code 3)"),
    ],
)
def test_why_there_is_no_file_is_told_without_folders(script: str, problem: str, tmp_path: Path) -> None:
    exports = make(tmp_path, script)
    exports.start(CSV)

    made = wait(exports, CSV)

    assert (made.state, made.problem) == ("failed", problem)
    with pytest.raises(InputError, match="no such file yet"):
        exports.file(CSV)


def test_one_file_is_made_at_a_time_and_none_after_the_end(tmp_path: Path) -> None:
    exports = make(tmp_path, "import time; time.sleep(60)")
    exports.start(ONNX)
    assert find(exports, ONNX).state == "running"
    with pytest.raises(InputError, match="a file of 'model 1' is being made; wait for it"):
        exports.start(CSV)

    exports.close()

    assert wait(exports, ONNX).state == "none"
    with pytest.raises(InputError, match="is ending"):
        exports.start(CSV)


def test_a_file_is_no_longer_made_once_that_was_cancelled(tmp_path: Path) -> None:
    exports = make(tmp_path, "import time; time.sleep(60)")
    with pytest.raises(InputError, match="no file is being made"):
        exports.cancel()
    exports.start(CSV)

    exports.cancel()

    assert wait(exports, CSV).state == "none"
    exports.start(CSV)
    exports.close()


def test_there_are_files_of_models_only(tmp_path: Path) -> None:
    exports = make(tmp_path, WRITE)
    other = Wanted("../secret", BACKBONE, "csv")
    with pytest.raises(InputError, match="has no model"):
        exports.start(other)
    with pytest.raises(InputError, match="has no model"):
        exports.file(other)
