"""All that is done before the first model learns.

In:  the settings of a run.
Out: checked photos and labels, their split, models with their weights; or an error before long work.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

import numpy as np

from manylabel.config import RunConfig
from manylabel.constraints import LabelConstraints, parse_constraints
from manylabel.data.check import Check, check_table
from manylabel.data.checks.finding import SeenPhotos, look_at_photos
from manylabel.data.formats import read_table_as
from manylabel.data.split import find_lost_parts, make_split
from manylabel.errors import ConfigError, PhotoError, TableError, nothing_read
from manylabel.io.cache import cache_limit_bytes, default_cache
from manylabel.models.classifier import Classifier, build_initial_classifiers, settings_for
from manylabel.models.device import choose_device
from manylabel.models.splitting import find_split_layer, split_layer_warning
from manylabel.models.weights import Provenance
from manylabel.recipes import check_config, config_to_toml
from manylabel.report.collect import collect_results
from manylabel.report.run_info import gather_run_info
from manylabel.results import Loss, RunInfo, RunResults
from manylabel.training.cross_validation import Experiment, threshold_objective
from manylabel.training.distributed import check_processes
from manylabel.training.finished_fits import FinishedFits
from manylabel.training.methods import fill_defaults
from manylabel.training.photo_store import PhotoStore, read_store
from manylabel.trials import Trial
from manylabel.types import IntArray, LabelTable, ProgressCallback, Split

_logger = logging.getLogger(__name__)
_WARNINGS_SHOWN = 5


@dataclass(kw_only=True)
class RunClock:
    """When a run started and how long its stages took."""

    command: Sequence[str]
    recipe: str
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    stage_seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time a stage."""
        started = time.perf_counter()
        yield
        self.stage_seconds[stage] = time.perf_counter() - started

    def run_info(self, config: RunConfig) -> RunInfo:
        """Return how the run was made, up to now."""
        return gather_run_info(
            self.command,
            started=self.started,
            stage_seconds=self.stage_seconds,
            seed=config.seed,
            recipe=self.recipe,
            config_toml=config_to_toml(config),
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class PreparedRun:
    """What is there before the first model learns.

    Attributes:
        config: The settings, all filled in.
        table: The readable photos and their labels.
        split: Which of them are for training, validation and test.
        starts: The models with their weights, and where these came from.
        stores: The photos, by the side in pixels that models see.
        check: What is to be known of photos and labels before anything is learned from them.
        constraints: What is certain about the labels; decisions obey it.
    """

    config: RunConfig
    table: LabelTable
    split: Split
    starts: tuple[tuple[Classifier, Provenance], ...]
    stores: dict[int, PhotoStore]
    check: Check
    constraints: LabelConstraints

    def experiment(
        self,
        start: Classifier,
        provenance: Provenance,
        *,
        fits: FinishedFits,
        on_progress: ProgressCallback,
    ) -> Experiment:
        """Return what the trial of one model needs."""
        return Experiment(
            store=self.stores[start.preprocessing.side_px],
            targets=self.table.targets,
            split=self.split,
            config=settings_for(provenance, self.config),
            cache=default_cache(),
            on_progress=on_progress,
            constraints=self.constraints,
            fits=fits,
        )

    def results(self, trials: Sequence[Trial], clock: RunClock) -> RunResults:
        """Return everything that was measured."""
        training = self.config.training
        return collect_results(
            self.table,
            self.split,
            trials,
            clock.run_info(self.config),
            check=self.check,
            objective=threshold_objective(self.config.evaluation),
            loss=Loss(name=training.loss, pos_weight_cap=training.pos_weight_cap),
        )


def prepare(
    config: RunConfig,
    *,
    clock: RunClock,
    on_progress: ProgressCallback,
    table: LabelTable | None = None,
) -> PreparedRun:
    """Check the settings, read the labels, build the models, read the photos, split them.

    What fails fast comes first: a wrong table is told before a model is built, a missing weight before
    a photo is read.
    """
    check_config(config)
    check_processes(config.training.tune)
    choose_device(config.training.device)
    cache_limit_bytes()
    config = replace(config, training=fill_defaults(config.training, head=config.model.head))
    with clock.timed("reading labels"):
        table = read_labels(config) if table is None else table
    _logger.info("labels: %s", table.source)
    for note in table.notes:
        _logger.info("Note: %s", note)
    constraints = parse_constraints(**asdict(config.constraints), labels=table.labels)
    split_table(table, config)  # what cannot be split is told now, not after all photos were read
    with clock.timed("building models"):
        starts = build_initial_classifiers(
            config.model, labels=table.labels, tta=config.evaluation.tta, seed=config.seed
        )
        if config.training.tune == "top":
            for start, _ in starts:
                # Refused now where it cannot be cut.
                warning = split_layer_warning(find_split_layer(start.backbone, config.training.split_layer))
                if warning is not None:
                    _logger.warning("%s", warning)
    with clock.timed("reading photos"):
        sides_px = sorted({start.preprocessing.side_px for start, _ in starts})
        whole = table
        table, stores, failures = read_all_photos(whole, sides_px=sides_px, on_progress=on_progress)
        lost_parts = find_lost_parts(whole, failures)
        if lost_parts:
            raise TableError(lost_parts)
    with clock.timed("checking photos and labels"):
        store = stores[sides_px[-1]]
        seen = look_at_photos(table, store.fingerprints, side_px=store.side_px, failures=failures)
        split, check = split_and_check(table, seen, constraints, config)
    return PreparedRun(
        config=config,
        table=table,
        split=split,
        starts=starts,
        stores=stores,
        check=check,
        constraints=constraints,
    )


def split_table(table: LabelTable, config: RunConfig, *, groups: IntArray | None = None) -> Split:
    """Split the photos as the settings say, those of a group to the same side."""
    return make_split(
        table,
        config=config.split,
        carve_val=config.training.patience is not None,
        rng=np.random.default_rng(config.seed),
        groups=groups,
    )


def split_and_check(
    table: LabelTable, seen: SeenPhotos, constraints: LabelConstraints, config: RunConfig
) -> tuple[Split, Check]:
    """Split the photos, copies to the same side, and look for what a user should know before training.

    Raises:
        TableError: Training makes no sense.
    """
    split = split_table(table, config, groups=seen.duplicates.groups)
    check = check_table(table, seen=seen, split=split, constraints=constraints)
    errors = check.of_level("error")
    if errors:
        raise TableError([finding.text for finding in errors])
    # Photos that cannot be read were told one by one when they were read.
    warnings = [finding for finding in check.of_level("warning") if finding.kind != "unreadable"]
    for finding in warnings[:_WARNINGS_SHOWN]:
        _logger.warning("warning: %s", finding.text)
    if len(warnings) > _WARNINGS_SHOWN:
        _logger.warning(
            "and %d more warnings; `manylabel check` lists all",
            len(warnings) - _WARNINGS_SHOWN,
        )
    return split, check


def read_labels(config: RunConfig) -> LabelTable:
    """Read the table that the settings name, its photos ordered by name.

    Everything that chance decides goes by the number of a photo, so the order of lines changes nothing.
    """
    if not config.data.photos:
        raise ConfigError("data.photos: give the folder of the photos")
    table = read_table_as(config.data, config.data.labels, photos=config.data.photos)
    return table.take(np.array(sorted(range(table.n_photos), key=table.names.__getitem__)))


def read_all_photos(
    table: LabelTable, *, sides_px: Sequence[int], on_progress: ProgressCallback
) -> tuple[LabelTable, dict[int, PhotoStore], list[PhotoError]]:
    """Read every photo once per side; leave out those that cannot be read, and say so.

    Args:
        table: Which photos.
        sides_px: Sides in pixels that models see, at least one.
        on_progress: Hears of progress.

    Returns:
        The table of the readable photos, the stores by their sides, and the errors of the other photos.

    Raises:
        TableError: No photo can be read.
    """
    stores, lost = {}, list[PhotoError]()
    for side_px in sides_px:
        stores[side_px], readable, failures = read_store(
            table.photos, side_px=side_px, on_progress=on_progress
        )
        if len(readable) == 0:
            raise TableError(nothing_read(failures).splitlines())
        if failures:
            listed = tuple(f"left out, it cannot be read: {failure}" for failure in failures)
            for note in listed:
                _logger.warning("%s", note)
            table = replace(table.take(readable), notes=table.notes + listed)
            lost += failures
            if len(stores) > 1:
                # Lost since it was read for another side: the rows of all stores must be those of the table.
                table, stores, more = read_all_photos(table, sides_px=sides_px, on_progress=on_progress)
                return table, stores, lost + more
    return table, stores, lost
