"""Which photos a bundle was trained with, as its split tells."""

import shutil
from pathlib import Path

import pytest

from manylabel.data.evaluation_set import find_learned
from manylabel.errors import BundleError

NAMES = [f"{number:02}.png" for number in range(32)]


@pytest.fixture
def bundle(shapes_bundle: Path, tmp_path: Path) -> Path:
    """Return a bundle to change."""
    return Path(shutil.copytree(shapes_bundle, tmp_path / "bundle"))


def test_the_split_of_a_bundle_tells_every_photo(bundle: Path) -> None:
    learned = find_learned(bundle, NAMES, folder=bundle)

    assert learned is not None
    assert sorted(learned) == list(range(32))
    assert set(learned.values()) == {"train", "test"}


def test_a_bundle_without_a_split_tells_nothing(bundle: Path) -> None:
    (bundle / "split.csv").unlink()

    assert find_learned(bundle, NAMES, folder=bundle) is None


def test_a_split_that_was_changed_is_refused(bundle: Path) -> None:
    text = (bundle / "split.csv").read_text(encoding="utf-8")
    (bundle / "split.csv").write_text(text.replace(",train,", ",test,"), encoding="utf-8")

    with pytest.raises(BundleError, match=r"split\.csv: has changed since the bundle was written"):
        find_learned(bundle, NAMES, folder=bundle)


def test_a_split_that_leads_elsewhere_is_refused(bundle: Path) -> None:
    (bundle / "split.csv").rename(bundle.parent / "elsewhere.csv")
    (bundle / "split.csv").symlink_to(bundle.parent / "elsewhere.csv")

    with pytest.raises(BundleError, match=r"split\.csv: is a symbolic link"):
        find_learned(bundle, NAMES, folder=bundle)
