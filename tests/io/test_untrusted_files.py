"""Files of bundles that are looked at before they are opened."""

import os
from pathlib import Path

import pytest

from manylabel.errors import BundleError
from manylabel.io.untrusted_files import check_plain, read_json

BLOB = "0" * 64


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """Return the folder of a repository's version, as the cache of Hugging Face's library lays it out."""
    blobs, folder = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    blobs.mkdir()
    (folder / "openvino").mkdir(parents=True)
    (blobs / BLOB).write_text("{}")
    (folder / "results.json").symlink_to(f"../../blobs/{BLOB}")
    (folder / "openvino" / "facts.json").symlink_to(f"../../../blobs/{BLOB}")
    return folder


def test_a_bundle_in_the_cache_of_the_hub_is_read(snapshot: Path) -> None:
    for name in ("results.json", "openvino/facts.json"):
        check_plain(snapshot, name)
        assert read_json(snapshot / name) == {}


@pytest.mark.parametrize(
    "target", ["../../blobs/../blobs/0", "../../../secret", f"../../blobs/{'1' * 64}", BLOB]
)
def test_other_links_in_that_cache_are_refused(target: str, snapshot: Path) -> None:
    (snapshot / "config.json").symlink_to(target)

    with pytest.raises(BundleError, match=r"config\.json: is a symbolic link"):
        check_plain(snapshot, "config.json")


def test_a_link_to_a_blob_is_refused_where_no_cache_is(snapshot: Path, tmp_path: Path) -> None:
    (tmp_path / "bundles" / "mine").mkdir(parents=True)
    (tmp_path / "bundles" / "mine" / "results.json").symlink_to(f"../../blobs/{BLOB}")

    with pytest.raises(BundleError, match="is a symbolic link"):
        check_plain(tmp_path / "bundles" / "mine", "results.json")


def test_a_bundle_may_be_called_by_a_link(snapshot: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "results.json").write_text("{}")
    (tmp_path / "latest").symlink_to("real")

    check_plain(tmp_path / "latest", "results.json")


def test_what_is_not_there_is_left_to_its_reader(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    check_plain(tmp_path, "openvino/facts.json")
    check_plain(tmp_path / "file", "results.json")
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "results.json")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_folder_that_is_a_pipe_is_told(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "openvino")

    with pytest.raises(BundleError, match=r"openvino: is a named pipe, expected a file"):
        check_plain(tmp_path, "openvino/facts.json")


def test_whole_numbers_of_18_digits_are_read(tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text('{"a": [-999999999999999999, 0.5, 1e300]}')

    assert read_json(tmp_path / "results.json") == {"a": [-(10**18) + 1, 0.5, 1e300]}
