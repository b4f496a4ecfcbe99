"""Dividing photos label by label: exact sizes, fair shares, rare labels on every side.

In:  targets drawn by hypothesis or by hand, with unknown cells.
Out: what ``manylabel.data.stratify`` makes of them.
"""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.data.stratify import stratified_folds, stratified_holdout
from manylabel.types import FloatArray, IntArray

# Hypothesis shall not mind a machine that is busy with something else.
patient = settings(deadline=None, max_examples=60)

SEEDS = st.integers(0, 2**32 - 1)
FRACTIONS = st.floats(0.01, 0.99)

# Photos of the folds before there were groups.
FOLDS_OF_SEED_0 = [[7, 8, 9, 11], [0, 1, 4, 6], [2, 3, 5, 10]]


@st.composite
def any_targets(draw: st.DrawFn) -> FloatArray:
    shape = (draw(st.integers(2, 40)), draw(st.integers(0, 6)))
    return draw(arrays(np.float64, shape, elements=st.sampled_from((0.0, 1.0, np.nan))))


@st.composite
def single_label_targets(draw: st.DrawFn) -> FloatArray:
    """Draw targets with at most one label on each photo."""
    n_labels = draw(st.integers(1, 5))
    label_of = draw(st.lists(st.integers(0, n_labels), min_size=2, max_size=40))
    return np.eye(n_labels + 1)[label_of][:, :n_labels]


def draw_targets(n_photos: int, shares: list[float], *, seed: int) -> FloatArray:
    generator = np.random.default_rng(seed)
    return (generator.random((n_photos, len(shares))) < shares).astype(float)


def deviation(targets: FloatArray, parts: tuple[IntArray, ...]) -> float:
    """Return by how many photos the worst part misses its share of a label."""
    shares = [np.nansum(targets[rows], axis=0) - len(rows) * np.nanmean(targets, axis=0) for rows in parts]
    return float(np.abs(shares).max())


@patient
@given(any_targets(), SEEDS, st.data())
def test_folds_are_a_partition_of_almost_equal_parts(
    targets: FloatArray, seed: int, data: st.DataObject
) -> None:
    n_folds = data.draw(st.integers(2, len(targets)))
    folds = stratified_folds(targets, n_folds=n_folds, rng=np.random.default_rng(seed))
    assert sorted(np.concatenate(folds).tolist()) == list(range(len(targets)))
    sizes = [len(fold) for fold in folds]
    assert len(sizes) == n_folds
    assert max(sizes) - min(sizes) <= 1
    assert all(fold.tolist() == sorted(fold.tolist()) for fold in folds)


@patient
@given(any_targets(), SEEDS, FRACTIONS)
def test_a_holdout_is_a_partition_of_exact_size(targets: FloatArray, seed: int, fraction: float) -> None:
    rest, held_out = stratified_holdout(targets, fraction=fraction, rng=np.random.default_rng(seed))
    assert sorted([*rest.tolist(), *held_out.tolist()]) == list(range(len(targets)))
    assert len(held_out) == min(max(round(fraction * len(targets)), 1), len(targets) - 1)
    assert rest.tolist() == sorted(rest.tolist())
    assert held_out.tolist() == sorted(held_out.tolist())


@patient
@given(single_label_targets(), SEEDS, st.data())
def test_every_fold_has_a_label_of_which_there_are_enough(
    targets: FloatArray, seed: int, data: st.DataObject
) -> None:
    n_folds = data.draw(st.integers(2, len(targets)))
    folds = stratified_folds(targets, n_folds=n_folds, rng=np.random.default_rng(seed))
    enough = targets.sum(axis=0) >= n_folds
    for fold in folds:
        assert (targets[fold].sum(axis=0) >= 1)[enough].all()


@patient
@given(single_label_targets(), SEEDS, FRACTIONS)
def test_both_sides_of_a_holdout_have_every_label_of_two_photos(
    targets: FloatArray, seed: int, fraction: float
) -> None:
    parts = stratified_holdout(targets, fraction=fraction, rng=np.random.default_rng(seed))
    enough = targets.sum(axis=0) >= 2
    for part in parts:
        if len(part) >= enough.sum():
            assert (targets[part].sum(axis=0) >= 1)[enough].all()


@st.composite
def grouped_targets(draw: st.DrawFn) -> tuple[FloatArray, IntArray]:
    """Draw targets and at least two groups of photos, some of them large."""
    targets = draw(any_targets())
    numbers = st.integers(0, draw(st.integers(1, len(targets))))
    groups = draw(st.lists(numbers, min_size=len(targets), max_size=len(targets)))
    groups[:2] = [0, 1]
    return targets, np.array(groups)


def is_cut(groups: IntArray, parts: tuple[IntArray, ...]) -> bool:
    return sum(len(np.unique(groups[rows])) for rows in parts) > len(np.unique(groups))


@patient
@given(grouped_targets(), SEEDS, st.data())
def test_folds_keep_groups_together_and_differ_by_no_more_than_the_largest(
    drawn: tuple[FloatArray, IntArray], seed: int, data: st.DataObject
) -> None:
    targets, groups = drawn
    n_folds = data.draw(st.integers(2, len(np.unique(groups))))
    folds = stratified_folds(targets, n_folds=n_folds, rng=np.random.default_rng(seed), groups=groups)
    assert not is_cut(groups, folds)
    assert sorted(np.concatenate(folds).tolist()) == list(range(len(targets)))
    sizes = np.array([len(fold) for fold in folds])
    assert sizes.min() >= 1
    assert np.abs(sizes - len(targets) / n_folds).max() <= np.bincount(groups).max()


@patient
@given(grouped_targets(), SEEDS, FRACTIONS)
def test_a_holdout_keeps_groups_together_and_its_size_within_the_largest(
    drawn: tuple[FloatArray, IntArray], seed: int, fraction: float
) -> None:
    targets, groups = drawn
    parts = stratified_holdout(targets, fraction=fraction, rng=np.random.default_rng(seed), groups=groups)
    assert not is_cut(groups, parts)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(targets)))
    assert min(map(len, parts)) >= 1
    wanted = min(max(round(fraction * len(targets)), 1), len(targets) - 1)
    assert abs(len(parts[1]) - wanted) <= np.bincount(groups).max()


@patient
@given(any_targets(), SEEDS, FRACTIONS)
def test_groups_of_one_photo_change_nothing(targets: FloatArray, seed: int, fraction: float) -> None:
    groups = np.random.default_rng(seed).permutation(len(targets)) + 5
    for given_groups in (None, groups):
        generator = np.random.default_rng(seed)
        folds = stratified_folds(targets, n_folds=2, rng=generator, groups=given_groups)
        parts = stratified_holdout(targets, fraction=fraction, rng=generator, groups=given_groups)
        found = [rows.tolist() for rows in (*folds, *parts)]
        if given_groups is None:
            expected = found
    assert found == expected


def test_what_is_drawn_without_groups_is_what_it_always_was() -> None:
    targets = draw_targets(12, [0.5, 0.2], seed=0)
    folds = stratified_folds(targets, n_folds=3, rng=np.random.default_rng(0))
    assert [fold.tolist() for fold in folds] == FOLDS_OF_SEED_0


def test_labels_are_shared_out_among_groups() -> None:
    groups = np.arange(200) // 4
    targets = draw_targets(50, [0.1, 0.3, 0.5], seed=0).repeat(4, axis=0)
    folds = stratified_folds(targets, n_folds=5, rng=np.random.default_rng(0), groups=groups)
    assert [len(fold) for fold in folds] == [40] * 5
    # All four photos of a group carry the same labels, so that counts go in steps of four.
    assert deviation(targets, folds) <= 4


def test_more_folds_than_groups_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="n_folds is 3, expected 2 to 2, the number of groups of photos"):
        stratified_folds(
            np.zeros((4, 1)), n_folds=3, rng=np.random.default_rng(0), groups=np.array([0, 0, 1, 1])
        )


def test_one_group_cannot_be_divided() -> None:
    with pytest.raises(ValueError, match="4 photos in one group cannot be divided in two"):
        stratified_holdout(
            np.zeros((4, 1)), fraction=0.5, rng=np.random.default_rng(0), groups=np.zeros(4, dtype=np.int64)
        )


def test_groups_of_another_number_of_photos_are_a_mistake_of_the_caller() -> None:
    with pytest.raises(ValueError, match="groups are given for 3 photos, expected 4"):
        stratified_folds(np.zeros((4, 1)), n_folds=2, rng=np.random.default_rng(0), groups=np.arange(3))


@patient
@given(any_targets(), SEEDS)
def test_the_same_generator_gives_the_same_folds(targets: FloatArray, seed: int) -> None:
    first, second = (stratified_folds(targets, n_folds=2, rng=np.random.default_rng(seed)) for _ in range(2))
    assert [fold.tolist() for fold in first] == [fold.tolist() for fold in second]


def test_another_seed_gives_other_folds() -> None:
    targets = draw_targets(60, [0.3, 0.1], seed=0)
    found = {
        tuple(stratified_folds(targets, n_folds=3, rng=np.random.default_rng(seed))[0].tolist())
        for seed in range(10)
    }
    assert len(found) == 10


def test_two_photos_of_a_rare_label_come_to_both_sides_of_a_small_holdout() -> None:
    for seed in range(50):
        targets = draw_targets(200, [0.5, 0.3, 0.2], seed=seed)
        rare = np.zeros((200, 1))
        rare[:2] = 1
        targets = np.hstack([targets, rare])
        rest, held_out = stratified_holdout(targets, fraction=0.1, rng=np.random.default_rng(seed))
        assert targets[rest, 3].sum() == targets[held_out, 3].sum() == 1


def test_rare_labels_that_share_photos_still_come_to_both_sides() -> None:
    n_gaps = 0
    for seed in range(20):
        targets = draw_targets(160, list(np.geomspace(0.015, 0.3, 54)), seed=seed)
        enough = targets.sum(axis=0) >= 2
        parts = stratified_holdout(targets, fraction=0.2, rng=np.random.default_rng(seed))
        n_gaps += sum(int((targets[part].sum(axis=0) == 0)[enough].sum()) for part in parts)
    assert n_gaps == 0


def test_counts_are_within_two_photos_of_fair_even_in_a_small_holdout_with_many_labels() -> None:
    for seed in range(20):
        targets = draw_targets(160, list(np.geomspace(0.015, 0.3, 54)), seed=seed)
        parts = stratified_holdout(targets, fraction=0.2, rng=np.random.default_rng(seed))
        assert deviation(targets, parts) < 2


def test_photos_with_the_same_labels_are_held_out_equally_often() -> None:
    targets = np.ones((10, 1))
    times = np.zeros(10)
    for seed in range(400):
        _, held_out = stratified_holdout(targets, fraction=0.3, rng=np.random.default_rng(seed))
        times[held_out] += 1
    # Expected 120 times each, with a standard deviation of 9.
    assert times.min() > 80
    assert times.max() < 160


@pytest.mark.parametrize("seed", range(5))
def test_shares_are_within_two_photos_of_fair_and_far_better_than_by_chance(seed: int) -> None:
    targets = draw_targets(200, [0.05, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6], seed=seed)
    folds = stratified_folds(targets, n_folds=5, rng=np.random.default_rng(seed))
    by_chance = tuple(np.array_split(np.random.default_rng(seed).permutation(200), 5))
    assert deviation(targets, folds) < 2
    assert deviation(targets, folds) < deviation(targets, by_chance) / 2


@pytest.mark.parametrize("seed", range(5))
def test_shares_of_a_holdout_are_within_two_photos_of_fair(seed: int) -> None:
    targets = draw_targets(200, [0.05, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6], seed=seed)
    parts = stratified_holdout(targets, fraction=0.2, rng=np.random.default_rng(seed))
    assert deviation(targets, parts) < 2


def test_known_negatives_of_a_label_that_is_mostly_unknown_are_shared_out_too() -> None:
    for seed in range(20):
        targets = draw_targets(100, [0.4, 0.5], seed=seed)
        targets[:, 1] = np.nan
        targets[:5, 1] = 1
        targets[5:10, 1] = 0
        for fold in stratified_folds(targets, n_folds=5, rng=np.random.default_rng(seed)):
            known = targets[fold, 1][~np.isnan(targets[fold, 1])]
            assert sorted(known.tolist()) == [0, 1]


def test_an_unknown_cell_counts_neither_as_positive_nor_as_negative() -> None:
    for seed in range(20):
        targets = np.full((40, 1), np.nan)
        targets[:4] = 1
        targets[4:8] = 0
        folds = stratified_folds(targets, n_folds=4, rng=np.random.default_rng(seed))
        assert [(targets[fold] == 1).sum() for fold in folds] == [1, 1, 1, 1]
        assert [(targets[fold] == 0).sum() for fold in folds] == [1, 1, 1, 1]


def test_photos_without_labels_are_divided_by_chance() -> None:
    targets = np.zeros((10, 3))
    rest, held_out = stratified_holdout(targets, fraction=0.3, rng=np.random.default_rng(0))
    assert (len(rest), len(held_out)) == (7, 3)
    again = stratified_holdout(targets, fraction=0.3, rng=np.random.default_rng(1))[1]
    assert held_out.tolist() != again.tolist()


@pytest.mark.parametrize("n_folds", [-1, 0, 1, 6])
def test_a_number_of_folds_that_does_not_fit_is_a_mistake_of_the_caller(n_folds: int) -> None:
    with pytest.raises(ValueError, match=f"n_folds is {n_folds}, expected 2 to 5, the number of photos"):
        stratified_folds(np.zeros((5, 1)), n_folds=n_folds, rng=np.random.default_rng(0))


@pytest.mark.parametrize("fraction", [-0.1, 0.0, 1.0, 1.5, float("nan")])
def test_a_fraction_that_is_no_share_is_a_mistake_of_the_caller(fraction: float) -> None:
    with pytest.raises(ValueError, match="expected more than 0 and less than 1"):
        stratified_holdout(np.zeros((5, 1)), fraction=fraction, rng=np.random.default_rng(0))


def test_one_photo_cannot_be_divided() -> None:
    with pytest.raises(ValueError, match="1 photos cannot be divided in two"):
        stratified_holdout(np.zeros((1, 1)), fraction=0.5, rng=np.random.default_rng(0))


def test_the_targets_are_left_as_they_are() -> None:
    targets = draw_targets(30, [0.3, 0.2], seed=0)
    targets[0] = np.nan
    before = targets.copy()
    targets.flags.writeable = False
    stratified_folds(targets, n_folds=3, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(targets, before)


def test_a_large_collection_takes_a_moment() -> None:
    targets = draw_targets(5000, list(np.geomspace(0.002, 0.4, 50)), seed=0)
    started = time.process_time()
    stratified_folds(targets, n_folds=5, rng=np.random.default_rng(0))
    # About 0.1 s; the bound leaves room for slow and busy machines.
    assert time.process_time() - started < 2
