"""The training methods: one file each, one entry in ``METHODS``.

In:  an initial model, photos, targets.
Out: fits: a trained module each, with its losses; scores of any photo.

A new method is a subclass of ``TrainingMethod`` in a file of its own, an entry here, and its name in
``config.TuneName``.
"""

from manylabel.config import HeadName, TrainingConfig
from manylabel.training.methods.base import Fit, FitRows, TrainingMethod, TrainingTask
from manylabel.training.methods.full import FullFineTuning
from manylabel.training.methods.linear_probe import LinearProbe
from manylabel.training.methods.partial import PartialFineTuning

__all__ = [
    "METHODS",
    "Fit",
    "FitRows",
    "FullFineTuning",
    "LinearProbe",
    "PartialFineTuning",
    "TrainingMethod",
    "TrainingTask",
    "fill_defaults",
]

METHODS: dict[str, type[TrainingMethod]] = {
    method.name: method for method in (LinearProbe, PartialFineTuning, FullFineTuning)
}
"""Training methods by ``training.tune``."""


def fill_defaults(training: TrainingConfig, *, head: HeadName = "linear") -> TrainingConfig:
    """Fill in the settings that were not given with the defaults of the training method.

    Args:
        training: The settings.
        head: Name of the head: a linear head alone is solved, unless a setting asks for the loop.

    Examples:
        >>> filled = fill_defaults(TrainingConfig(tune="head", epochs=5))
        >>> filled.epochs, filled.batch_size
        (5, 32)
        >>> fill_defaults(TrainingConfig(tune="head")).epochs is None
        True
    """
    return METHODS[training.tune].fill_defaults(training, head=head)
