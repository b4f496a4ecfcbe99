"""Every setting of a run: type, range, default and help in one place.

In:  values from recipes, options and Python; ``recipes.py`` converts and checks them by the types here.
Out: frozen dataclasses. The text under a field, with its range, is its help and its TOML comment.
"""

import sys
from dataclasses import dataclass, field
from typing import Annotated, Literal

from msgspec import Meta

BlankMeaning = Literal["absent", "unknown"]
MissingPhotos = Literal["skip", "error"]
HeadName = Literal["linear", "mlp", "study"]
InitName = Literal["official", "random"]
FitName = Literal["squash", "crop"]
OrientationName = Literal["upright", "any"]
TuneName = Literal["head", "top", "full"]
ScheduleName = Literal["one_cycle", "cosine", "constant"]
LossName = Literal["weighted_bce", "bce", "focal", "asymmetric"]
PrecisionName = Literal["auto", "fp32", "bf16"]
TrainingEngineName = Literal["auto", "openvino", "torch"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]
EngineName = str
"""A key of ``engines.registry.ENGINES``."""
ExportName = str
"""A key of ``exporters.registry.EXPORTERS``."""
ThresholdName = Literal["f1", "accuracy", "cost", "precision", "recall", "half"]

_LARGEST = sys.float_info.max  # keeps infinity out
Text = Annotated[str, Meta(min_length=1)]
Names = Annotated[tuple[Text, ...], Meta(min_length=1, extra={"is_unique": True})]  # see recipes.Setting
Count = Annotated[int, Meta(ge=1)]
FoldCount = Annotated[int, Meta(ge=2)]
ViewCount = Annotated[int, Meta(ge=1, le=8)]
Pixels = Annotated[int, Meta(ge=32, le=4096)]  # below 32 the strides of the usual models leave no pixel
Seed = Annotated[int, Meta(ge=0, le=2**32 - 1)]  # numpy, scikit-learn and torch share 32 bits
Positive = Annotated[float, Meta(gt=0, le=_LARGEST)]
NotNegative = Annotated[float, Meta(ge=0, le=_LARGEST)]
OneOrMore = Annotated[float, Meta(ge=1, le=_LARGEST)]
Fraction = Annotated[float, Meta(gt=0, lt=1)]
FractionOrZero = Annotated[float, Meta(ge=0, lt=1)]
FractionOrOne = Annotated[float, Meta(gt=0, le=1)]
Probability = Annotated[float, Meta(ge=0, le=1)]

DEFAULT_BACKBONE = "efficientnet_lite0"
"""Its weights come with the installation."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """The photos and labels to learn from."""

    photos: str = ""
    """Folder of the photos; subfolders are searched too."""

    labels: Text | None = None
    """Table of labels: a file, or a folder of annotation files. Not given: read from the photo folder."""

    format: str = "auto"
    """Format of the labels, e.g. one-hot or coco; auto detects it and reports what it found."""

    delimiter: Text | None = None
    """Text between two labels in one cell, e.g. ";". Not given: detected and reported."""

    photo_column: Text | None = None
    """Column with the names of the photos. Not given: the one whose cells are names of photos."""

    label_columns: tuple[Text, ...] = ()
    """Columns that are labels, or that list labels. Not given: detected and reported."""

    ignore: tuple[Text, ...] = ()
    """Columns to leave out."""

    sheet: Text | None = None
    """Sheet of a workbook. Not given: the first sheet with a table that names photos."""

    header_row: Count | None = None
    """Line with the column names. Not given: detected, and reported if it is not the first."""

    blank: BlankMeaning | None = None
    """Meaning of a blank cell in a one-hot table: absent or unknown. Not given: absent if the table only
    marks what is present, e.g. with x; otherwise unknown."""

    missing: MissingPhotos | None = None
    """What to do about lines whose photo does not exist: skip or error. Not given: skip if most photos
    exist."""

    min_photos: Count = 1
    """Leave out labels with fewer photos than this."""


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Training and test photos, unless the table itself marks them."""

    test_fraction: Fraction = 0.2
    """Fraction of the photos held out as the test set. Not used with folds."""

    folds: FoldCount | None = None
    """Number of cross-validation folds. Not given: one train/test split."""

    val_fraction: Fraction = 0.15
    """Fraction of the training photos set aside for early stopping; only used with training.patience."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Backbones, heads and initial weights."""

    names: Names = (DEFAULT_BACKBONE,)
    """Backbones: efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, a torchvision name, or
    "timm/NAME"; `manylabel models` lists them. Names joined by "+" form
    one model that uses the features of all; photos are resized as the first one needs."""

    head: HeadName = "linear"
    """Head on top of the backbone: one linear layer, an MLP with one hidden layer, or the head of the recipe
    "study"."""

    init: InitName = "official"
    """Initial weights of a backbone: its official pre-trained weights, from an installed package or its hub,
    or random weights."""

    fallback: Literal["error", "random"] = "error"
    """What to do if the official weights are not available: stop, or use random weights. A model with random
    weights is not ranked with pre-trained ones: it only shows that everything runs, on one view of each
    photo at 64 pixels."""

    weights: tuple[Text, ...] = ()
    """Files of pre-trained weights (.pth or .safetensors): "FILE" for a single model, otherwise "NAME=FILE"
    for each, also for those joined by "+"."""

    side_px: Pixels | None = None
    """Side of the square input image in pixels. Not given: the size the weights were trained with; of
    several models joined by "+", the largest."""

    fit: FitName = "squash"
    """How a photo is made square: "squash" keeps all of it; "crop" keeps its proportions but cuts off the
    borders, where labels may be."""

    orientation: OrientationName = "upright"
    """Whether photos have a top: "upright", or "any" for aerial or microscope images. With "any", training
    also rotates photos by 90 degrees, and evaluation.tta averages over rotated views."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Training. Values not given depend on `tune`; every run saves the values it used."""

    tune: TuneName = "top"
    """What to train: the head (linear probing, on cached features of a frozen backbone); the top (the head
    and the last stages of the backbone, on cached activations); or the full model."""

    split_layer: str | None = None
    """With tune=top: the module of the backbone after which training starts, e.g. "layer3"; for
    models joined by "+", one for all or one for each, e.g. "features.13+layer3". Not given: the
    last stages, about 25 % of the backbone's multiplications, are trained. At the usual learning rates,
    starting much earlier scored worse than training the head alone."""

    epochs: Count | None = None
    """Number of passes over the training photos. Not given: a linear head on a frozen backbone is solved to
    the minimum of its loss, unless batch_size, learning_rate, ema_decay, patience, schedule or
    warmup_fraction is given or the photos do not fit in memory."""

    batch_size: Count | None = None
    """Photos per step."""

    learning_rate: Positive | None = None
    """Peak learning rate of the head."""

    body_learning_rate: NotNegative | None = None
    """Peak learning rate of the trained part of the backbone."""

    weight_decay: NotNegative | None = None
    """Decoupled weight decay of AdamW. For a linear head that is solved (see epochs): d in the penalty
    d/2 * |w|^2 on the loss of each label; not given, each fit chooses it from 0.03 to 10 by cross-validation
    within its training photos, or uses 1 if they do not favor a value."""

    schedule: ScheduleName = "one_cycle"
    """Learning rate after warm-up: cosine decay ("one_cycle" also warms up along a cosine), or constant."""

    warmup_fraction: FractionOrZero = 0.1
    """Fraction of all steps in which the learning rate rises."""

    ema_decay: FractionOrZero | None = None
    """Decay of the exponential moving average of the weights, which becomes the model; 0 keeps the last
    weights."""

    patience: Count | None = None
    """Stop after this many epochs without a lower loss on the validation photos. Not given: no early
    stopping."""

    freeze_batch_norm: bool | None = None
    """Whether batch normalization keeps its pre-trained statistics. Not given: only with pre-trained weights;
    random weights have no statistics worth keeping."""

    head_first: bool | None = None
    """Whether to train the head on the frozen backbone before the top or the full model. Not given: only
    with pre-trained weights."""

    alpha: FractionOrOne | None = None
    """How far to interpolate from the weights before fine-tuning (0) to those after it (1). After head_first,
    less than 1 usually predicts new photos better. Not given: with tune=top after head_first, the best
    value on the validation photos, or 0.6 with fewer than 40 of them; otherwise 1. Models with random weights
    use 1."""

    n_views: Count | None = None
    """Views of each photo to train the head or the top on: the photo itself and augmented versions. The views
    of evaluation.tta are added; a head is trained on those too."""

    loss: LossName | None = None
    """Binary cross-entropy: with positives weighted by n_negative / n_positive of each label, or plain. Not
    given: plain with tune=top and for a linear head that is solved (see epochs), otherwise weighted."""

    pos_weight_cap: OneOrMore = 20.0
    """Largest weight of a positive."""

    precision: PrecisionName = "auto"
    """Precision of the forward pass. auto: bf16 if this machine is faster with it."""

    device: DeviceName = "auto"
    """Device to compute on. auto: the best one found."""

    engine: TrainingEngineName = "auto"
    """Engine for the frozen part of a backbone. auto: OpenVINO on CPUs if it is installed."""


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """Data augmentation; the study used flips and changes of brightness, contrast and saturation."""

    horizontal_flip: Probability = 0.5
    """Probability of mirroring a photo left to right."""

    brightness: FractionOrZero = 0.2
    """Largest relative change of brightness."""

    contrast: FractionOrZero = 0.2
    """Largest relative change of contrast."""

    saturation: FractionOrZero = 0.2
    """Largest relative change of saturation."""

    crop_scale: FractionOrOne = 0.5
    """Smallest fraction of a photo's area that a random crop keeps; 1 turns cropping off."""


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """From probabilities to decisions."""

    thresholds: ThresholdName = "f1"
    """What each label's threshold optimizes: the F score ("f1"; see beta), "accuracy", "cost" (see
    cost_missed), a target "precision" or "recall" (see target), or nothing: 0.5 ("half"). Thresholds are
    chosen on photos that training did not see: validation photos, or those of folds; see inner_folds."""

    beta: Positive = 1.0
    """With thresholds=f1: how many times as much recall counts as precision."""

    target: Fraction = 0.9
    """With thresholds=precision or recall: the value that each label must reach."""

    cost_missed: Positive = 1.0
    """With thresholds=cost: cost of missing a label that is present."""

    cost_false: Positive = 1.0
    """With thresholds=cost: cost of predicting a label that is absent."""

    calibrate: bool = True
    """Whether to calibrate probabilities on photos that training did not see, so that of the photos with a
    probability of 0.7, seven in ten have the label. Skipped unless it lowers the log loss on other photos
    by more than one standard error."""

    inner_folds: bool = True
    """Whether to choose thresholds, calibration and training.alpha by cross-validation within the
    training photos if there are neither validation photos nor folds: up to 5 extra fits, fewer once 2,000
    photos are scored; with tune=top up to 3, fewer once 300 are; with tune=full none."""

    learning_curve: bool = True
    """Whether to train linear heads on growing parts of the training photos, up to 80 %, to estimate whether
    more photos would help. Needs at least 40 photos and at most 100,000 cells (photos x labels)."""

    tta: ViewCount = 1
    """Views of a photo whose logits are averaged (test-time augmentation): the photo, its mirror image, its
    center, its corners; with model.orientation=any, rotated and mirrored photos. Each view costs as much time
    as the first."""


@dataclass(frozen=True, kw_only=True)
class ConstraintsConfig:
    """Constraints among labels: photos that break one are reported, and all decisions obey them."""

    exclusive: tuple[Text, ...] = ()
    """Labels of which a photo has at most one, e.g. ["day | night"]."""

    implies: tuple[Text, ...] = ()
    """Labels that require another label, e.g. ["boat -> water"]: a photo with a boat also shows water."""

    at_least_one: tuple[Text, ...] = ()
    """Labels of which a photo has one or more, e.g. ["day | night"]."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that determines a run."""

    out: Text = "runs/latest"
    """Folder for the report, the models and all other files of the run."""

    overwrite: bool = False
    """Replace an earlier run in `out` once the new one is complete. A folder with other files is never
    replaced."""

    fresh: bool = False
    """Train everything again, even if an interrupted run with the same `out` finished some of it."""

    seed: Seed = 0
    """Seed of every random choice; the same seed gives the same scores on the same machine."""

    data: DataConfig = field(default_factory=DataConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    constraints: ConstraintsConfig = field(default_factory=ConstraintsConfig)


EARLIER_NAMES = {
    "rules": "constraints",
    "training.cut": "training.split_layer",
    "training.learned_share": "training.alpha",
}
"""Sections and settings that had another name in earlier versions, and their names of today."""
