"""Models whose weights come with the installation."""

import pytest

from manylabel.models.backbones import source_of
from manylabel.models.backbones.bundled import BUNDLED


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_backbone_has_a_package_and_an_official_file(name: str) -> None:
    source = source_of(name)

    assert source.name == "bundled"
    assert source.packaged_file(name) is not None
    assert source.official_file(name) is not None
