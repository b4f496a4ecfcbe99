"""The table of results, row by row.

In:  results.
Out: a row per model and baseline: metrics and intervals as shares in [0, 1], seconds, parameters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from manylabel.metrics.registry import list_metrics
from manylabel.results.models import Measured, Metrics, ModelResults, Number
from manylabel.results.run import RunResults
from manylabel.types import WeightsSource

COSTS = ("training_seconds", "inference_seconds", "parameters")
"""Numbers that baselines do not have."""


def main_metrics() -> list[str]:
    """Return the metrics that people are shown first, with their intervals."""
    return [metric.name for metric in list_metrics() if metric.is_main]


def main_columns() -> list[str]:
    """Return the columns that people are shown first."""
    return ["model", *main_metrics(), *COSTS, "init"]


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """A row of the table of results.

    Attributes:
        model: The model or baseline.
        metrics: Its metrics.
        costs: The numbers of ``COSTS``; None for a baseline.
        init: Where its weights came from; None for a baseline.
        intervals: The ends of the 95 % intervals of the main metrics: binary_accuracy_low,
            binary_accuracy_high, ...
    """

    model: str
    metrics: Metrics
    costs: Metrics
    init: WeightsSource | None
    intervals: Metrics

    @property
    def numbers(self) -> dict[str, Number]:
        """All numbers by the names of their columns."""
        return {**self.metrics, **self.costs, **self.intervals}

    @property
    def cells(self) -> dict[str, Number | str]:
        """All cells by the names of their columns, in the order of the table."""
        return {"model": self.model, **self.metrics, **self.costs, "init": self.init, **self.intervals}


def table_rows(results: RunResults) -> list[TableRow]:
    """Return the table of results: the ranked models, the baselines, then the models that are not ranked."""
    return [_row(entry) for entry in (*results.models, *results.baselines, *results.not_ranked)]


def _row(entry: Measured) -> TableRow:
    intervals: dict[str, Number] = {}
    for name in main_metrics():
        ends = entry.intervals[name]
        intervals |= {f"{name}_low": ends.low, f"{name}_high": ends.high}
    model = entry if isinstance(entry, ModelResults) else None
    return TableRow(
        model=entry.model,
        metrics=entry.metrics,
        costs={name: None if model is None else getattr(model, name) for name in COSTS},
        init=None if model is None else model.init,
        intervals=intervals,
    )


def n_ranked_rows(results: RunResults) -> int:
    """Return how many rows of ``table_rows`` stand above the models that are not ranked."""
    return len(results.models) + len(results.baselines)


def has_undefined(rows: Sequence[TableRow]) -> bool:
    """Tell whether a metric of some rows is undefined."""
    return any(value is None for row in rows for value in row.metrics.values())
