"""Train one model or several on a dataset.

In:  a dataset, names of backbones, settings.
Out: a ``Model``, or a ``Comparison`` of several.
"""

import shutil
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Never, Unpack

from manylabel.bundle.folder import read_bundle
from manylabel.config import DEFAULT_BACKBONE, RunConfig
from manylabel.dataset import Dataset, table_of
from manylabel.errors import ConfigError, OutputError, did_you_mean, kind_of, needs_extra
from manylabel.keywords import RunSettings, settings_from_keywords
from manylabel.model import Model
from manylabel.report.trial_files import file_name
from manylabel.results import RunResults
from manylabel.types import ProgressCallback, ignore_progress

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """Models that were trained and evaluated on the same photos.

    Attributes:
        folder: The run directory, with ``report.html``.
        results: What was measured.
        keep: Kept as long as the comparison, e.g. a temporary folder that holds it.
    """

    folder: Path
    results: RunResults
    keep: object = None
    _open: dict[str, Model] = field(default_factory=dict, init=False, repr=False)

    @property
    def best(self) -> Model:
        """The best model."""
        return self[self.results.best.model]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the backbones."""
        return tuple(model.model for model in self.results.models)

    def __getitem__(self, name: str) -> Model:
        """Return a model by the name of its backbone, the same each time.

        Raises:
            ConfigError: There is none.
        """
        if name not in self.names:
            hint = did_you_mean(name, self.names) or ";"
            raise ConfigError(f"the comparison has no model {name!r}{hint} models: {', '.join(self.names)}")
        if name not in self._open:
            self._open[name] = Model(read_bundle(self.folder / "models" / file_name(name)), keep=self.keep)
        return self._open[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the backbones."""
        return iter(self.names)

    def __len__(self) -> int:
        """Return the number of models."""
        return len(self.names)

    def to_frame(self) -> "pd.DataFrame":
        """Return the table of results: a row per model and baseline, shares in [0, 1]."""
        return self.results.to_frame()

    def report(self) -> Path:
        """Return the report, one page that opens offline."""
        return self.folder / "report.html"

    def __repr__(self) -> str:
        """Describe the comparison in one line."""
        return f"Comparison({self.results!r}; {self.folder})"

    def _repr_html_(self) -> str:
        return self.results._repr_html_()


def train(
    data: Dataset,
    backbone: str = DEFAULT_BACKBONE,
    *,
    out: Path | str | None = None,
    config: RunConfig | None = None,
    on_progress: ProgressCallback = ignore_progress,
    **settings: Unpack[RunSettings],
) -> Model:
    """Train a model and evaluate it.

    Args:
        data: Photos and labels.
        backbone: Name of the backbone, see ``list_models``.
        out: Folder to write the model to; not given: a temporary one, until ``save``.
        config: Settings to start from; not given: the defaults.
        on_progress: Called with the progress.
        settings: Settings by name, e.g. ``tune="head"``, ``epochs=5``, ``folds=5``.

    Raises:
        InputError: A setting, a photo or the weights cannot be used.
        MissingExtraError: torch is not installed.
    """
    table = table_of(data, name="data")
    if not isinstance(backbone, str):
        raise ConfigError(
            f"backbone: given {kind_of(backbone)}, expected a name; to train several, use compare"
        )
    keep = None if out is not None else _TemporaryFolder()
    target = keep.path / "model" if keep is not None else Path(out or "")
    chosen = _config([backbone], target, config, settings)
    with needs_extra("Training", "train"):
        from manylabel.pipeline import train as run

    result = run(chosen, table=table, on_progress=on_progress, is_temporary=keep is not None)
    return Model(read_bundle(result.out), keep=keep)


def compare(
    data: Dataset,
    backbones: Sequence[str] = (DEFAULT_BACKBONE,),
    *,
    out: Path | str | None = None,
    config: RunConfig | None = None,
    on_progress: ProgressCallback = ignore_progress,
    **settings: Unpack[RunSettings],
) -> Comparison:
    """Train models on the same photos, evaluate them on the same photos, write a report.

    Args:
        data: Photos and labels.
        backbones: Names of the backbones.
        out: Run directory to write; not given: a temporary one.
        config: Settings to start from; not given: the defaults.
        on_progress: Called with the progress.
        settings: Settings by name, as for ``train``.

    Raises:
        InputError: As for ``train``.
        MissingExtraError: torch is not installed.
    """
    table = table_of(data, name="data")
    keep = None if out is not None else _TemporaryFolder()
    target = keep.path / "run" if keep is not None else Path(out or "")
    chosen = _config([backbones] if isinstance(backbones, str) else backbones, target, config, settings)
    with needs_extra("Training", "train"):
        from manylabel.pipeline import compare as run

    result = run(chosen, table=table, on_progress=on_progress, is_temporary=keep is not None)
    return Comparison(folder=result.out, results=result.results, keep=keep)


def _config(
    backbones: Sequence[str], out: Path, config: RunConfig | None, settings: RunSettings
) -> RunConfig:
    base = RunConfig() if config is None else config
    if not isinstance(base, RunConfig):
        raise ConfigError(f"config: given {kind_of(base)}, expected a RunConfig, e.g. load_recipe('quick')")
    named = replace(base, out=str(out), model=replace(base.model, names=tuple(backbones)))
    return settings_from_keywords(named, settings)


class _TemporaryFolder:
    """A folder that is deleted with the last object that holds it."""

    def __init__(self) -> None:
        self.path = Path(mkdtemp(prefix="manylabel-"))
        weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)

    def __deepcopy__(self, memo: object) -> "_TemporaryFolder":
        """Return itself: the folder lives as long as the last copy."""
        return self

    def __reduce__(self) -> Never:
        """Refuse to be pickled: the folder may be gone when the pickle is read."""
        raise OutputError(f"{self.path}: is a temporary folder; save the model before you pickle it")
