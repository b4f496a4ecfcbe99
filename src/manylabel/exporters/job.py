"""What every export is given and gives back.

In:  a bundle, perhaps photos and labels.
Out: where the new files lie, and how they compare.
"""

from dataclasses import dataclass, field
from pathlib import Path

from manylabel.bundle.folder import Bundle
from manylabel.config import DataConfig
from manylabel.errors import PhotoError
from manylabel.exporters.comparison import Comparison
from manylabel.exporters.parity import Parity
from manylabel.types import ProgressCallback, ignore_progress


@dataclass(frozen=True, kw_only=True)
class ExportJob:
    """Hold what an export works on.

    Attributes:
        bundle: What to bring into another form.
        photos: Folder of photos like those that will be scored; None where none is given.
        labels: Table of their labels; None where none is given.
        form: How the table is read; its paths are not used.
        max_difference: Largest difference of a probability from torch's that is accepted; None: what suits
            the form.
        on_progress: Hears of progress.
    """

    bundle: Bundle
    photos: Path | None = None
    labels: Path | None = None
    form: DataConfig = field(default_factory=DataConfig)
    max_difference: float | None = None
    on_progress: ProgressCallback = ignore_progress


@dataclass(frozen=True, kw_only=True)
class Exported:
    """Hold what an export made.

    Attributes:
        path: The new file or folder.
        parity: How far its probabilities lie from those of the network in torch.
        comparison: How right and how fast it is, beside the network as it was; None where not measured.
        n_calibration: Photos that the ranges of 8-bit numbers were read from; None where there are no ranges.
        failures: An error for each photo that could not be read.
    """

    path: Path
    parity: Parity
    comparison: Comparison | None = None
    n_calibration: int | None = None
    failures: tuple[PhotoError, ...] = ()
