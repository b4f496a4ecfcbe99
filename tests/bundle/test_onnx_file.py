"""The ONNX file of a bundle: added, read back, and stopped at any moment."""

import json
import shutil
from pathlib import Path

import pytest

from manylabel import verify
from manylabel.bundle import onnx_file
from manylabel.bundle.folder import read_bundle, replace_thresholds
from manylabel.bundle.onnx_file import add_onnx, read_onnx
from manylabel.errors import BundleError
from manylabel.io.files import file_sha256
from manylabel.types import Thresholds


@pytest.fixture
def copied(shapes_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle to change."""
    return Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))


def add(bundle: Path, content: bytes, *, moment: str = "") -> None:
    """Add a file; stop before results.json tells of it, before it takes its place, or before the end."""
    made = bundle.parent / "made.onnx"
    made.write_bytes(content)
    opened = read_bundle(bundle)
    with pytest.MonkeyPatch.context() as patch:

        def stop(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        # Facts are written through a rename of their own.
        patch.setattr("manylabel.bundle.folder.write_atomically", Path.write_bytes)
        if moment == "before the facts":
            patch.setattr(onnx_file, "change_facts", stop)
        if moment == "between facts and file":
            patch.setattr(Path, "replace", stop)
        if moment == "before the end":
            patch.setattr(onnx_file, "sync_folder", stop)
        add_onnx(opened, made, facts={"parity": 0})


MOMENTS = ["before the facts", "between facts and file", "before the end"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stop_leaves_one_of_both_files_in_use(moment: str, copied: Path) -> None:
    add(copied, b"first")
    add(copied, b"second")

    with pytest.raises(KeyboardInterrupt):
        add(copied, b"third", moment=moment)

    path = read_onnx(read_bundle(copied))
    assert path is not None
    assert path.read_bytes() == (b"third" if moment == "before the end" else b"second")
    assert {file.name: file.state for file in verify(copied).files}["model.onnx"] == "as written"
    add(copied, b"fourth")
    assert read_onnx(read_bundle(copied)) == path
    assert path.read_bytes() == b"fourth"


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_stop_of_the_first_export_leaves_a_bundle_that_works(moment: str, copied: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        add(copied, b"first", moment=moment)

    is_there = moment == "before the end"
    assert (read_onnx(read_bundle(copied)) is not None) == is_there
    assert ("model.onnx" in {file.name for file in verify(copied).files}) == is_there


def test_a_file_that_is_neither_is_refused(copied: Path) -> None:
    add(copied, b"first")
    add(copied, b"second")
    (copied / "model.onnx").write_bytes(b"third")

    with pytest.raises(BundleError, match="has changed since it was exported"):
        read_onnx(read_bundle(copied))
    with pytest.raises(BundleError, match="has changed since it was written"):
        verify(copied)


def test_the_file_before_is_forgotten_at_the_end(copied: Path) -> None:
    add(copied, b"first")
    add(copied, b"second")
    exports = json.loads((copied / "results.json").read_text())["exports"]
    assert list(exports) == ["onnx"]
    assert exports["onnx"]["sha256"] == file_sha256(copied / "model.onnx")

    (copied / "model.onnx").write_bytes(b"first")
    with pytest.raises(BundleError, match="has changed since it was exported"):
        read_onnx(read_bundle(copied))


def test_a_missing_file_and_an_entry_without_a_hash_are_told(copied: Path) -> None:
    add(copied, b"first")
    (copied / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx: is missing"):
        verify(copied)

    facts = json.loads((copied / "results.json").read_text())
    del facts["exports"]["onnx"]["sha256"]
    (copied / "results.json").write_text(json.dumps(facts))
    (copied / "model.onnx").write_bytes(b"first")
    with pytest.raises(BundleError, match="has changed since it was written"):
        verify(copied)


@pytest.mark.parametrize("entry", ["text", 7, [], None])
def test_an_entry_that_is_no_object_is_none(entry: object, copied: Path) -> None:
    add(copied, b"first")
    facts = json.loads((copied / "results.json").read_text())
    facts["exports"]["onnx"] = entry
    (copied / "results.json").write_text(json.dumps(facts))

    assert {file.name: file.state for file in verify(copied).files}["model.onnx"] == "not listed"
    with pytest.raises(BundleError, match=r"has no entry in results\.json"):
        read_onnx(read_bundle(copied))


def test_a_link_in_its_place_is_refused_unread(copied: Path) -> None:
    (copied.parent / "elsewhere").write_bytes(b"mine")
    (copied / "model.onnx").symlink_to(copied.parent / "elsewhere")

    with pytest.raises(BundleError, match="is a symbolic link"):
        add(copied, b"first")
    assert (copied.parent / "elsewhere").read_bytes() == b"mine"


def test_thresholds_that_were_chosen_during_an_export_are_kept(copied: Path) -> None:
    opened = read_bundle(copied)
    made = copied.parent / "made.onnx"
    made.write_bytes(b"first")
    replace_thresholds(opened, Thresholds(values=opened.thresholds.values / 2, origin="chosen meanwhile"))

    add_onnx(opened, made, facts={})

    assert read_bundle(copied).thresholds.origin == "chosen meanwhile"
    assert read_onnx(read_bundle(copied)) is not None
