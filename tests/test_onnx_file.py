"""The ONNX file of a bundle: added, read back, and stopped at any moment."""

import json
import shutil
from pathlib import Path

import pytest

from manylabel import onnx_file, verify
from manylabel.bundle import read_bundle, replace_thresholds
from manylabel.errors import BundleError
from manylabel.files import file_sha256
from manylabel.onnx_file import add_onnx, read_onnx
from manylabel.types import Thresholds


@pytest.fixture
def copied(shapes_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle to change."""
    return Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))


def add(bundle: Path, content: bytes, *, moment: str = "") -> None:
    """Add a file; stop before it takes its place, or before facts.json is written."""
    made = bundle.parent / "made.onnx"
    made.write_bytes(content)
    opened = read_bundle(bundle)
    with pytest.MonkeyPatch.context() as patch:

        def stop(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        if moment == "before the facts":
            patch.setattr(onnx_file, "change_facts", stop)
        if moment == "between facts and file":
            patch.setattr(Path, "replace", stop)
            # The facts are written through a rename of their own.
            patch.setattr("manylabel.bundle.write_atomically", Path.write_bytes)
        add_onnx(opened, made, facts={"parity": 0})


@pytest.mark.parametrize("moment", ["before the facts", "between facts and file"])
def test_a_stop_leaves_the_file_before_in_use(moment: str, copied: Path) -> None:
    add(copied, b"first")
    add(copied, b"second")

    with pytest.raises(KeyboardInterrupt):
        add(copied, b"third", moment=moment)

    path = read_onnx(read_bundle(copied))
    assert path is not None
    assert path.read_bytes() == b"second"
    assert {file.name: file.state for file in verify(copied).files}["model.onnx"] == "as written"
    add(copied, b"fourth")
    assert read_onnx(read_bundle(copied)) == path
    assert path.read_bytes() == b"fourth"


@pytest.mark.parametrize("moment", ["before the facts", "between facts and file"])
def test_a_stop_of_the_first_export_leaves_a_bundle_that_works(moment: str, copied: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        add(copied, b"first", moment=moment)

    assert read_onnx(read_bundle(copied)) is None


def test_a_file_that_is_neither_is_refused(copied: Path) -> None:
    add(copied, b"first")
    add(copied, b"second")
    (copied / "model.onnx").write_bytes(b"third")

    with pytest.raises(BundleError, match="has changed since it was exported"):
        read_onnx(read_bundle(copied))
    with pytest.raises(BundleError, match="has changed since it was written"):
        verify(copied)


def test_two_exports_remember_one_file_before(copied: Path) -> None:
    for content in (b"first", b"second", b"third"):
        add(copied, content)

    exports = json.loads((copied / "facts.json").read_text())["exports"]
    assert sorted(exports) == ["onnx", "onnx_before"]
    assert exports["onnx"]["sha256"] == file_sha256(copied / "model.onnx")


def test_thresholds_that_were_chosen_during_an_export_are_kept(copied: Path) -> None:
    opened = read_bundle(copied)
    made = copied.parent / "made.onnx"
    made.write_bytes(b"first")
    replace_thresholds(opened, Thresholds(values=opened.thresholds.values / 2, origin="chosen meanwhile"))

    add_onnx(opened, made, facts={})

    assert read_bundle(copied).thresholds.origin == "chosen meanwhile"
    assert read_onnx(read_bundle(copied)) is not None
