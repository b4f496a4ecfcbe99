"""What a check says of photos and labels, and what it keeps quiet about.

In:  tables drawn here, with groups of near-duplicates, sizes, failures and splits.
Out: what ``manylabel.data.check`` finds.
"""

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from manylabel.config import DataConfig, SplitConfig
from manylabel.constraints import parse_constraints
from manylabel.data.check import Check, Finding, as_dict, check, check_table, to_rows
from manylabel.data.checks.finding import SeenPhotos
from manylabel.data.checks.relations import holm, log_choose, proportions_differ
from manylabel.data.duplicates import DuplicateGroups, DuplicatePair
from manylabel.errors import PhotoError
from manylabel.types import FloatArray, IntArray, LabelTable, Part, Split

NOBODY: IntArray = np.zeros(0, dtype=np.int64)


def make_table(targets: FloatArray, labels: tuple[str, ...] | None = None) -> LabelTable:
    n_photos, n_labels = targets.shape
    names = tuple(f"{row}.jpg" for row in range(n_photos))
    return LabelTable(
        photos=tuple(map(Path, names)),
        names=names,
        labels=labels or tuple(f"label {column}" for column in range(n_labels)),
        targets=targets,
        parts=(None,) * n_photos,
        source="labels.csv",
    )


def draw_targets(n_photos: int = 160, n_labels: int = 3, *, share: float = 0.4) -> FloatArray:
    """Draw independent labels, at least one on every photo."""
    generator = np.random.default_rng(0)
    targets = (generator.random((n_photos, n_labels)) < share).astype(float)
    targets[targets.sum(axis=1) == 0, 0] = 1
    return targets


def rare(n_positives: int, n_photos: int = 160) -> FloatArray:
    column = np.zeros((n_photos, 1))
    column[:n_positives] = 1
    return column


def beside(*columns: FloatArray) -> FloatArray:
    return np.hstack(columns)


def halves(n_photos: int, n_test: int) -> Split:
    rows = np.arange(n_photos)
    return Split(train=rows[n_test:], val=NOBODY, test=rows[:n_test])


def groups_of(*rows: tuple[int, ...], n_photos: int, kind: str = "exact") -> DuplicateGroups:
    first = np.arange(n_photos)
    for group in rows:
        first[list(group)] = group[0]
    pairs = tuple(
        DuplicatePair(first=group[0], second=row, kind=kind, correlation=1.0)  # type: ignore[arg-type]
        for group in rows
        for row in group[1:]
    )
    return DuplicateGroups(groups=np.unique(first, return_inverse=True)[1].astype(np.int64), pairs=pairs)


def seen(
    *,
    duplicates: DuplicateGroups | None = None,
    sizes_px: IntArray | None = None,
    failures: Sequence[PhotoError] = (),
) -> SeenPhotos:
    """Say what 160 photos tell: nothing odd but what is given."""
    return SeenPhotos(
        duplicates=groups_of(n_photos=160) if duplicates is None else duplicates,
        sizes_px=np.full((160, 2), 300) if sizes_px is None else sizes_px,
        side_px=224,
        failures=tuple(failures),
    )


def found(check: Check, kind: str) -> list[Finding]:
    return [finding for finding in check.findings if finding.kind == kind]


def the(check: Check, kind: str) -> Finding:
    (finding,) = found(check, kind)
    return finding


def test_nothing_is_said_of_a_table_without_trouble() -> None:
    assert check_table(make_table(draw_targets())).findings == ()


# --- how many of each label


def test_a_rare_label_is_told_with_its_count_and_what_would_help() -> None:
    finding = the(check_table(make_table(rare(3), ("boat",))), "few_positives")
    assert finding.level == "warning"
    assert finding.text == (
        "label 'boat': 3 photos with this label, of 160: its threshold and measured quality (AP) can't be "
        "trusted; about 10 more would help"
    )
    assert finding.labels == (0,)


def test_a_label_with_some_positives_is_only_noted() -> None:
    finding = the(check_table(make_table(rare(8), ("boat",))), "few_positives")
    assert finding.level == "note"
    assert finding.text.endswith(
        "8 photos with this label, of 160: its threshold and measured quality (AP) are rough; about 5 more "
        "would help"
    )


def test_with_a_split_training_and_test_photos_are_counted_apart() -> None:
    targets = beside(draw_targets(), np.roll(rare(10), -3, axis=0))  # 3 at the end, 7 at the beginning
    check = check_table(make_table(targets), split=halves(160, 40))
    assert the(check, "few_positives").text == (
        "label 'label 3': 3 training photos with this label, of 120: its threshold can't be trusted; about "
        "10 more would help"
    )
    assert the(check, "few_test_positives").text == (
        "label 'label 3': 7 test photos with this label, of 40: its measured quality (AP) is rough; about 15 "
        "more would help, or --folds 5"
    )
    given = replace(make_table(targets), parts=("train",) * 120 + ("test",) * 40)
    assert the(check_table(given, split=halves(160, 40)), "few_test_positives").text.endswith(
        "its measured quality (AP) is rough; about 5 more would help"
    )


def test_ten_positives_are_enough_to_be_quiet() -> None:
    assert found(check_table(make_table(rare(10))), "few_positives") == []


def test_few_negatives_are_told_too() -> None:
    finding = the(check_table(make_table(1 - rare(2), ("sky",))), "few_negatives")
    assert finding.text.startswith("label 'sky': 2 photos without this label, of 160")


def test_many_rare_labels_share_a_sentence() -> None:
    targets = beside(draw_targets(), *(rare(1 + number % 4) for number in range(12)))
    finding = the(check_table(make_table(targets)), "few_positives")
    assert finding.text == (
        "12 labels have fewer than 5 photos with the label; the threshold and measured quality (AP) of each "
        "can't be trusted: "
        "'label 3', 'label 7', 'label 11', 'label 4', 'label 8' and 7 more"
    )
    assert len(finding.labels) == 12


def test_findings_are_a_frame_lines_and_a_table() -> None:
    found = Check(findings=(Finding(level="note", kind="one_label", text="label '<b>'", photos=(1,)),))
    assert len(found) == 1
    assert repr(found) == "Check(1 finding)\nnote: label '<b>'"
    assert found.to_frame().to_dict("records") == [
        {"level": "note", "kind": "one_label", "text": "label '<b>'"}
    ]
    assert "<td>label &#x27;&lt;b&gt;&#x27;</td>" in found._repr_html_()
    assert found.move_rows([0, 5]).findings[0].photos == (5,)


def test_unknown_cells_do_not_count_as_photos_of_a_label() -> None:
    column = rare(3)
    column[20:] = np.nan
    finding = the(check_table(make_table(beside(draw_targets(), column))), "few_positives")
    assert "3 photos with this label, of 20:" in finding.text


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        (
            0.0,
            "never_present",
            "label 'x': on none of 160 photos: it can't be learned; add photos that show it",
        ),
        (
            1.0,
            "always_present",
            "label 'x': on all of 160 photos: it can't be learned; add photos without it",
        ),
        (
            np.nan,
            "only_unknown",
            "label 'x': unknown on every photo: it can't be learned; fill it in or leave it out",
        ),
    ],
)
def test_a_label_that_does_not_vary_is_told(value: float, kind: str, said: str) -> None:
    table = make_table(beside(draw_targets(n_labels=2)[:, 1:], np.full((160, 1), value)), ("tree", "x"))
    check = check_table(table)
    assert the(check, kind).text == said
    assert found(check, "few_positives") == found(check, "few_negatives") == []


@pytest.mark.parametrize(("n_known", "n_photos"), [(0, 0), (0, 5), (1, 1), (1, 5)])
def test_fewer_than_two_photos_to_train_on_are_an_error(n_known: int, n_photos: int) -> None:
    targets = np.full((n_photos, 2), np.nan)
    targets[:n_known] = 1
    finding = the(check_table(make_table(targets)), "too_few_photos")
    assert finding.level == "error"
    assert finding.text.endswith("nothing can be learned from fewer than 2; about 100 are a good start")


def test_three_photos_to_train_on_are_a_warning_that_says_what_cannot_be_learned() -> None:
    check = check_table(make_table(draw_targets(40)), split=halves(40, 37))
    assert the(check, "too_few_photos").level == "warning"
    assert the(check, "too_few_photos").text == (
        "3 photos with a known label to train on: a model can only memorize them; thresholds, folds "
        "and metrics mean little with fewer than 20, and about 100 are a good start"
    )


def test_what_training_refuses_is_an_error_beside_what_the_photos_tell(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name in "abcd":
        pixels = generator.integers(256, size=(40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((160, 160)).save(tmp_path / f"{name}.png")
    shutil.copy(tmp_path / "a.png", tmp_path / "e.png")
    labels = "image,sea,moon,fog\n" + "".join(f"{name}.png,{int(name in 'ac')},0,\n" for name in "abcde")
    (tmp_path / "labels.csv").write_text(labels)
    # Said to be one-hot, as a blank column would else be taken for remarks that nobody made.
    checked = check(tmp_path, tmp_path / "labels.csv", form=DataConfig(format="one-hot")).check
    unknown, absent = found(checked, "refused_label")
    assert [unknown, absent] == [*checked.findings[:2]]
    assert unknown.level == absent.level == "error"
    assert unknown.text.startswith("label 'fog': unknown on every photo, so training would stop; fill it in")
    assert absent.text.startswith("label 'moon': no photo carries it, so training would stop")
    assert not found(checked, "never_present")
    assert not found(checked, "only_unknown")
    assert the(checked, "exact_copies").photos == (0, 4)


def test_copies_that_cannot_be_split_are_an_error_as_in_training(tmp_path: Path) -> None:
    for name in "ab":
        Image.new("RGB", (160, 160), "red").save(tmp_path / f"{name}.png")
    (tmp_path / "labels.csv").write_text("image,sea\na.png,1\nb.png,0\n")
    problem = the(check(tmp_path, tmp_path / "labels.csv").check, "no_split")
    assert problem.level == "error"
    assert problem.text.endswith("training would stop")


def test_test_photos_none_of_which_can_be_read_are_not_drawn_anew(tmp_path: Path) -> None:
    for number in range(12):
        Image.new("RGB", (300, 300), (20 * number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "3.png").write_bytes(b"")
    lines = [
        f"{number}.png,{'sky' * (number % 2)},{'test' if number == 3 else 'train'}" for number in range(12)
    ]
    (tmp_path / "labels.csv").write_text("\n".join(["image,labels,split", *lines]))
    checked = check(tmp_path, tmp_path / "labels.csv").check
    problem = the(checked, "no_split")
    assert problem.level == "error"
    assert "the only photo of the given part 'test' cannot be read: 3.png: the file is empty" in problem.text
    assert found(checked, "drawn_test") == []


def test_a_check_splits_as_it_is_told(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    lines = ["image,sea"]
    for number in range(10):
        pixels = generator.integers(256, size=(40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((160, 160)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,{number % 2}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    drawn, crossed = (
        check(tmp_path, tmp_path / "labels.csv", split=split).check for split in (None, SplitConfig(folds=5))
    )
    assert any("test photo" in finding.text for finding in drawn.findings)
    assert not any("test photo" in finding.text for finding in crossed.findings)


def test_test_photos_that_were_drawn_among_given_training_photos_are_told() -> None:
    table = make_table(draw_targets())
    parts: tuple[Part, ...] = tuple("train" for _ in table.names)
    given = replace(table, parts=parts)
    n_test = table.n_photos // 5
    finding = the(check_table(given, split=halves(table.n_photos, n_test)), "drawn_test")
    assert finding.text.startswith(f"the table names no test photo, so {n_test} of its training photos")
    assert not found(check_table(table, split=halves(table.n_photos, n_test)), "drawn_test")


def test_a_table_that_never_says_absent_is_an_error(tmp_path: Path) -> None:
    for name in "ab":
        Image.new("RGB", (160, 160), "red" if name == "a" else "blue").save(tmp_path / f"{name}.png")
    (tmp_path / "labels.csv").write_text("image,sea,moon\na.png,1,\nb.png,,1\n")
    checked = check(tmp_path, tmp_path / "labels.csv", form=DataConfig(blank="unknown"))
    finding = the(checked.check, "never_absent")
    assert finding.level == "error"
    assert "write 0 for absent" in finding.text


def test_one_label_is_fine_and_noted() -> None:
    finding = the(check_table(make_table(draw_targets(n_labels=1) * rare(80), ("boat",))), "one_label")
    assert (finding.level, finding.labels) == ("note", (0,))


def test_a_label_without_positives_in_a_part_is_told() -> None:
    targets = beside(draw_targets(), rare(12), rare(160) - rare(148))
    check = check_table(make_table(targets), split=halves(160, 40))
    assert the(check, "not_in_training").text == (
        "label 'label 3': 12 photos with this label, none of them among the training photos: it can't be "
        "learned"
    )
    assert the(check, "not_in_test").labels == (4,)
    assert the(check, "not_in_test").text.endswith(
        "none of them among the test photos: it can't be evaluated"
    )


# --- cells


def test_photos_of_which_nothing_is_known_are_a_warning() -> None:
    targets = draw_targets()
    targets[[4, 9]] = np.nan
    check = check_table(make_table(targets))
    assert the(check, "unknown_photos").photos == (4, 9)
    assert the(check, "unknown_photos").level == "warning"
    assert the(check, "unknown_cells").text.startswith("1.2% of the cells are unknown")


def test_photos_without_labels_are_noted_and_not_called_unknown() -> None:
    targets = draw_targets()
    targets[7] = 0
    check = check_table(make_table(targets))
    assert the(check, "no_label").text == (
        "1 photo without labels, read as 'none applies' and not as unknown: '7.jpg'"
    )
    assert found(check, "unknown_photos") == []


# --- labels that depend on each other


def test_labels_on_the_same_photos_are_told_once_per_set() -> None:
    targets = draw_targets(n_labels=2)
    table = make_table(beside(targets, targets[:, :1], targets[:, :1]), ("a", "b", "c", "d"))
    finding = the(check_table(table), "same_photos")
    n_photos = int(targets[:, 0].sum())
    assert finding.text == (
        f"labels on exactly the same photos can't be told apart: 'a', 'c', 'd' ({n_photos} photos)"
    )
    assert finding.labels == (0, 2, 3)


def test_two_rare_labels_on_one_photo_are_no_pair() -> None:
    targets = beside(draw_targets(), rare(1), rare(1))
    assert found(check_table(make_table(targets)), "same_photos") == []


def test_a_label_that_never_comes_without_another_is_noted() -> None:
    lake = draw_targets(n_labels=2, share=0.3)[:, 1:]
    boat = lake * (np.arange(160)[:, None] % 3 == 0)
    finding = the(check_table(make_table(beside(boat, lake), ("boat", "lake"))), "never_without")
    assert finding.text == (
        f"labels that never occur without another: 'boat' never without 'lake' ({int(boat.sum())} photos)"
    )


def test_a_label_beside_one_that_is_nearly_everywhere_is_no_surprise() -> None:
    targets = beside(rare(20), 1 - np.roll(rare(6), -6, axis=0))
    assert found(check_table(make_table(targets)), "never_without") == []


def test_labels_that_avoid_each_other_more_than_by_chance_are_noted() -> None:
    day = draw_targets(n_labels=2)[:, 1:]
    assert the(check_table(make_table(beside(day, 1 - day), ("day", "night"))), "never_together").text == (
        "labels that never occur together, though by chance some photos would have both: 'day' and 'night'"
    )


def test_rare_labels_that_never_met_are_no_surprise() -> None:
    targets = beside(rare(10), np.roll(rare(10), 30, axis=0))
    assert found(check_table(make_table(targets)), "never_together") == []


def test_independent_labels_are_hardly_ever_called_dependent() -> None:
    generator = np.random.default_rng(0)
    n_alarms = 0
    for _ in range(100):
        targets = (generator.random((100, 10)) < generator.uniform(0.02, 0.98, 10)).astype(float)
        check = check_table(make_table(targets))
        n_alarms += bool(found(check, "never_without") or found(check, "never_together"))
    # Each of the two is wrong in at most 5 of 100 tables.
    assert n_alarms <= 15


# --- copies


def test_copies_across_a_split_are_a_leak() -> None:
    copies = groups_of((0, 100), (50, 120), n_photos=160)
    finding = the(
        check_table(make_table(draw_targets()), seen=seen(duplicates=copies), split=halves(160, 40)), "leak"
    )
    assert finding.level == "warning"
    assert finding.photos == (0,)
    assert finding.text == (
        "near-duplicates of training photos among the test photos (1 of 40), so scores look better than they "
        "are; keep near-duplicates in one part: '0.jpg'"
    )


def test_copies_across_folds_are_a_leak() -> None:
    rows = np.arange(160)
    split = Split(train=rows, val=NOBODY, test=NOBODY, folds=(rows[:80], rows[80:]))
    copies = groups_of((0, 100), (1, 2), n_photos=160)
    assert the(
        check_table(make_table(draw_targets()), seen=seen(duplicates=copies), split=split), "leak"
    ).photos == (
        0,
        100,
    )


def test_copies_in_one_part_are_no_leak() -> None:
    copies = groups_of((0, 1), (50, 120), n_photos=160)
    check = check_table(make_table(draw_targets()), seen=seen(duplicates=copies), split=halves(160, 40))
    assert found(check, "leak") == []
    assert the(check, "exact_copies").photos == (0, 1, 50, 120)


def test_copies_with_different_labels_are_told_by_cell() -> None:
    targets = draw_targets()
    targets[3], targets[8] = (1, 0, np.nan), (1, 1, 1)
    copies = groups_of((3, 8), n_photos=160, kind="near")
    check = check_table(make_table(targets, ("sea", "boat", "sun")), seen=seen(duplicates=copies))
    finding = the(check, "copies_differ")
    assert (
        finding.text
        == "near-duplicates with different labels, so one may be wrong: '3.jpg', '8.jpg' in 'boat'"
    )
    assert finding.cells == ((3, 1), (8, 1))
    assert (finding.photos, finding.labels) == ((3, 8), (1,))


def test_what_is_unknown_contradicts_nothing() -> None:
    targets = draw_targets()
    targets[3], targets[8] = (1, np.nan, 0), (1, 1, 0)
    copies = groups_of((3, 8), n_photos=160)
    assert found(check_table(make_table(targets), seen=seen(duplicates=copies)), "copies_differ") == []


def test_mirrored_copies_are_said_to_be_mirrored() -> None:
    targets = draw_targets()
    targets[1] = targets[0]
    copies = groups_of((0, 1), n_photos=160, kind="mirrored")
    finding = the(check_table(make_table(targets), seen=seen(duplicates=copies)), "near_copies")
    assert finding.level == "note"
    assert finding.text == (
        "2 photos with nearly the same picture as another photo, 1 pair of them mirrored: '0.jpg = 1.jpg'"
    )


def test_groups_of_another_table_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="groups are given for 3 photos, expected 160"):
        check_table(make_table(draw_targets()), seen=seen(duplicates=groups_of(n_photos=3)))


# --- sizes and failures


def test_small_and_long_photos_are_told() -> None:
    sizes = np.full((160, 2), 300)
    sizes[2], sizes[5] = (300, 90), (1200, 300)
    check = check_table(make_table(draw_targets()), seen=seen(sizes_px=sizes))
    assert the(check, "small").photos == (2,)
    assert the(check, "elongated").photos == (2, 5)
    assert the(check, "small").text == (
        "1 photo with a side below half of the 224 pixels that the model sees, so blurred: '2.jpg'"
    )


def test_photos_of_wildly_different_size_are_noted() -> None:
    sizes = np.full((160, 2), 300)
    sizes[9] = 4000, 3000
    finding = the(check_table(make_table(draw_targets()), seen=seen(sizes_px=sizes)), "sizes_differ")
    assert finding.level == "note"
    assert "from 300 x 300 pixels ('0.jpg') to 4000 x 3000 pixels ('9.jpg')" in finding.text


def test_sizes_of_another_table_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match=r"sizes have shape \(3, 2\), expected \(160, 2\)"):
        check_table(make_table(draw_targets()), seen=seen(sizes_px=np.ones((3, 2), dtype=np.int64)))


def test_photos_that_cannot_be_read_are_named_with_the_reason() -> None:
    failures = [PhotoError(Path("photos/bad.jpg"), "the file is empty")]
    finding = the(check_table(make_table(draw_targets()), seen=seen(failures=failures)), "unreadable")
    assert finding.text == "1 photo left out because reading failed: 'bad.jpg: the file is empty'"


# --- constraints


def test_photos_that_break_a_rule_are_named_with_the_rule_and_the_cells() -> None:
    targets = np.array([[1.0, 0.0, 1.0], [1.0, np.nan, 1.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]] * 40)
    table = make_table(targets[:, :2], ("boat", "water"))
    constraints = parse_constraints(implies=("boat -> water",), labels=table.labels)
    finding = the(check_table(table, constraints=constraints), "constraint_broken")
    assert finding.level == "warning"
    assert finding.text == (
        "constraint 'boat -> water': broken by the labels of 40 photos: "
        "'0.jpg', '4.jpg', '8.jpg', '12.jpg', '16.jpg' and 35 more"
    )
    assert finding.photos == tuple(range(0, 160, 4))
    assert finding.cells[:2] == ((0, 0), (0, 1))
    assert finding.labels == (0, 1)


def test_an_unknown_cell_breaks_no_constraint() -> None:
    targets = draw_targets(n_labels=2)
    targets[:, 1] = np.nan
    table = make_table(targets, ("boat", "water"))
    constraints = parse_constraints(implies=("boat -> water",), labels=table.labels)
    assert found(check_table(table, constraints=constraints), "constraint_broken") == []


def test_many_broken_rules_share_a_sentence() -> None:
    targets = np.ones((160, 9))
    targets[:100] = 0
    table = make_table(targets, tuple("abcdefghi"))
    constraints = parse_constraints(exclusive=[f"a | {name}" for name in "bcdefghi"], labels=table.labels)
    findings = found(check_table(table, constraints=constraints), "constraint_broken")
    assert len(findings) == 6
    assert findings[-1].text.startswith(
        "3 more constraints ('a | g', 'a | h', 'a | i'): broken by the labels of 60 photos"
    )
    assert len(findings[-1].photos) == 60


def test_without_rules_none_is_broken() -> None:
    table = make_table(draw_targets(), ("a", "b", "c"))
    assert check_table(table, constraints=parse_constraints(labels=table.labels)) == check_table(table)


# --- shift


def test_a_label_that_is_far_more_frequent_in_the_test_is_told() -> None:
    targets = draw_targets(200)
    targets[:40, 1], targets[40:, 1] = np.arange(40) < 30, np.arange(160) < 40
    finding = the(check_table(make_table(targets), split=halves(200, 40)), "label_shift")
    assert finding.labels == (1,)
    assert finding.text.startswith(
        "label 'label 1': on 25% of the training photos but 75% of the test photos"
    )


def test_a_split_by_chance_is_hardly_ever_called_shifted() -> None:
    generator = np.random.default_rng(0)
    n_alarms = 0
    for _ in range(100):
        targets = (generator.random((100, 10)) < generator.uniform(0.05, 0.9, 10)).astype(float)
        n_alarms += bool(found(check_table(make_table(targets), split=halves(100, 30)), "label_shift"))
    # At most 5 of 100 are expected; 12 or more would come up once in 200 such tests.
    assert n_alarms < 12


@given(st.tuples(st.integers(0, 30), st.integers(0, 30)), st.data())
def test_the_test_of_two_proportions_equals_that_of_scipy(
    sizes: tuple[int, int], data: st.DataObject
) -> None:
    stats = pytest.importorskip("scipy.stats")
    hits = (data.draw(st.integers(0, sizes[0])), data.draw(st.integers(0, sizes[1])))
    table = [[hits[0], hits[1]], [sizes[0] - hits[0], sizes[1] - hits[1]]]
    assert proportions_differ(hits, sizes) == pytest.approx(stats.fisher_exact(table)[1], abs=1e-9)


@given(arrays(np.float64, st.integers(0, 12), elements=st.floats(0, 1)))
def test_corrected_p_values_are_no_smaller_and_keep_their_order(p_values: FloatArray) -> None:
    corrected = holm(p_values)
    assert (corrected >= p_values).all()
    assert (corrected <= 1).all()
    assert (np.diff(corrected[np.argsort(p_values, kind="stable")]) >= 0).all()


def test_ways_to_choose_are_counted_for_arrays() -> None:
    ways = log_choose(np.array([[5, 0], [10, 3]]), np.array([[2, 0], [5, 3]]))
    np.testing.assert_allclose(np.exp(ways), [[10, 1], [252, 1]])


# --- all together


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(0, 12), st.integers(0, 5)),
        elements=st.sampled_from((0.0, 1.0, np.nan)),
    ),
    st.integers(0, 12),
    st.data(),
)
def test_any_table_can_be_checked_and_written_as_json(
    targets: FloatArray, n_test: int, data: st.DataObject
) -> None:
    n_photos = len(targets)
    numbers = data.draw(st.lists(st.integers(0, 3), min_size=n_photos, max_size=n_photos))
    check = check_table(
        make_table(targets),
        seen=seen(
            duplicates=DuplicateGroups(groups=np.array(numbers, dtype=np.int64), pairs=()),
            sizes_px=np.ones((n_photos, 2), dtype=np.int64),
        ),
        split=halves(n_photos, min(n_test, n_photos)),
    )
    plain = json.loads(json.dumps(as_dict(check)))
    assert sum(plain["counts"].values()) == len(plain["findings"]) == len(to_rows(check))
    levels = [("error", "warning", "note").index(level) for level, _, _ in to_rows(check)]
    assert levels == sorted(levels)
    assert all(0 <= row < n_photos for finding in check.findings for row in finding.photos)
    assert all(0 <= column < targets.shape[1] for finding in check.findings for column in finding.labels)


def test_a_thousand_labels_take_a_moment_and_few_lines() -> None:
    generator = np.random.default_rng(0)
    targets = (generator.random((2000, 1000)) < np.geomspace(0.0005, 0.3, 1000)).astype(float)
    started = time.process_time()
    check = check_table(make_table(targets), split=halves(2000, 400))
    # About 1 s; the bound leaves room for slow and busy machines.
    assert time.process_time() - started < 10
    assert len(check.findings) <= 12
    assert max(len(text) for _, _, text in to_rows(check)) < 400


def test_a_finding_is_one_line_whatever_names_hold() -> None:
    found = Finding(level="note", kind="x", text="photo 'a\x1b[2J\n.jpg' is odd")
    assert found.text == r"photo 'a\x1b[2J\n.jpg' is odd"
