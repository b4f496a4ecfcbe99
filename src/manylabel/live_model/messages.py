"""What the labeling page and the processes that learn from its answers send each other.

In:  values.
Out: messages of two pairs of ends: the page and the process that suggests, the page and the one that trains.
"""

import msgspec


class Open(msgspec.Struct, frozen=True, kw_only=True, tag="open"):
    """The photos to learn from, sent once.

    Attributes:
        photos: Absolute paths of the files.
        model: Folder of a trained model, whose features and probabilities are used; None for the default
            backbone.
        cache: Folder of the feature cache.
    """

    photos: list[str]
    model: str | None
    cache: str


class Learn(msgspec.Struct, frozen=True, kw_only=True, tag="learn"):
    """The answers to learn from.

    Attributes:
        revision: Their revision.
        labels: The labels.
        targets: float32 [n_photos, n_labels] as bytes: 1 present, 0 absent, NaN unknown.
    """

    revision: int
    labels: list[str]
    targets: bytes


class FindSimilar(msgspec.Struct, frozen=True, kw_only=True, tag="find similar"):
    """A question for the photos that are most like one photo.

    Attributes:
        row: Number of the photo.
    """

    row: int


class Seen(msgspec.Struct, frozen=True, kw_only=True, tag="seen"):
    """How many photos have been read.

    Attributes:
        n_done: Read photos.
        n_photos: All photos.
    """

    n_done: int
    n_photos: int


class Duplicates(msgspec.Struct, frozen=True, kw_only=True, tag="duplicates"):
    """The near-duplicates, known once all photos have been read.

    Attributes:
        groups: Number of the group of near-duplicates of each photo.
    """

    groups: list[int]


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """How well the head does on labeled photos that it was not trained on, by cross-validation.

    Attributes:
        n_photos: Labeled photos.
        mean_average_precision: mAP, from 0 to 1.
        low: Lower end of its 95 % interval.
        high: Upper end.
        nearest_neighbors: mAP of the nearest neighbors.
        label_prior: mAP of the prevalence of each label.
    """

    n_photos: int
    mean_average_precision: float
    low: float
    high: float
    nearest_neighbors: float
    label_prior: float


class Issue(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is probably wrong.

    Attributes:
        row: Number of the photo.
        label: The label.
        given: The answer: 1 present, 0 absent.
        probability: Probability that the label is present, by a head that did not learn from this photo.
        neighbors: Numbers of the most similar photos with an answer for this label.
    """

    row: int
    label: str
    given: int
    probability: float
    neighbors: list[int]


class Scores(msgspec.Struct, frozen=True, kw_only=True, tag="scores"):
    """What was learned from answers.

    Attributes:
        revision: The revision of the answers.
        labels: The labels.
        probabilities: float32 [n_photos, n_labels] as bytes; NaN where not known.
        estimate: How good they are; None where too few photos are labeled.
        issues: Answers that are probably wrong, the most suspicious first.
        suggested: Numbers of the photos most worth labeling next.
        seconds: How long learning took.
    """

    revision: int
    labels: list[str]
    probabilities: bytes
    estimate: Estimate | None
    issues: list[Issue]
    suggested: list[int]
    seconds: float


class Similar(msgspec.Struct, frozen=True, kw_only=True, tag="similar"):
    """All photos, the most similar to one of them first.

    Attributes:
        row: Number of the photo.
        rows: Numbers of the others.
    """

    row: int
    rows: list[int]


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """Why nothing can be learned.

    Attributes:
        problem: One sentence.
    """

    problem: str


class Train(msgspec.Struct, frozen=True, kw_only=True, tag="train"):
    """What to train, sent once.

    Attributes:
        out: Folder of the run.
        photos: Absolute paths of the photos.
        names: Their names.
        labels: The labels.
        targets: float32 [n_photos, n_labels] as bytes: 1 present, 0 absent, NaN unknown.
        backbones: The backbones to compare.
        recipe: Name of the recipe.
        exclusive, implies, at_least_one: Constraints among labels.
    """

    out: str
    photos: list[str]
    names: list[str]
    labels: list[str]
    targets: bytes
    backbones: list[str]
    recipe: str = "standard"
    exclusive: tuple[str, ...] = ()
    implies: tuple[str, ...] = ()
    at_least_one: tuple[str, ...] = ()


class Stage(msgspec.Struct, frozen=True, kw_only=True, tag="stage"):
    """How far a stage of the training is.

    Attributes:
        subject: What is worked on.
        stage: The stage.
        done: Steps done.
        total: Steps in all.
    """

    subject: str
    stage: str
    done: int
    total: int


class Trained(msgspec.Struct, frozen=True, kw_only=True, tag="trained"):
    """The run is complete."""


ToWorker = Open | Learn | FindSimilar
FromWorker = Seen | Duplicates | Scores | Similar | Failed
ToTrainer = Train
FromTrainer = Stage | Trained | Failed

TO_WORKER: msgspec.msgpack.Decoder[ToWorker] = msgspec.msgpack.Decoder(ToWorker)
FROM_WORKER: msgspec.msgpack.Decoder[FromWorker] = msgspec.msgpack.Decoder(FromWorker)
TO_TRAINER: msgspec.msgpack.Decoder[ToTrainer] = msgspec.msgpack.Decoder(ToTrainer)
FROM_TRAINER: msgspec.msgpack.Decoder[FromTrainer] = msgspec.msgpack.Decoder(FromTrainer)
