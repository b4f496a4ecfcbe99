"""The ways to learn, behind one shape: a file each.

In:  a network at its start, photos, targets.
Out: fits: a trained module each, with its losses; scores of any photo.
"""

from manylabel.config import TuneName
from manylabel.training.learners.base import Fit, FitRows, Learner, Lesson
from manylabel.training.learners.head import HeadLearner
from manylabel.training.learners.top import TopLearner
from manylabel.training.learners.whole import WholeLearner

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
