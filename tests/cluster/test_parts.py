"""Parts follow the list, shares of them are disjoint, and a part is complete or absent."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manylabel.cluster.parts import Shard, name_part, split_into_parts
from manylabel.data.photo_list import open_photo_list
from manylabel.errors import ConfigError


@given(st.integers(1, 40), st.integers(1, 12))
def test_the_parts_of_a_list_are_the_list(n_photos: int, part_size: int) -> None:
    class Names:
        def names(self):  # type: ignore[no-untyped-def]
            return iter(f"{number}.jpg" for number in range(n_photos))

    parts = list(split_into_parts(Names(), part_size=part_size, ending=".csv"))  # type: ignore[arg-type]
    assert [name for part in parts for name in part.names] == [f"{number}.jpg" for number in range(n_photos)]
    assert all(len(part.names) == part_size for part, _ in pairwise(parts))
    assert [part.file for part in parts] == [name_part(number, ".csv") for number in range(len(parts))]


@given(st.integers(1, 20), st.integers(0, 200))
def test_every_part_belongs_to_one_share(n: int, part: int) -> None:
    assert sum(Shard(number=number, n=n).has(part) for number in range(1, n + 1)) == 1


@pytest.mark.parametrize("text", ["0/3", "4/3", "1/0"])
def test_a_share_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"shard: given '{text}', expected K/N, K from 1 to N"):
        Shard.parse(text)


@pytest.mark.parametrize("text", ["", "3", "a/b", "1/2/3", "-1/2"])
def test_a_text_that_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"expected K/N, e\.g\. 3/16"):
        Shard.parse(text)


def test_parts_with_other_photos_have_another_hash(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "ab.jpg"):
        (tmp_path / name).touch()
    parts = list(split_into_parts(open_photo_list(tmp_path), part_size=1, ending=".csv"))
    assert len({part.photos_sha256 for part in parts}) == 3
