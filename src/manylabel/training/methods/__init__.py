"""The ways to learn, behind one shape: a file each.

In:  a network at its start, photos, targets.
Out: fits: a trained module each, with its losses; scores of any photo.
"""

from manylabel.config import TuneName
from manylabel.training.methods.base import Fit, FitRows, Learner, Lesson
from manylabel.training.methods.full import WholeLearner
from manylabel.training.methods.linear_probe import HeadLearner
from manylabel.training.methods.partial import TopLearner

__all__ = [
    "LEARNERS",
    "AnyLearner",
    "Fit",
    "FitRows",
    "HeadLearner",
    "Learner",
    "Lesson",
    "TopLearner",
    "WholeLearner",
]

AnyLearner = HeadLearner | TopLearner | WholeLearner

LEARNERS: dict[TuneName, type[AnyLearner]] = {
    "head": HeadLearner,
    "top": TopLearner,
    "full": WholeLearner,
}
"""What learns, by ``training.tune``."""
