"""Rules that are too many to solve are told before training, not after it."""

import pytest

from manylabel.constraint_limits import check_amount
from manylabel.constraints import parse_rules
from manylabel.errors import ConfigError

LABELS = tuple(f"label {number}" for number in range(1_001))


def test_rules_that_connect_too_many_labels_are_refused() -> None:
    check_amount([" | ".join(LABELS[:1_000])])

    with pytest.raises(ConfigError, match="they connect more than 1,000 labels, too many to solve"):
        parse_rules(exclusive=(" | ".join(LABELS),), labels=LABELS)


def test_rules_are_connected_through_others() -> None:
    halves = [" | ".join(LABELS[:501]), " | ".join(LABELS[501:])]
    check_amount(halves)

    with pytest.raises(ConfigError, match="connect more than 1,000 labels"):
        check_amount([*halves, f"{LABELS[0]} -> {LABELS[-1]}"])


def test_many_rules_that_connect_few_labels_are_fine() -> None:
    check_amount([f"child {number} -> parent {number}" for number in range(10_000)])

    with pytest.raises(ConfigError, match="there are 10,001, at most 10,000 can be solved"):
        check_amount(["a -> b"] * 10_001)
