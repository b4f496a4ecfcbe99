"""Score batches of a data library: Ray Data, Spark, Dask.

In:  a batch, i.e. columns of paths or pixels.
Out: the batch with columns for labels and probabilities.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from manylabel.bundle.folder import read_bundle
from manylabel.bundle.tables import ThresholdSource
from manylabel.config import DeviceName, EngineName, PrecisionName
from manylabel.constraints import decide_with_constraints
from manylabel.data.given_photos import as_photo
from manylabel.data.remote import locate_photo
from manylabel.engines.base import PixelPredictor
from manylabel.engines.registry import open_predictor
from manylabel.engines.stream import stream_files
from manylabel.errors import InputError
from manylabel.io.csv_text import label_columns
from manylabel.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd

_LABELS, _ERROR = "labels", "error"


class Scorer:
    """A trained model that Ray Data, Spark and Dask call on batches.

    Only its settings are pickled; every process opens the model when it scores its first batch.

    Args:
        bundle: Folder of the model, which every machine sees under the same path.
        path_column: Column with the paths or URLs of photos.
        image_column: Column with pixels; where a batch has it, no file is read.
        engine: What computes: "auto" takes OpenVINO on a CPU, else torch.
        device: Where to compute.
        precision: What to compute in.
        thresholds: As for ``predict_batches``.
    """

    def __init__(  # noqa: PLR0913 - independent settings
        self,
        bundle: Path | str,
        *,
        path_column: str = "path",
        image_column: str = "image",
        engine: EngineName = "auto",
        device: DeviceName = "auto",
        precision: PrecisionName = "auto",
        thresholds: ThresholdSource | Sequence[ThresholdSource] | None = None,
    ) -> None:
        """Store the settings."""
        self._bundle = Path(bundle).absolute()
        self._path_column, self._image_column = path_column, image_column
        self._engine: EngineName = engine
        self._device: DeviceName = device
        self._precision: PrecisionName = precision
        self._thresholds = thresholds
        self._predictor: PixelPredictor | None = None
        self._lock = Lock()

    def __call__(self, batch: "Mapping[str, ArrayLike] | pd.DataFrame") -> dict[str, NDArray[Any]]:
        """Score a batch.

        Args:
            batch: Columns of equal length [n_photos], or a data frame: paths or URLs, or uint8 pixels
                [height, width, 3] each.

        Returns:
            The columns of the batch, except the pixels; ``labels``, the predicted labels, joined by ``;``,
            the most probable first; ``error``, why a photo cannot be read, else empty; a column of
            probabilities per label, NaN if a photo cannot be read. If a label has the name of another
            column, its probabilities are in ``"NAME (score)"``.

        Raises:
            InputError: The batch has neither column, or the model cannot be opened.
            TableError: A cell of the pixel column holds no image.
        """
        if not isinstance(batch, Mapping) and not hasattr(batch, "columns"):
            raise InputError(
                f"Scorer: given {type(batch).__name__}, expected a mapping of columns or a data frame, e.g. "
                f"{{'{self._path_column}': ['a.jpg']}}"
            )
        has_pixels = self._image_column in batch
        if not has_pixels and self._path_column not in batch:
            raise InputError(
                f"Scorer: the batch has no column '{self._path_column}' (paths) or '{self._image_column}' "
                f"(pixels); its columns: {', '.join(map(str, batch)) or 'none'}"
            )
        cells = [*np.asarray(batch[self._image_column if has_pixels else self._path_column])]
        predictor = self._opened()
        values, errors = (_score_images if has_pixels else _score_files)(predictor, cells)
        decided = decide_with_constraints(predictor.constraints, np.nan_to_num(values), predictor.thresholds)
        decided &= ~np.isnan(values)
        kept = {str(name): np.asarray(column) for name, column in batch.items() if name != self._image_column}
        if taken := [name for name in (_LABELS, _ERROR) if name in kept]:
            raise InputError(
                f"Scorer: the batch has the column '{taken[0]}', which the result needs; rename or drop it"
            )
        columns = label_columns(predictor.labels, others=[*kept, _LABELS, _ERROR])
        return {
            **kept,
            _LABELS: _names(predictor.labels, values, decided),
            _ERROR: np.array(errors, dtype=object),
            **{name: values[:, column] for column, name in enumerate(columns)},
        }

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the label names.

        Raises:
            BundleError: There is no such model.
        """
        return read_bundle(self._bundle).config.labels

    def _opened(self) -> PixelPredictor:
        """Return the open model; threads of one process share it."""
        with self._lock:
            if self._predictor is None:
                self._predictor = open_predictor(
                    self._bundle,
                    engine=self._engine,
                    device=self._device,
                    precision=self._precision,
                    workload="many",
                    thresholds=self._thresholds,
                )
            return self._predictor

    def __getstate__(self) -> dict[str, object]:
        """Return only the settings; the open model is not pickled."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_predictor", "_lock")}

    def __setstate__(self, settings: dict[str, object]) -> None:
        """Take the settings; the model is not open yet."""
        self.__dict__.update(settings)
        self._predictor, self._lock = None, Lock()


def _score_images(predictor: PixelPredictor, cells: Sequence[object]) -> tuple[FloatArray, list[str]]:
    """Return probabilities [n_photos, n_labels], and no errors."""
    values = np.full((len(cells), len(predictor.labels)), np.nan)
    side_px = predictor.preprocessing.side_px
    images = [as_photo(cell, where=f"image[{row}]", side_px=side_px) for row, cell in enumerate(cells)]
    if images:
        values[:] = predictor.predict_proba(images)
    return values, [""] * len(cells)


def _score_files(predictor: PixelPredictor, cells: Sequence[object]) -> tuple[FloatArray, list[str]]:
    """Return probabilities [n_photos, n_labels], and why a photo is unreadable; its row is NaN."""
    values, errors = np.full((len(cells), len(predictor.labels)), np.nan), [""] * len(cells)
    names = [str(cell) if isinstance(cell, str | Path) else "" for cell in cells]
    for predictions in stream_files(predictor, list(map(locate_photo, names)), names=names):
        values[predictions.rows] = predictions.scores.values
        for row, failure in zip(predictions.failure_rows.tolist(), predictions.failures, strict=True):
            errors[row] = failure.reason
    return values, errors


def _names(labels: Sequence[str], values: FloatArray, decided: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the predicted labels of each photo, joined by ``;``, the most probable first [n_photos]."""
    order = np.argsort(-values, axis=1)
    return np.array(
        [
            ";".join(labels[column] for column in of_photo if given[column])
            for of_photo, given in zip(order.tolist(), decided, strict=True)
        ],
        dtype=object,
    )
