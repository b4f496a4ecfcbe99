"""Look for photos whose labels break the rules that the user gave.

In:  the table and the rules.
Out: findings, a sentence per broken rule.
"""

from manylabel.constraints import LabelRules, Violation, violations
from manylabel.data.checks.finding import Finding, name_photos, plain
from manylabel.data.formats.parsing.wording import count, list_some
from manylabel.types import LabelTable

_MOST_SENTENCES = 5


def find_broken_rules(table: LabelTable, rules: LabelRules | None) -> list[Finding]:
    """Find photos whose known cells break a rule whatever their unknown cells are.

    Args:
        table: The photos and their labels.
        rules: The rules. Not given: nothing is found.

    Returns:
        The rules that most photos break first, a finding for each of 5, one for all others.
    """
    if rules is None:
        return []
    by_rule: dict[str, list[Violation]] = {}
    for violation in violations(rules, table.targets):
        by_rule.setdefault(violation.rule, []).append(violation)
    most_broken = sorted(by_rule.items(), key=lambda item: -len(item[1]))
    told = [_finding(table, f"rule '{rule}'", broken) for rule, broken in most_broken[:_MOST_SENTENCES]]
    rest = most_broken[_MOST_SENTENCES:]
    if rest:
        names = list_some([rule for rule, _ in rest])
        told.append(
            _finding(
                table, f"{len(rest)} more rules ({names})", [one for _, broken in rest for one in broken]
            )
        )
    return told


def _finding(table: LabelTable, what: str, broken: list[Violation]) -> Finding:
    rows = sorted({violation.row for violation in broken})
    cells = sorted(
        {(violation.row, table.labels.index(label)) for violation in broken for label in violation.labels}
    )
    text = f"{what}: broken by the labels of {count(len(rows), 'photo')}: {name_photos(table, rows)}"
    return Finding(
        level="warning",
        kind="rule_broken",
        text=text,
        photos=plain(rows),
        labels=plain(sorted({column for _, column in cells})),
        cells=tuple(cells),
    )
