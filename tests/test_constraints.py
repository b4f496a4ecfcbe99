"""Constraints are read, found broken, and obeyed exactly as trying out every set of labels says.

In:  small random sets of constraints, targets with unknown cells, scores and thresholds.
Out: failed tests where an answer differs from that of all 2^n sets of labels.
"""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from manylabel.constraints import (
    LabelConstraints,
    check_amount,
    decide_with_constraints,
    parse_constraints,
    violations,
)
from manylabel.errors import ConfigError
from manylabel.types import FloatArray, Thresholds

NAN = float("nan")
LABELS = ("boat", "day", "night", "old town, west", "water")
few_examples = settings(max_examples=80)


@st.composite
def some_rules(draw: st.DrawFn) -> LabelConstraints:
    """Draw constraints that can be obeyed and leave every label a chance."""

    def names(*, most: int) -> st.SearchStrategy[list[str]]:
        return st.lists(st.sampled_from(LABELS), min_size=2, max_size=most, unique=True)

    def texts(joint: str, *, most: int) -> tuple[str, ...]:
        return tuple(joint.join(constraint) for constraint in draw(st.lists(names(most=most), max_size=2)))

    kinds = {
        "exclusive": texts(" | ", most=3),
        "implies": texts("->", most=2),
        "at_least_one": texts("|", most=4),
    }
    try:
        return parse_constraints(**kinds, labels=LABELS)
    except ConfigError:
        assume(False)
        raise


def obeys(constraints: LabelConstraints, labels: tuple[float, ...]) -> bool:
    """Apply the constraints by their definition."""
    for constraint in constraints.constraints:
        cells = [labels[column] for column in constraint.columns]
        match constraint.kind:
            case "exclusive":
                is_kept = sum(cells) <= 1
            case "implies":
                is_kept = cells[0] <= cells[1]
            case "at_least_one":
                is_kept = sum(cells) >= 1
        if not is_kept:
            return False
    return True


def obedient_sets(constraints: LabelConstraints) -> FloatArray:
    """List every set of labels that obeys [n_sets, n_labels]."""
    return np.array(
        [labels for labels in product((0.0, 1.0), repeat=len(LABELS)) if obeys(constraints, labels)]
    )


def log_odds(probabilities: FloatArray) -> FloatArray:
    return np.asarray(np.log(probabilities / (1 - probabilities)))


scores_and_thresholds = st.tuples(
    arrays(np.float64, (4, 5), elements=st.floats(0.01, 0.99)),
    arrays(np.float64, 5, elements=st.floats(0.05, 0.95)),
)


@few_examples
@given(some_rules(), scores_and_thresholds)
def test_decisions_obey_and_no_obedient_set_has_a_greater_margin(
    constraints: LabelConstraints, drawn: tuple[FloatArray, FloatArray]
) -> None:
    scores, thresholds = drawn
    decisions = decide_with_constraints(constraints, scores, Thresholds(values=thresholds, origin="drawn"))
    margins = log_odds(scores) - log_odds(thresholds)
    for row, margin in zip(decisions, margins, strict=True):
        assert obeys(constraints, tuple(row.astype(float)))
        assert margin[row].sum() == pytest.approx((obedient_sets(constraints) @ margin).max(), abs=1e-9)


@few_examples
@given(some_rules(), arrays(np.float64, (4, 5), elements=st.floats(0, 1)))
def test_photos_that_obey_keep_their_decisions(constraints: LabelConstraints, scores: FloatArray) -> None:
    thresholds = Thresholds(values=np.array([0.0, 1.0, 0.5, 0.3, 0.7]), origin="by hand")
    free = thresholds.decide(scores)
    for row, decisions in zip(free, decide_with_constraints(constraints, scores, thresholds), strict=True):
        if obeys(constraints, tuple(row.astype(float))):
            np.testing.assert_array_equal(decisions, row)
        assert obeys(constraints, tuple(decisions.astype(float)))


@few_examples
@given(some_rules(), arrays(np.float64, (3, 5), elements=st.sampled_from((0.0, 1.0, NAN))))
def test_a_photo_is_listed_exactly_if_no_filling_in_of_unknown_cells_obeys(
    constraints: LabelConstraints, targets: FloatArray
) -> None:
    sets = obedient_sets(constraints)
    listed = {violation.row for violation in violations(constraints, targets)}
    for row, cells in enumerate(targets):
        known = ~np.isnan(cells)
        can_obey = (sets[:, known] == cells[known]).all(axis=1).any()
        assert (row not in listed) == can_obey


def test_violations_name_the_rule_and_the_labels_photo_by_photo() -> None:
    constraints = parse_constraints(
        exclusive=("day | night",),
        implies=("boat -> water",),
        at_least_one=("day|night",),
        labels=LABELS,
    )
    targets = np.array([[0, 0, 0, 1, 1], [1, 1, 1, 0, 0], [0, 1, 0, 0, 0]], dtype=float)
    assert [(found.row, found.constraint, found.labels) for found in violations(constraints, targets)] == [
        (0, "day|night", ("day", "night")),
        (1, "day | night", ("day", "night")),
        (1, "boat -> water", ("boat", "water")),
    ]


def test_unknown_cells_are_no_excuse_where_several_rules_leave_no_way_out() -> None:
    constraints = parse_constraints(implies=("boat -> water", "water -> day"), labels=LABELS)
    boat_at_night = np.array([[1, 0, NAN, NAN, NAN], [1, NAN, 0, 0, NAN]])
    found = violations(constraints, boat_at_night)
    assert [(one.row, one.constraint, one.labels) for one in found] == [
        (0, "boat -> water and water -> day", ("boat", "day"))
    ]


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_constraints(
            exclusive=("day | nigth", "day", "day | day"),
            implies=("boat -> water -> day", "boat | water"),
            at_least_one=("day |", "moon | sun"),
            labels=LABELS,
        )
    known = "Known labels: boat, day, night, old town, west, water."
    assert str(caught.value).splitlines() == [
        f"constraints.exclusive 'day | nigth': unknown label 'nigth'; did you mean 'night'? {known}",
        "constraints.exclusive 'day': expected two or more labels joined by '|'.",
        "constraints.exclusive 'day | day': names a label twice.",
        "constraints.implies 'boat -> water -> day': expected two labels joined by '->'.",
        "constraints.implies 'boat | water': expected two labels joined by '->'.",
        "constraints.at_least_one 'day |': expected two or more labels joined by '|'.",
        f"constraints.at_least_one 'moon | sun': unknown label 'moon'. {known}",
        f"constraints.at_least_one 'moon | sun': unknown label 'sun'. {known}",
    ]


def test_names_may_hold_spaces_and_commas() -> None:
    constraints = parse_constraints(exclusive=("old town, west|water",), labels=LABELS)
    assert constraints.constraints[0].columns == (3, 4)


def test_rules_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="contradict each other") as caught:
        parse_constraints(
            exclusive=("day | water", "night | water"),
            implies=("day -> water", "night -> water"),
            at_least_one=("day | night",),
            labels=LABELS,
        )
    assert "'day -> water'" in str(caught.value)


def test_rules_that_never_allow_a_label_are_refused() -> None:
    with pytest.raises(ConfigError, match="rule out 'boat': no photo could have it"):
        parse_constraints(exclusive=("boat | water",), implies=("boat -> water",), labels=LABELS)


def test_rules_that_allow_too_much_are_refused() -> None:
    labels = [f"label {number}" for number in range(40)]
    pairs = [f"label {number} | label {number + 1}" for number in range(39)]
    with pytest.raises(ConfigError, match="more than 50,000 combinations"):
        parse_constraints(exclusive=pairs, labels=labels)


def test_groups_of_a_thousand_labels_are_solved() -> None:
    labels = [f"label {number}" for number in range(2000)]
    constraints = parse_constraints(
        exclusive=(" | ".join(labels[:1000]),), at_least_one=(" | ".join(labels[1000:]),), labels=labels
    )
    scores = np.random.default_rng(0).uniform(0.3, 0.7, (20, 2000))
    scores[:10, 1000:] = scores[:10, 1000:] / 2
    decisions = decide_with_constraints(
        constraints, scores, Thresholds(values=np.full(2000, 0.5), origin="by hand")
    )
    np.testing.assert_array_equal(decisions[:, :1000].sum(axis=1), 1)
    np.testing.assert_array_equal(decisions[:, :1000].argmax(axis=1), scores[:, :1000].argmax(axis=1))
    np.testing.assert_array_equal(decisions[:10, 1000:].sum(axis=1), 1)
    np.testing.assert_array_equal(decisions[10:, 1000:], scores[10:, 1000:] >= 0.5)


def test_many_photos_are_solved_in_parts() -> None:
    labels = [f"label {number}" for number in range(24)]
    groups = [" | ".join(labels[start : start + 6]) for start in (0, 6, 12, 18)]
    constraints = parse_constraints(
        exclusive=groups, implies=("label 0 -> label 6", "label 7 -> label 12"), labels=labels
    )
    scores = np.random.default_rng(0).uniform(0, 1, (6000, 24))
    thresholds = Thresholds(values=np.full(24, 0.5), origin="by hand")
    together = decide_with_constraints(constraints, scores, thresholds)
    np.testing.assert_array_equal(
        together[5990:], decide_with_constraints(constraints, scores[5990:], thresholds)
    )
    assert not violations(constraints, together.astype(float))


def test_without_rules_or_photos_decisions_are_the_free_ones() -> None:
    thresholds = Thresholds(values=np.full(5, 0.5), origin="by hand")
    scores = np.array([[0.1, 0.5, 0.9, 0.0, 1.0]])
    np.testing.assert_array_equal(
        decide_with_constraints(parse_constraints(labels=LABELS), scores, thresholds),
        thresholds.decide(scores),
    )
    constraints = parse_constraints(exclusive=("day | night",), labels=LABELS)
    assert decide_with_constraints(constraints, np.empty((0, 5)), thresholds).shape == (0, 5)
    assert violations(constraints, np.empty((0, 5))) == []


def test_what_does_not_fit_is_refused() -> None:
    constraints = parse_constraints(exclusive=("day | night",), labels=LABELS)
    thresholds = Thresholds(values=np.full(5, 0.5), origin="by hand")
    with pytest.raises(ValueError, match=r"scores have shape \(1, 4\), expected \[n_photos, 5\]"):
        decide_with_constraints(constraints, np.zeros((1, 4)), thresholds)
    with pytest.raises(ValueError, match="without NaN"):
        decide_with_constraints(constraints, np.full((1, 5), NAN), thresholds)
    with pytest.raises(ValueError, match="targets have shape"):
        violations(constraints, np.zeros((1, 4)))


MANY_LABELS = tuple(f"label {number}" for number in range(1_001))


def test_rules_that_connect_too_many_labels_are_refused() -> None:
    check_amount([" | ".join(MANY_LABELS[:1_000])])

    with pytest.raises(ConfigError, match="they connect more than 1,000 labels, too many to solve"):
        parse_constraints(exclusive=(" | ".join(MANY_LABELS),), labels=MANY_LABELS)


def test_rules_are_connected_through_others() -> None:
    halves = [" | ".join(MANY_LABELS[:501]), " | ".join(MANY_LABELS[501:])]
    check_amount(halves)

    with pytest.raises(ConfigError, match="connect more than 1,000 labels"):
        check_amount([*halves, f"{MANY_LABELS[0]} -> {MANY_LABELS[-1]}"])


def test_many_rules_that_connect_few_labels_are_fine() -> None:
    check_amount([f"child {number} -> parent {number}" for number in range(10_000)])

    with pytest.raises(ConfigError, match="there are 10,001, at most 10,000 can be solved"):
        check_amount(["a -> b"] * 10_001)
