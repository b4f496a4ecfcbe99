"""Splitting a table: what is given stays, the rest is drawn, and all of it can be kept in a file.

In:  tables drawn here, with given parts, without, and with some.
Out: what ``manylabel.data.split`` makes of them.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manylabel.config import SplitConfig
from manylabel.data.split import find_lost_parts, make_split, read_split, write_split
from manylabel.errors import ConfigError, OutputError, PhotoError, TableError
from manylabel.types import IntArray, LabelTable, Part, Split

LABELS = ("lake", "boat", "tree")


def draw_table(n_photos: int, *, parts: dict[int, Part] | None = None, seed: int = 0) -> LabelTable:
    """Draw a table in which every label is present on some, absent on some and unknown on some photos."""
    generator = np.random.default_rng(seed)
    targets = (generator.random((n_photos, len(LABELS))) < (0.5, 0.3, 0.1)).astype(float)
    targets[generator.random(targets.shape) < 0.05] = np.nan
    names = tuple(f"trip/{number:03}.jpg" for number in range(n_photos))
    return LabelTable(
        photos=tuple(Path("photos", name) for name in names),
        names=names,
        labels=LABELS,
        targets=targets,
        parts=tuple((parts or {}).get(row) for row in range(n_photos)),
        source="labels.csv as delimited CSV",
    )


def give_parts(n_train: int, n_val: int, n_test: int) -> LabelTable:
    """Return a table whose parts lie in turn, so that rows of a part are no block."""
    left: dict[Part, int] = {"test": n_test, "train": n_train, "val": n_val}
    parts: dict[int, Part] = {}
    while any(left.values()):
        for part in left:
            if left[part]:
                parts[len(parts)] = part
                left[part] -= 1
    return draw_table(len(parts), parts=parts)


def split_of(
    table: LabelTable,
    *,
    seed: int = 0,
    carve_val: bool = False,
    test_fraction: float = 0.2,
    folds: int | None = None,
    val_fraction: float = 0.15,
) -> Split:
    config = SplitConfig(test_fraction=test_fraction, folds=folds, val_fraction=val_fraction)
    return make_split(table, config=config, rng=np.random.default_rng(seed), carve_val=carve_val)


def rows_of(table: LabelTable, part: Part) -> list[int]:
    return [row for row, given_part in enumerate(table.parts) if given_part == part]


# --- nothing given


def test_a_share_of_the_photos_is_held_out() -> None:
    split = split_of(draw_table(200), test_fraction=0.2)
    assert (len(split.train), len(split.val), len(split.test), split.folds) == (160, 0, 40, ())
    assert split.origin == "40 of 200 photos held out for the test, stratified by label"


def test_folds_cover_every_photo_and_leave_no_test() -> None:
    split = split_of(draw_table(53), folds=5)
    assert split.train.tolist() == list(range(53))
    assert (len(split.val), len(split.test)) == (0, 0)
    assert [len(fold) for fold in split.folds] == [11, 11, 11, 10, 10]
    assert split.origin == "5 folds of 53 photos, stratified by label"


def test_validation_photos_are_set_aside_only_where_asked_for() -> None:
    split = split_of(draw_table(200), carve_val=True, val_fraction=0.25)
    assert (len(split.train), len(split.val), len(split.test)) == (120, 40, 40)
    assert split.origin == (
        "40 of 200 photos held out for the test, stratified by label; "
        "40 of 160 for validation, stratified by label"
    )


def test_setting_validation_photos_aside_does_not_change_the_test_photos() -> None:
    table = draw_table(100)
    without, carved = split_of(table), split_of(table, carve_val=True)
    assert without.test.tolist() == carved.test.tolist()
    assert sorted([*carved.train.tolist(), *carved.val.tolist()]) == without.train.tolist()


def test_with_folds_no_validation_photos_are_set_aside() -> None:
    split = split_of(draw_table(40), folds=4, carve_val=True)
    assert len(split.val) == 0
    assert len(split.train) == 40


def test_the_seed_decides() -> None:
    table = draw_table(100)
    assert split_of(table, seed=1).test.tolist() == split_of(table, seed=1).test.tolist()
    assert split_of(table, seed=1).test.tolist() != split_of(table, seed=2).test.tolist()


def test_the_shares_of_labels_are_kept() -> None:
    table = draw_table(200)
    test = split_of(table).test
    expected = np.nansum(table.targets, axis=0) * 0.2
    np.testing.assert_allclose(np.nansum(table.targets[test], axis=0), expected, atol=1.5)


# --- something given


def test_given_parts_stay_as_they_are() -> None:
    table = give_parts(20, 5, 10)
    split = split_of(table)
    assert split.train.tolist() == rows_of(table, "train")
    assert split.val.tolist() == rows_of(table, "val")
    assert split.test.tolist() == rows_of(table, "test")
    assert split.origin == "given in labels.csv as delimited CSV"


def test_given_validation_photos_are_not_replaced() -> None:
    table = give_parts(20, 5, 10)
    assert split_of(table, carve_val=True).val.tolist() == rows_of(table, "val")


def test_validation_photos_are_set_aside_from_given_training_photos() -> None:
    table = give_parts(20, 0, 10)
    split = split_of(table, carve_val=True, val_fraction=0.25)
    assert split.test.tolist() == rows_of(table, "test")
    assert len(split.val) == 5
    assert set(split.val.tolist()) < set(rows_of(table, "train"))
    assert split.origin.startswith("given in labels.csv as delimited CSV; 5 of 20 for validation")


def test_a_given_split_without_test_photos_is_held_out_from_its_training_photos() -> None:
    table = give_parts(30, 10, 0)
    split = split_of(table, test_fraction=0.3)
    assert split.val.tolist() == rows_of(table, "val")
    assert len(split.test) == 9
    assert sorted([*split.train.tolist(), *split.test.tolist()]) == rows_of(table, "train")


def test_folds_divide_the_training_photos_and_leave_given_test_photos_alone() -> None:
    table = give_parts(21, 4, 10)
    split = split_of(table, folds=5)
    assert split.test.tolist() == rows_of(table, "test")
    assert split.val.tolist() == rows_of(table, "val")
    assert sorted(np.concatenate(split.folds).tolist()) == rows_of(table, "train")


def test_photos_without_a_part_among_others_are_all_named() -> None:
    table = draw_table(5, parts={0: "train", 1: "test", 3: "val"})
    with pytest.raises(TableError) as caught:
        split_of(table)
    assert caught.value.problems == (
        "labels.csv as delimited CSV: 2 of 5 photos have no part of the split; give them train, val or test "
        "like the others, or give none to any; without: trip/002.jpg, trip/004.jpg",
    )


def test_a_given_split_without_training_photos_is_an_error() -> None:
    with pytest.raises(TableError, match="the given split has no photo to train on; mark some with train"):
        split_of(give_parts(0, 2, 8))


# --- groups


def test_copies_stay_on_one_side_and_the_origin_says_so() -> None:
    table, groups = draw_table(60), np.arange(60) // 3
    config = SplitConfig(test_fraction=0.2)
    split = make_split(table, config=config, rng=np.random.default_rng(0), carve_val=True, groups=groups)
    parts = (split.train, split.val, split.test)
    assert sum(len(np.unique(groups[rows])) for rows in parts) == 20
    assert split.origin == (
        "12 of 60 photos held out for the test, stratified by label, near-duplicates kept together; "
        f"{len(split.val)} of 48 for validation, stratified by label, near-duplicates kept together"
    )


def test_copies_stay_in_one_fold() -> None:
    table, groups = draw_table(40), np.arange(40) % 15
    split = make_split(table, config=SplitConfig(folds=4), rng=np.random.default_rng(0), groups=groups)
    assert sum(len(np.unique(groups[fold])) for fold in split.folds) == 15


def test_groups_without_copies_change_nothing() -> None:
    table = draw_table(40)
    grouped = make_split(
        table, config=SplitConfig(), rng=np.random.default_rng(0), groups=np.arange(40)[::-1].copy()
    )
    assert same(grouped, split_of(table))
    assert grouped.origin == split_of(table).origin


def test_given_parts_that_cut_a_group_stay_as_they_are() -> None:
    table = give_parts(20, 5, 10)
    groups = np.zeros(35, dtype=np.int64)
    split = make_split(table, config=SplitConfig(), rng=np.random.default_rng(0), groups=groups)
    assert split.test.tolist() == rows_of(table, "test")


@pytest.mark.parametrize(
    ("config", "n_groups", "said"),
    [
        (
            SplitConfig(folds=5),
            3,
            "split.folds: 5 given, expected 2 to 3, the number of training photos that are not "
            "near-duplicates; try 3",
        ),
        (
            SplitConfig(folds=5),
            1,
            "split.folds: 5 given, but the 12 training photos are near-duplicates, which stay "
            "together; add other photos",
        ),
        (
            SplitConfig(test_fraction=0.25),
            1,
            "split.test_fraction: 0.25 given, but the 12 training photos are near-duplicates, which "
            "stay together; add other photos",
        ),
    ],
)
def test_groups_that_cannot_be_divided_are_an_error(config: SplitConfig, n_groups: int, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_split(
            draw_table(12), config=config, rng=np.random.default_rng(0), groups=np.arange(12) % n_groups
        )
    assert str(caught.value) == said


# --- settings that do not fit


@pytest.mark.parametrize(("folds", "n_photos"), [(1, 10), (0, 10), (-3, 10), (11, 10)])
def test_a_number_of_folds_that_does_not_fit_names_the_setting(folds: int, n_photos: int) -> None:
    text = f"split.folds: {folds} given, expected 2 to {n_photos}, the number of training photos; try 5"
    with pytest.raises(ConfigError, match=f"^{re.escape(text)}$"):
        split_of(draw_table(n_photos), folds=folds)


def test_folds_are_counted_against_training_photos_only() -> None:
    with pytest.raises(ConfigError, match="expected 2 to 4"):
        split_of(give_parts(4, 0, 20), folds=5)


def test_one_photo_cannot_be_folded() -> None:
    with pytest.raises(
        ConfigError, match=r"^split.folds: 2 given for 1 training photo\(s\), expected at least 2"
    ):
        split_of(draw_table(1), folds=2)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.2, 20, float("nan")])
def test_a_fraction_that_is_no_share_names_the_setting(fraction: float) -> None:
    with pytest.raises(
        ConfigError, match=f"^split.test_fraction: {fraction} given, expected a share above 0"
    ):
        split_of(draw_table(10), test_fraction=fraction)
    with pytest.raises(ConfigError, match=f"^split.val_fraction: {fraction} given, expected a share above 0"):
        split_of(draw_table(10), val_fraction=fraction, carve_val=True)


@pytest.mark.parametrize("n_photos", [0, 1])
def test_too_few_photos_to_hold_some_out_name_the_setting(n_photos: int) -> None:
    text = f"split.test_fraction: 0.2 given for {n_photos} training photo(s), expected at least 2 photos"
    with pytest.raises(ConfigError, match=re.escape(text)):
        split_of(draw_table(n_photos))


def test_too_few_photos_for_validation_name_the_setting() -> None:
    with pytest.raises(
        ConfigError, match=re.escape("split.val_fraction: 0.15 given for 1 training photo(s)")
    ):
        split_of(draw_table(2), test_fraction=0.5, carve_val=True)


@settings(deadline=None, max_examples=40)
@given(
    n_photos=st.integers(4, 60),
    fraction=st.floats(0.01, 0.45),
    folds=st.none() | st.integers(2, 4),
    seed=st.integers(0, 1000),
)
def test_every_photo_is_used_once(n_photos: int, fraction: float, folds: int | None, seed: int) -> None:
    table = draw_table(n_photos, seed=seed)
    for carve_val in (False, True):
        split = split_of(table, seed=seed, test_fraction=fraction, folds=folds, carve_val=carve_val)
        rows = [*split.train.tolist(), *split.val.tolist(), *split.test.tolist()]
        assert sorted(rows) == list(range(n_photos))
        assert split.train.tolist() == sorted(split.train.tolist())
        assert len(split.folds) == (0 if folds is None else folds)


# --- the file


def same(first: Split, second: Split) -> bool:
    """Tell whether two splits hold the same rows."""

    def rows(split: Split) -> list[IntArray]:
        return [split.train, split.val, split.test, *split.folds]

    pairs = list(zip(rows(first), rows(second), strict=False))
    return len(first.folds) == len(second.folds) and all(np.array_equal(one, two) for one, two in pairs)


def write_lines(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def problems_of(path: Path, table: LabelTable) -> list[str]:
    with pytest.raises(TableError) as caught:
        read_split(path, table)
    return [problem.removeprefix(str(path)) for problem in caught.value.problems]


@pytest.mark.parametrize("folds", [None, 3])
@pytest.mark.parametrize("counts", [(12, 4, 5), (12, 0, 0)])
def test_a_split_comes_back_from_its_file(
    tmp_path: Path, folds: int | None, counts: tuple[int, int, int]
) -> None:
    table = give_parts(*counts)
    split = split_of(table, folds=folds)
    write_split(tmp_path / "split.csv", table, split)
    back = read_split(tmp_path / "split.csv", table)
    assert same(back, split)
    assert back.origin == "read from split.csv"


def test_a_file_from_a_spreadsheet_with_its_lines_in_any_order_is_read(tmp_path: Path) -> None:
    table = draw_table(12)
    split = split_of(table, folds=3)
    path = tmp_path / "split.csv"
    write_split(path, table, split)
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    path.write_bytes("\r\n".join([header, *lines[::-1]]).encode("utf-8-sig"))
    assert same(read_split(path, table), split)


def test_the_file_has_one_line_per_photo_with_part_and_fold(tmp_path: Path) -> None:
    table = draw_table(5)
    split = Split(
        train=np.array([0, 2]), val=np.array([1]), test=np.array([4]), folds=(np.array([2]), np.array([0]))
    )
    write_split(tmp_path / "split.csv", table, split)
    assert (tmp_path / "split.csv").read_bytes().decode() == (
        "image,part,fold,n_known\n"
        "trip/000.jpg,train,1,3\n"
        "trip/001.jpg,val,,2\n"
        "trip/002.jpg,train,0,3\n"
        "trip/003.jpg,,,3\n"
        "trip/004.jpg,test,,3\n"
    )
    assert same(read_split(tmp_path / "split.csv", table), split)


def test_names_with_commas_quotes_line_breaks_and_odd_bytes_survive(tmp_path: Path) -> None:
    names = ("a,b.jpg", 'say "hi".jpg', "two\nlines.jpg", "hồ.jpg", "bad\udcff.jpg")
    plain = draw_table(len(names))
    table = LabelTable(
        photos=plain.photos,
        names=names,
        labels=plain.labels,
        targets=plain.targets,
        parts=plain.parts,
        source="labels.csv",
    )
    split = split_of(table)
    write_split(tmp_path / "split.csv", table, split)
    assert same(read_split(tmp_path / "split.csv", table), split)


def test_writing_replaces_the_old_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    table = draw_table(10)
    path = tmp_path / "new folder" / "split.csv"
    write_split(path, table, split_of(table, seed=1))
    write_split(path, table, split_of(table, seed=2))
    assert same(read_split(path, table), split_of(table, seed=2))
    assert list(path.parent.iterdir()) == [path]


def test_a_place_that_cannot_be_written_to_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    table = draw_table(10)
    with pytest.raises(OutputError, match=r"split\.csv: cannot be written: "):
        write_split(tmp_path / "file" / "split.csv", table, split_of(table))


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    assert problems_of(tmp_path / "split.csv", draw_table(2)) == [
        ": cannot be read: No such file or directory"
    ]


def test_a_file_that_is_no_csv_is_an_error(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "split.csv", "image,part,fold", '"' + "x" * (2**24 + 1))
    assert problems_of(path, draw_table(2))[0].startswith(": cannot be read: field larger than")


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "split.csv", "image,split")
    assert problems_of(path, draw_table(2)) == [": no column part, fold; expected image, part, fold"]


def test_an_empty_file_is_an_error(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "split.csv")
    assert problems_of(path, draw_table(2)) == [": no column image, part, fold; expected image, part, fold"]


def test_every_problem_is_told_with_its_line(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "split.csv",
        "image,part,fold",
        "trip/000.jpg,train,",
        "trip/000.jpg,test,",
        "trip/001.jpg,tset,",
        "trip/002.jpg,test,0",
        "trip/003.jpg,train,one",
        "trip/004.jpg,train,99999999999999999999",
        "other.jpg,train,",
        "trip/005.jpg",
    )
    assert problems_of(path, draw_table(7)) == [
        ", line 3: photo 'trip/000.jpg' has a line already",
        ", line 4: unknown part 'tset'; expected train, val, test; did you mean 'test'?",
        ", line 5: fold '0' of part 'test'; expected 0, 1, ... with train, else nothing",
        ", line 6: fold 'one' of part 'train'; expected 0, 1, ... with train, else nothing",
        ", line 7: fold '99999999999999999999' of part 'train'; expected 0, 1, ... with train, else nothing",
        ", line 8: photo 'other.jpg' is not in the table of labels",
        ": no line for photo 'trip/006.jpg'",
    ]


@pytest.mark.parametrize(
    ("folds", "said"),
    [
        (
            ("0", "1", "", "0"),
            ": 3 of 4 training photos are in the folds [0, 1]; expected each of them in one fold",
        ),
        (
            ("0", "2", "2", "0"),
            ": 4 of 4 training photos are in the folds [0, 2]; expected each of them in one fold",
        ),
    ],
)
def test_folds_that_leave_a_photo_or_a_number_out_are_an_error(
    tmp_path: Path, folds: tuple[str, ...], said: str
) -> None:
    table = draw_table(4)
    lines = [f"{name},train,{fold}" for name, fold in zip(table.names, folds, strict=True)]
    path = write_lines(tmp_path / "split.csv", "image,part,fold", *lines)
    (problem,) = problems_of(path, table)
    assert problem.startswith(said)


def lose(table: LabelTable, *rows: int) -> list[PhotoError]:
    return [PhotoError(table.photos[row], "the file is empty") for row in rows]


def test_a_given_part_of_which_no_photo_can_be_read_is_told() -> None:
    table = draw_table(6, parts={0: "train", 1: "test", 2: "train", 3: "test", 4: "train", 5: "val"})
    assert find_lost_parts(table, lose(table, 1, 3, 0)) == [
        "labels.csv as delimited CSV: all 2 photos of the given part 'test' cannot be read: "
        "trip/001.jpg: the file is empty; trip/003.jpg: the file is empty; repair or replace them, or mark "
        "other photos with test"
    ]


def test_parts_of_which_some_photos_can_be_read_are_not_lost() -> None:
    table = give_parts(4, 2, 2)
    assert find_lost_parts(table, lose(table, 0, 1)) == []
    assert find_lost_parts(draw_table(3), lose(table, 0, 1, 2)) == []


def test_of_many_unreadable_photos_of_a_part_five_are_named() -> None:
    table = draw_table(10, parts={row: "test" if row < 8 else "train" for row in range(10)})
    [problem] = find_lost_parts(table, lose(table, *range(8)))
    assert problem.count("the file is empty") == 5
    assert "; and 3 more; repair" in problem
