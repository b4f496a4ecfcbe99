"""Let a head learn on the frozen backbone before more than the head learns.

In:  a learner of heads, a fresh copy of a network, the photos of a fit.
Out: the copy, its head trained.

The gradients of a random head would distort the features that the backbone came with (Kumar et al. 2022,
"Fine-tuning can distort pretrained features and underperform out-of-distribution", arXiv:2202.10054).
"""

from dataclasses import replace

from manylabel.config import TrainingConfig
from manylabel.models.classifier import Classifier
from manylabel.training.defaults import fill_defaults, fill_for_start
from manylabel.training.methods.base import NO_ROWS, FitRows, Lesson
from manylabel.training.methods.linear_probe import HeadLearner

HEAD_FIRST_VIEWS = 2


def head_first_lesson(lesson: Lesson) -> Lesson:
    """Return what the head is given to learn before the rest of a lesson."""
    training = lesson.training
    settings = TrainingConfig(
        tune="head",
        n_views=HEAD_FIRST_VIEWS,
        loss=training.loss,
        pos_weight_cap=training.pos_weight_cap,
        precision=training.precision,
        device=training.device,
        engine=training.engine,
    )
    return replace(
        lesson,
        training=fill_for_start(fill_defaults(settings), is_pretrained=True),
        on_step=lambda stage, done, total: lesson.on_step(f"head first: {stage}", done, total),
    )


def start_with_trained_head(classifier: Classifier, head_learner: HeadLearner, rows: FitRows) -> None:
    """Train the head of a network on the photos of a fit.

    Args:
        classifier: Its head is replaced in place; its weights are those that go on learning, under the loss
            of the lesson.
        head_learner: Learns heads on the same photos.
        rows: The photos of the fit.
    """
    fit = head_learner.fit(replace(rows, watched=NO_ROWS, val=NO_ROWS))
    classifier.head.load_state_dict(fit.classifier.head.state_dict())
    # Training goes on under the same loss, so its weights, just undone, are put back.
    classifier.undo_loss_weight(1 / fit.pos_weight)
