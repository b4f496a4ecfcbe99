"""Every setting of a run, with its meaning.

In:  values from recipes, options and Python.
Out: frozen dataclasses; the text under a field is its help, its TOML comment and its reference entry.

Reading and writing them as TOML, recipes by name and ``--set`` live in ``recipes.py``.
"""

from dataclasses import dataclass, field
from typing import Literal

BlankMeaning = Literal["absent", "unknown"]
MissingPhotos = Literal["skip", "error"]
FormatName = Literal[
    "auto",
    "one-hot",
    "delimited",
    "folders",
    "hf",
    "coco",
    "voc",
    "label-studio",
    "roboflow",
    "create-ml",
    "cvat",
    "labelme",
]
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
EngineName = Literal["auto", "openvino", "torch", "int8", "onnxruntime"]
ExportName = Literal["onnx", "openvino", "int8"]
ThresholdName = Literal["f1", "accuracy", "cost", "precision", "recall", "half"]

DEFAULT_BACKBONE = "efficientnet_lite0"
"""Its weights come with the installation."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What to learn from."""

    photos: str = ""
    """Folder of the photos, searched with its subfolders."""

    labels: str | None = None
    """Table of labels: a file, or a folder of annotation files. Not given: the photo folder itself is
    asked."""

    format: FormatName = "auto"
    """Form of the labels: one-hot, delimited, folders, hf, coco, voc, label-studio, roboflow, create-ml,
    cvat, labelme, or auto, which guesses and says what it guessed."""

    delimiter: str | None = None
    """Text between two labels of one cell, e.g. ";". Not given: guessed, and said."""

    photo_column: str | None = None
    """Column of a table that names the photos. Not given: the one whose cells are names of photos."""

    label_columns: tuple[str, ...] = ()
    """Columns of a table that are labels, or that list labels. Not given: guessed, and said."""

    ignore: tuple[str, ...] = ()
    """Columns of a table to leave out."""

    sheet: str | None = None
    """Sheet of a workbook. Not given: the first with a table that names photos."""

    header_row: int | None = None
    """Line of a table that names the columns, from 1. Not given: found, and said if it is not the first."""

    blank: BlankMeaning | None = None
    """What a blank cell of a one-hot table means: absent or unknown. Not given: absent where the table only
    marks what is present, e.g. with x, else unknown."""

    missing: MissingPhotos | None = None
    """What to do with lines whose photo is not there: skip or error. Not given: skip where most photos are
    there."""

    min_photos: int = 1
    """Leave out labels on fewer photos than this."""


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Which photos train and which judge, where the table itself does not say."""

    test_fraction: float = 0.2
    """Share of the photos held out for judging, in (0, 1); the study held out 40 of 200. Unused with
    folds."""

    folds: int | None = None
    """Folds of a cross-validation, at least 2. Not given: one hold-out split."""

    val_fraction: float = 0.15
    """Share of the training photos set aside for early stopping, in (0, 1); used only where
    training.patience is given."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which networks, from which weights."""

    names: tuple[str, ...] = (DEFAULT_BACKBONE,)
    """Backbones: efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, a name of torchvision, or
    "timm/NAME"; `manylabel models` lists them."""

    head: HeadName = "linear"
    """What stands on the backbone: one linear layer, an MLP with one hidden layer, or exactly the head of
    the study."""

    init: InitName = "official"
    """Where a backbone starts: its official pre-trained weights, from an installed package or from its hub,
    or random ones."""

    fallback: Literal["error", "random"] = "error"
    """What to do where official weights cannot be had: stop, or go on with random weights. Such a network
    is not ranked beside pre-trained ones: it sees one view of photos of 64 pixels, to show that it runs."""

    weights: tuple[str, ...] = ()
    """Files of pre-trained weights (.pth or .safetensors): "FILE" for a single network, else "NAME=FILE"
    for each."""

    side_px: int | None = None
    """Side of the square picture that a network sees, in pixels. Not given: what its weights were trained
    with."""

    fit: FitName = "squash"
    """How a photo becomes square: "squash" keeps all of it, "crop" keeps its shape and loses the borders,
    where labels may be."""

    orientation: OrientationName = "upright"
    """Whether photos have an upper side: "upright", or "any" for those taken from above or through a
    microscope. Those are turned by quarters in training, and evaluation.tta averages over turned views."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a network learns. Values not given depend on `tune`; every run saves those that it used."""

    tune: TuneName = "top"
    """What learns: the head on cached features of a frozen backbone; the top, that is the head and the last
    stages of the backbone, on cached activations; or the full network."""

    cut: str | None = None
    """With tune=top: the module of the backbone behind which learning starts, e.g. "layer3". Not given: the
    cut above which about a quarter of the backbone's multiplications lie. Far below it, at the
    usual rates, scores fell below those of the head alone."""

    epochs: int | None = None
    """Times that every training photo is seen. Not given, a linear head on a frozen backbone is solved to the
    minimum of its loss, unless batch_size, learning_rate, ema_decay, patience, schedule or warmup_fraction
    is given or the photos are too many to hold all at once."""

    batch_size: int | None = None
    """Photos per step."""

    learning_rate: float | None = None
    """Peak learning rate of the head."""

    body_learning_rate: float | None = None
    """Peak learning rate of what learns of the backbone."""

    weight_decay: float | None = None
    """Decoupled weight decay of AdamW. Where a linear head is solved (see epochs): d in the penalty
    d/2 * |w|^2 on the loss of a label; not given: chosen of 0.03 to 10 by a cross-validation within the
    training photos of each fit, 1 where they do not say otherwise."""

    schedule: ScheduleName = "one_cycle"
    """How the learning rate moves after warm-up: down a cosine wave ("one_cycle" warms up along one too),
    or not at all."""

    warmup_fraction: float = 0.1
    """Share of all steps in which the learning rate rises, in [0, 1)."""

    ema_decay: float | None = None
    """Decay of the moving average of the weights that is kept in the end, in [0, 1); 0 keeps the last
    weights."""

    patience: int | None = None
    """Epochs without a better loss on the validation photos after which training stops. Not given: no
    early stopping."""

    freeze_batch_norm: bool | None = None
    """Whether batch normalisation keeps the statistics it came with. Not given: only where the weights were
    pre-trained; random ones have none worth keeping."""

    head_first: bool | None = None
    """Whether the head learns on the frozen backbone before the top or the whole network learns. Not given:
    only where the weights were pre-trained."""

    learned_share: float | None = None
    """Share of the way from the start of training to its end at which the weights stay, in (0, 1]; where the
    head learned first, less than 1 makes scores of other photos more accurate. Not given: with tune=top after
    the head, what suits the validation photos best, be it nothing, 0.6 with fewer than 40 of them; else 1.
    Networks of random weights keep all."""

    n_views: int | None = None
    """Views of each photo that the head or the top learns from: the photo itself and augmented versions of
    it. Views of evaluation.tta come on top; a head learns from those too."""

    loss: LossName | None = None
    """Binary cross-entropy, positives weighted by n_negative / n_positive of each label, or plain. Not given:
    plain with tune=top and where a linear head is solved (see epochs), else weighted."""

    pos_weight_cap: float = 20.0
    """Largest weight of a positive, at least 1."""

    precision: PrecisionName = "auto"
    """Numbers of the forward pass: bf16 where this machine is faster with it, or as told."""

    device: DeviceName = "auto"
    """Where to compute: the best device found, or as told."""

    engine: TrainingEngineName = "auto"
    """What runs the frozen part of a backbone: OpenVINO on CPUs where it is installed, or as told."""


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig:
    """How a photo is varied in training; the study flipped it and varied its light and color."""

    horizontal_flip: float = 0.5
    """Chance to mirror a photo left to right, in [0, 1]."""

    brightness: float = 0.2
    """Largest relative change of brightness, in [0, 1)."""

    contrast: float = 0.2
    """Largest relative change of contrast, in [0, 1)."""

    saturation: float = 0.2
    """Largest relative change of saturation, in [0, 1)."""

    crop_scale: float = 0.5
    """Smallest share of a photo's area that a random crop keeps, in (0, 1]; 1 switches cropping off."""


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How scores become decisions."""

    thresholds: ThresholdName = "f1"
    """What each label's threshold aims at on photos that training did not see: the best F score ("f1"; see
    beta), most right cells ("accuracy"), least cost (see cost_missed), a target precision or recall (see
    target), or always 0.5 ("half"). Those photos are validation photos or those of folds; see inner_folds."""

    beta: float = 1.0
    """With thresholds=f1: how many times as much recall counts as precision, above 0."""

    target: float = 0.9
    """With thresholds=precision or recall: what each label shall reach, in (0, 1)."""

    cost_missed: float = 1.0
    """With thresholds=cost: what it costs to miss a label that is there, above 0."""

    cost_false: float = 1.0
    """With thresholds=cost: what it costs to give a label that is not there, above 0."""

    calibrate: bool = True
    """Whether scores are calibrated on photos that training did not see, so that of the photos with a score
    of 0.7 seven in ten carry the label; left out where it would not lower the log
    loss of further photos by more than one standard error."""

    inner_folds: bool = True
    """Whether, where neither validation photos nor folds are given, a few more fits give scores to choose
    thresholds, calibration and training.learned_share by: five without a fifth of the training photos each
    until 2,000 have a score, with tune=top three without a third until 300 have one, with tune=full none."""

    learning_curve: bool = True
    """Whether linear heads learn from ever more of the training photos, up to four fifths, to tell whether
    more photos would help; from 40 photos to 100,000 labels of photos."""

    tta: int = 1
    """Views of a photo whose logits are averaged into its scores (test-time augmentation), in [1, 8]:
    the photo itself, its mirror image, its middle, its corners; with model.orientation=any the photo turned
    and mirrored. Each view costs as much time as the first."""


@dataclass(frozen=True, kw_only=True)
class RulesConfig:
    """What is certain about labels: photos that break a rule are told, and every decision obeys all rules."""

    exclusive: tuple[str, ...] = ()
    """Labels of which a photo has no more than one, e.g. ["day | night"]."""

    implies: tuple[str, ...] = ()
    """Labels that never come without another one, e.g. ["boat -> water"]: where a boat is, there is water."""

    at_least_one: tuple[str, ...] = ()
    """Labels of which a photo has one or more, e.g. ["day | night"]."""


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that decides a run."""

    out: str = "runs/latest"
    """Folder for the report, the models and everything else that a run writes."""

    overwrite: bool = False
    """Replace an earlier run in `out` once the new one is complete; a folder with other files is refused."""

    seed: int = 0
    """Seed of every random choice; the same seed gives the same scores on one machine."""

    data: DataConfig = field(default_factory=DataConfig)
    split: SplitConfig = field(default_factory=SplitConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    rules: RulesConfig = field(default_factory=RulesConfig)
