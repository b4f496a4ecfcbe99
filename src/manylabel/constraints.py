"""Constraints among labels: find targets that break them, and make decisions that obey them.

In:  constraints as text, e.g. "day | night" or "boat -> water"; targets, or probabilities and thresholds.
Out: checked constraints; the photos that break one; decisions [n_photos, n_labels] that obey all of them.

Each connected component is solved alone: labels that no constraint connects do not influence each other.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Literal, assert_never

import numpy as np
from numpy.typing import NDArray

from manylabel.errors import ConfigError, did_you_mean
from manylabel.types import FloatArray, IntArray, Thresholds

BoolArray = NDArray[np.bool_]
ConstraintKind = Literal["exclusive", "implies", "at_least_one"]

_SIGNS: dict[ConstraintKind, str] = {"exclusive": "|", "implies": "->", "at_least_one": "|"}
_ANY_SIGN = re.compile(r"->|\|")
_MOST, _MOST_CONNECTED = 10_000, 1_000
_MAX_ASSIGNMENTS, _MAX_SHOWN = 50_000, 20
_MAX_NUMBERS = 4_000_000  # 32 MB at a time


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """One constraint.

    Attributes:
        kind: "exclusive" allows at most one of the labels, "at_least_one" requires one or more, and "implies"
            requires the second if the first is present.
        text: The constraint as it was given, e.g. ``"boat -> water"``.
        columns: Its labels, as column numbers.
    """

    kind: ConstraintKind
    text: str
    columns: tuple[int, ...]

    def is_broken(self, targets: FloatArray | BoolArray) -> BoolArray:
        """Find the photos whose targets break the constraint whatever their unknown cells are [n_photos]."""
        cells = targets[:, self.columns]
        match self.kind:
            case "exclusive":
                return np.asarray((cells == 1).sum(axis=1) > 1)
            case "implies":
                return np.asarray((cells[:, 0] == 1) & (cells[:, 1] == 0))
            case "at_least_one":
                return np.asarray((cells == 0).all(axis=1))
            case _:
                assert_never(self.kind)


@dataclass(frozen=True, eq=False, kw_only=True)
class Component:
    """Connected constraints, and everything that they allow.

    Attributes:
        constraints: The constraints.
        groups: Columns of labels of which it only matters whether any is present; mostly one each.
        assignments: Which groups may be present together, 1 or 0 [n_assignments, n_groups].
    """

    constraints: tuple[Constraint, ...]
    groups: tuple[tuple[int, ...], ...]
    assignments: FloatArray


@dataclass(frozen=True, kw_only=True)
class LabelConstraints:
    """The constraints among a set of labels.

    Attributes:
        labels: The label names, in the order of the columns.
        constraints: The constraints, in the order in which they were given.
        components: The same constraints, connected by shared labels.

    Raises:
        ConfigError: Constraints contradict each other, exclude a label everywhere, or allow too much to list.
    """

    labels: tuple[str, ...]
    constraints: tuple[Constraint, ...]
    components: tuple[Component, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Connect the constraints, and check that they can be obeyed."""
        components = tuple(_component(constraints) for constraints in _connected(self.constraints))
        problems = [problem for component in components for problem in _problems(component, self.labels)]
        if problems:
            raise ConfigError("\n".join(problems))
        object.__setattr__(self, "components", components)


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A photo whose targets break a constraint.

    Attributes:
        row: Row number of the photo.
        constraint: The constraint as given, or several, joined by " and ", that cannot be obeyed together.
        labels: The labels whose cells break it.
    """

    row: int
    constraint: str
    labels: tuple[str, ...]


def parse_constraints(
    *,
    exclusive: Sequence[str] = (),
    implies: Sequence[str] = (),
    at_least_one: Sequence[str] = (),
    labels: Sequence[str],
) -> LabelConstraints:
    """Read constraints from text.

    Args:
        exclusive: At most one of the labels is present: ``"day | night"``.
        implies: If the first is present, so is the second: ``"boat -> water"``.
        at_least_one: One or more of the labels are present: ``"day | night"``.
        labels: The label names, in the order of the columns. A constraint cannot name one that has its sign.

    Raises:
        ConfigError: A constraint is malformed, names an unknown label or cannot be obeyed; or too many.

    Examples:
        >>> constraints = parse_constraints(exclusive=("day | night",), labels=("boat", "day", "night"))
        >>> constraints.constraints[0].columns
        (1, 2)
        >>> parse_constraints(implies=("boat -> watr",), labels=("boat", "water"))
        Traceback (most recent call last):
        manylabel.errors.ConfigError: constraints.implies 'boat -> watr': unknown label 'watr'; did you mean \
'water'? Known labels: boat, water.
    """
    given = dict(zip(_SIGNS, (exclusive, implies, at_least_one), strict=True))
    check_amount([text for texts in given.values() for text in texts])
    problems: list[str] = []
    constraints = [_parse(kind, text, labels, problems) for kind, texts in given.items() for text in texts]
    if problems:
        raise ConfigError("\n".join(problems))
    return LabelConstraints(labels=tuple(labels), constraints=tuple(constraints))


def check_amount(texts: Sequence[str]) -> None:
    """Raise a ConfigError for too many constraints or connected labels: time grows with their cube."""
    if len(texts) > _MOST:
        raise ConfigError(f"constraints: there are {len(texts):,}, at most {_MOST:,} can be solved")
    together: dict[str, set[str]] = {}
    for text in texts:
        names = {name.strip() for name in _ANY_SIGN.split(text)}
        parts = {id(part): part for part in (together.get(name, {name}) for name in names)}.values()
        whole = set[str]().union(*parts)
        if len(whole) > _MOST_CONNECTED:
            few = f"more than {_MOST_CONNECTED:,} labels, too many to solve"
            raise ConfigError(f"constraints: they connect {few}; leave out constraints that connect others")
        together |= dict.fromkeys(whole, whole)


def violations(constraints: LabelConstraints, targets: FloatArray) -> list[Violation]:
    """List the photos whose targets break constraints, however their unknown cells are filled in.

    Args:
        constraints: The constraints.
        targets: Float array [n_photos, n_labels]: 1 present, 0 absent, NaN unknown.

    Raises:
        ValueError: Targets have another number of labels than the constraints.

    Examples:
        >>> constraints = parse_constraints(implies=("boat -> water",), labels=("boat", "water"))
        >>> violations(constraints, np.array([[1.0, 1.0], [1.0, 0.0], [1.0, np.nan]]))
        [Violation(row=1, constraint='boat -> water', labels=('boat', 'water'))]
    """
    _check_width(constraints, targets, "targets")
    found = []
    for constraint in constraints.constraints:
        for row in np.flatnonzero(constraint.is_broken(targets)):
            wrong = 1 if constraint.kind == "exclusive" else targets[row]
            guilty = np.array(constraint.columns)[(targets[row] == wrong)[list(constraint.columns)]]
            found.append(_violation(constraints.labels, row, constraint.text, guilty))
    for component in constraints.components:
        text = " and ".join(constraint.text for constraint in component.constraints)
        for row in _hopeless_rows(component, targets):
            known = (column for column in chain(*component.groups) if not np.isnan(targets[row, column]))
            found.append(_violation(constraints.labels, row, text, known))
    return sorted(found, key=lambda violation: violation.row)


def decide_with_constraints(
    constraints: LabelConstraints | None, scores: FloatArray, thresholds: Thresholds
) -> BoolArray:
    """Decide so that every photo obeys the constraints, as close as possible to decisions without them.

    Each photo gets the label set that, of those allowed, exactly maximizes the sum of logit(probability) -
    logit(threshold) over its labels. With thresholds of 0.5 and labels that are independent given the photo,
    that is the most probable allowed set.

    Args:
        constraints: The constraints; None if there are none.
        scores: Probabilities [n_photos, n_labels].
        thresholds: One per label.

    Returns:
        Decisions [n_photos, n_labels]; of equally good ones, those with the fewest labels.

    Raises:
        ValueError: Scores have another number of labels than the constraints, or are not probabilities.

    Examples:
        >>> constraints = parse_constraints(exclusive=("day | night",), labels=("boat", "day", "night"))
        >>> thresholds = Thresholds(values=np.array([0.5, 0.5, 0.2]), origin="by hand")
        >>> decide_with_constraints(constraints, np.array([[0.9, 0.6, 0.4], [0.1, 0.3, 0.1]]), thresholds)
        array([[ True, False,  True],
               [False, False, False]])
    """
    if constraints is None:
        return thresholds.decide(scores)
    _check_width(constraints, scores, "scores")
    if not ((scores >= 0) & (scores <= 1)).all():
        raise ValueError("scores are probabilities between 0 and 1, without NaN")
    decisions = thresholds.decide(scores)
    margins = _log_odds(scores) - _log_odds(thresholds.values)
    for component in constraints.components:
        is_broken = np.any([constraint.is_broken(decisions) for constraint in component.constraints], axis=0)
        for rows in _parts(np.flatnonzero(is_broken), component):
            cells = _decide_again(component, decisions[rows], margins[rows])
            for group, group_cells in zip(component.groups, cells, strict=True):
                decisions[rows[:, None], group] = group_cells
    return decisions


def _parse(kind: ConstraintKind, text: str, labels: Sequence[str], problems: list[str]) -> Constraint:
    """Read one constraint; add what is wrong with it to the problems."""
    names, where = [name.strip() for name in text.split(_SIGNS[kind])], f"constraints.{kind} '{text}'"
    unknown = [name for name in dict.fromkeys(names) if name not in labels]
    if len(names) < 2 or "" in names or (kind == "implies" and len(names) != 2):
        expected = "two labels joined by '->'" if kind == "implies" else "two or more labels joined by '|'"
        problems.append(f"{where}: expected {expected}.")
    elif unknown:
        known = ", ".join(labels[:_MAX_SHOWN]) + (", ..." if len(labels) > _MAX_SHOWN else "")
        for name in unknown:
            hint = did_you_mean(name, labels) or "."
            problems.append(f"{where}: unknown label '{name}'{hint} Known labels: {known}.")
    elif len(set(names)) < len(names):
        problems.append(f"{where}: names a label twice.")
    columns = tuple(labels.index(name) for name in names if name in labels)
    return Constraint(kind=kind, text=text, columns=columns)


def _connected(constraints: Sequence[Constraint]) -> list[tuple[Constraint, ...]]:
    """Group the constraints that share labels, directly or through others."""
    parts: list[tuple[set[int], tuple[Constraint, ...]]] = []
    for constraint in constraints:
        columns, apart = set(constraint.columns), []
        together: tuple[Constraint, ...] = (constraint,)
        for part in parts:
            if columns.isdisjoint(part[0]):
                apart.append(part)
            else:
                columns, together = columns | part[0], part[1] + together
        parts = [*apart, (columns, together)]
    return [together for _, together in parts]


def _component(constraints: tuple[Constraint, ...]) -> Component:
    groups = _interchangeable(constraints)
    group_of = {column: number for number, group in enumerate(groups) for column in group}
    local = [
        replace(constraint, columns=tuple(dict.fromkeys(group_of[column] for column in constraint.columns)))
        for constraint in constraints
    ]
    assignments = _allowed(local, n_groups=len(groups))
    return Component(constraints=constraints, groups=groups, assignments=assignments)


def _interchangeable(constraints: Sequence[Constraint]) -> tuple[tuple[int, ...], ...]:
    """Group the labels for which only matters whether any of them is present.

    They imply the same labels, are in the same at-least-one constraints, nothing implies or excludes them.
    "At least one of 50" would allow 2^50 - 1 assignments of labels, but only one of its single group.
    """
    roles: dict[int, set[tuple[str, object]]] = {}
    for constraint in constraints:
        for position, column in enumerate(constraint.columns):
            match constraint.kind, position:
                case "at_least_one", _:
                    role: tuple[str, object] = ("one of", constraint.columns)
                case "implies", 0:
                    role = ("implies", constraint.columns[1])
                case _:
                    role = ("alone", column)
            roles.setdefault(column, set()).add(role)
    groups: dict[frozenset[tuple[str, object]], list[int]] = {}
    for column, its_roles in roles.items():
        groups.setdefault(frozenset(its_roles), []).append(column)
    return tuple(tuple(group) for group in groups.values())


def _allowed(constraints: Sequence[Constraint], *, n_groups: int) -> FloatArray:
    """List the assignments that break no constraint [n_assignments, n_groups], emptiest first, to a limit."""
    assignments = np.full((1, n_groups), np.nan)
    for group in _search_order(constraints):
        assignments = np.repeat(assignments, 2, axis=0)
        assignments[:, group] = np.tile([0.0, 1.0], len(assignments) // 2)
        for constraint in constraints:
            if group in constraint.columns:
                assignments = assignments[~constraint.is_broken(assignments)]
        if len(assignments) > _MAX_ASSIGNMENTS:
            break
    return assignments[np.argsort(assignments.sum(axis=1), kind="stable")]


def _search_order(constraints: Sequence[Constraint]) -> list[int]:
    """Order the groups so that constraints are decided, and dead ends found, early."""
    order: dict[int, None] = {}
    waiting = list(constraints)
    while waiting:
        constraint = min(waiting, key=lambda one: len(one.columns) - len(order.keys() & {*one.columns}))
        waiting.remove(constraint)
        order.update(dict.fromkeys(constraint.columns))
    return list(order)


def _problems(component: Component, labels: Sequence[str]) -> list[str]:
    """Return why constraints cannot be used."""
    texts = _join([constraint.text for constraint in component.constraints])
    if len(component.assignments) > _MAX_ASSIGNMENTS:
        return [
            f"constraints {texts}: they allow more than {_MAX_ASSIGNMENTS:,} combinations of labels, "
            "too many to list; leave out constraints that connect others."
        ]
    if len(component.assignments) == 0:
        return [f"constraints {texts}: they contradict each other; no photo can obey all of them."]
    never = np.flatnonzero(~component.assignments.any(axis=0))
    names = _join([labels[column] for group in never for column in component.groups[group]])
    return [f"constraints {texts}: they rule out {names}: no photo could have it."] if never.size else []


def _join(texts: Sequence[str]) -> str:
    shown = ", ".join(f"'{text}'" for text in texts[:_MAX_SHOWN])
    return shown + (f" and {len(texts) - _MAX_SHOWN} more" if len(texts) > _MAX_SHOWN else "")


def _check_width(constraints: LabelConstraints, cells: FloatArray, what: str) -> None:
    if cells.ndim != 2 or cells.shape[1] != len(constraints.labels):
        raise ValueError(f"{what} have shape {cells.shape}, expected [n_photos, {len(constraints.labels)}]")


def _violation(labels: Sequence[str], row: np.integer, text: str, columns: Iterable[int]) -> Violation:
    return Violation(row=int(row), constraint=text, labels=tuple(labels[column] for column in columns))


def _hopeless_rows(component: Component, targets: FloatArray) -> IntArray:
    """Find photos that break no single constraint, but cannot obey all, whatever their unknown cells are."""
    present = np.stack([(targets[:, group] == 1).any(axis=1) for group in component.groups], axis=1)
    absent = np.stack([(targets[:, group] == 0).all(axis=1) for group in component.groups], axis=1)
    is_broken = np.any([constraint.is_broken(targets) for constraint in component.constraints], axis=0)
    undecided = np.flatnonzero(~is_broken & ~(present | absent).all(axis=1))
    hopeless = [np.empty(0, dtype=np.int64)]
    for rows in _parts(undecided, component):
        n_wrong = absent[rows] @ component.assignments.T + present[rows] @ (1 - component.assignments).T
        hopeless.append(rows[(n_wrong > 0).all(axis=1)])
    return np.concatenate(hopeless)


def _decide_again(component: Component, decisions: BoolArray, margins: FloatArray) -> list[BoolArray]:
    """Return the best allowed decisions of each group [n_rows, n_group] for photos that break one."""
    if_present = [_best_present(decisions[:, group], margins[:, group]) for group in component.groups]
    pairs = zip(component.groups, if_present, strict=True)
    gains = np.stack([(margins[:, group] * cells).sum(axis=1) for group, cells in pairs], axis=1)
    best = (gains @ component.assignments.T).argmax(axis=1)
    is_present = component.assignments[best] == 1  # [n_rows, n_groups]
    return [cells & given[:, None] for cells, given in zip(if_present, is_present.T, strict=True)]


def _best_present(decisions: BoolArray, margins: FloatArray) -> BoolArray:
    """Return the best decisions with any label of a group: those by threshold, else the likeliest label."""
    likeliest = np.arange(margins.shape[1]) == margins.argmax(axis=1)[:, None]
    return np.where(decisions.any(axis=1, keepdims=True), decisions, likeliest)


def _parts(rows: IntArray, component: Component) -> Iterator[IntArray]:
    """Yield rows in parts that fit in memory together with all assignments."""
    step = max(1, _MAX_NUMBERS // len(component.assignments))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _log_odds(probabilities: FloatArray) -> FloatArray:
    """Turn probabilities into log-odds; 0 and 1 give large numbers, not infinity."""
    clipped = np.clip(probabilities, 1e-12, 1 - 1e-12)
    return np.asarray(np.log(clipped) - np.log1p(-clipped))
