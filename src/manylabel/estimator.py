"""A multi-label photo classifier in scikit-learn's manner.

In:  photos (files, Pillow images or arrays) and an indicator matrix or lists of labels.
Out: an estimator with ``predict``, ``predict_proba``, ``classes_`` and ``thresholds_``.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import MultiLabelBinarizer
from sklearn.utils.validation import check_is_fitted

from manylabel.config import DEFAULT_BACKBONE, HeadName, ModelConfig, RunConfig, TuneName
from manylabel.constraints import decide_with_constraints, parse_constraints
from manylabel.data.duplicates import find_duplicates
from manylabel.data.formats.label_names import find_unusable_names
from manylabel.data.given_photos import as_photo, list_given
from manylabel.errors import TableError, needs_extra
from manylabel.io.cache import default_cache
from manylabel.recipes import apply_settings, check_config
from manylabel.types import FloatArray, IntArray, ProgressCallback, Split, ignore_progress

if TYPE_CHECKING:
    from manylabel.training.photo_store import PhotoStore

Photo = str | Path | Image.Image | NDArray[np.uint8]
Photos = Sequence[Photo]
Labels = ArrayLike | Sequence[Collection[str]]


class MultiLabelClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify photos that may carry none, one or several labels.

    Args:
        backbone: Name of the model, as ``manylabel models`` lists them.
        head: What stands on the backbone.
        tune: What learns: the head on cached features, the top of the model on cached activations, or
            all of it.
        weights: File of pre-trained weights; not given: the official ones.
        settings: Any other setting as ``"section.key=value"``, e.g. ``["training.epochs=20"]``.
        random_state: Seed of every random choice.

    Attributes:
        classes_: The labels [n_labels]: names, or column numbers where ``y`` had no names.
        thresholds_: The score from which on a label counts as present [n_labels], chosen on out-of-fold
            scores; 0.5 with fewer than 20 photos, and where ``tune`` is "full", whose folds would take long.
        n_parameters_: Number of parameters of the model.

    Examples:
        >>> from PIL import Image
        >>> photos = [Image.new("RGB", (64, 64), color) for color in ("red", "blue", "purple", "black")]
        >>> labels = [{"red"}, {"blue"}, {"red", "blue"}, set()]
        >>> settings = ["model.init=random", "model.side_px=64", "training.epochs=1"]
        >>> classifier = MultiLabelClassifier("squeezenet1_1", settings=settings).fit(photos, labels)
        >>> classifier.classes_.tolist()
        ['blue', 'red']
        >>> classifier.predict_proba(photos).shape
        (4, 2)
    """

    def __init__(
        self,
        backbone: str = DEFAULT_BACKBONE,
        *,
        head: HeadName = "linear",
        tune: TuneName = "top",
        weights: str | Path | None = None,
        settings: Sequence[str] = (),
        random_state: int = 0,
    ) -> None:
        """Keep the settings as they are, as scikit-learn asks for."""
        self.backbone = backbone
        self.head = head
        self.tune = tune
        self.weights = weights
        self.settings = settings
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn that rows are photos, and that each may carry several labels."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.classifier_tags.multi_class = False
        tags.target_tags.two_d_labels = True
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags

    def fit(self, X: Photos, y: Labels, *, on_progress: ProgressCallback = ignore_progress) -> Self:
        """Learn from labeled photos.

        Args:
            X: Photos [n_photos].
            y: Indicator matrix [n_photos, n_labels] of 1, 0 and NaN (unknown), a data frame of the same,
                whose columns name the labels, or a collection of label names per photo.
            on_progress: Hears of progress: ``on_progress=print`` shows every step.

        Raises:
            TableError: A photo cannot be read, ``y`` does not fit ``X``, or no photo carries some label.
        """
        with needs_extra("Training", "train"):
            from manylabel.models.classifier import build_initial_classifiers, settings_for
            from manylabel.training.cross_validation import Experiment
            from manylabel.training.trial import run_trial

        photos = _list_photos(X)
        names, targets = read_targets(y, n_photos=len(photos))
        check_learnable(names, targets)
        config = self._config()
        [(start, provenance)] = build_initial_classifiers(
            config.model,
            labels=[str(name) for name in names],
            tta=config.evaluation.tta,
            seed=config.seed,
        )
        none = np.empty(0, dtype=np.int64)
        store = _read_photos(photos, side_px=start.preprocessing.side_px)
        groups = find_duplicates(store.fingerprints).groups
        experiment = Experiment(
            store=store,
            targets=targets,
            split=Split(train=np.arange(len(photos)), val=none, test=none, groups=groups),
            config=settings_for(provenance, config),
            constraints=parse_constraints(**asdict(config.constraints), labels=[str(name) for name in names]),
            cache=default_cache(),
            on_progress=on_progress,
        )
        trained = run_trial(start, provenance, experiment)
        self.predictor_ = trained.predictor
        self.classes_ = names
        self.thresholds_ = trained.trial.thresholds.values
        self.n_parameters_ = trained.trial.parameters
        return self

    def predict_proba(self, X: Photos) -> FloatArray:
        """Return probabilities [n_photos, n_labels].

        Raises:
            TableError: A photo cannot be read.
        """
        check_is_fitted(self)
        store = _read_photos(_list_photos(X), side_px=self.predictor_.side_px)
        return self.predictor_.predict_proba([store[row] for row in range(len(store))])

    def predict(self, X: Photos) -> IntArray:
        """Return which labels are present, 1 or 0 [n_photos, n_labels]; the constraints are obeyed."""
        scores = self.predict_proba(X)
        thresholds = replace(self.predictor_.thresholds, values=self.thresholds_)
        return decide_with_constraints(self.predictor_.constraints, scores, thresholds).astype(np.int64)

    def save_pretrained(self, folder: Path | str, *, overwrite: bool = False) -> None:
        """Write the trained classifier as a bundle, which every command of manylabel reads.

        Label names become text; thresholds are kept, settings that only concern training are not.

        Args:
            folder: Folder to make; it may exist empty.
            overwrite: Replace a bundle in the folder, with all its exported forms.

        Raises:
            NotFittedError: It has not learned yet.
            OutputError: The folder is taken, or cannot be written to.
        """
        from manylabel.pretrained import save_bundle

        check_is_fitted(self)
        thresholds = replace(self.predictor_.thresholds, values=self.thresholds_)
        save_bundle(Path(folder), self.predictor_, head=self.head, thresholds=thresholds, overwrite=overwrite)

    @classmethod
    def from_pretrained(cls, name: Path | str) -> Self:
        """Return a trained classifier.

        Args:
            name: Folder of a bundle, or a repository on the Hugging Face hub that holds one.

        Raises:
            BundleError: There is no such folder or repository, or what is there is no bundle.
            MissingExtraError: torch or the hub's library is not installed.
        """
        with needs_extra("Using a trained classifier from Python", "train"):
            from manylabel.engines.torch import torch_predictor
            from manylabel.pretrained import find_bundle

        bundle = find_bundle(name)
        classifier = cls(bundle.config.backbone, head=bundle.config.head)
        classifier.predictor_ = torch_predictor(bundle)
        classifier.classes_ = np.array(bundle.config.labels)
        classifier.thresholds_ = bundle.thresholds.values
        classifier.n_parameters_ = classifier.predictor_.classifier.n_parameters
        return classifier

    def _config(self) -> RunConfig:
        weights = () if self.weights is None else (str(self.weights),)
        model = ModelConfig(names=(self.backbone,), head=self.head, weights=weights)
        config = RunConfig(seed=self.random_state, model=model)
        # Nobody sees a learning curve here.
        unseen = "evaluation.learning_curve=false"
        config = apply_settings(config, [f"training.tune={self.tune}", unseen, *self.settings])
        check_config(config)
        return config


def read_targets(y: Labels, *, n_photos: int) -> tuple[NDArray[Any], FloatArray]:
    """Return the label names [n_labels] and the targets [n_photos, n_labels].

    Args:
        y: As for ``MultiLabelClassifier.fit``.
        n_photos: How many rows are expected.

    Raises:
        TableError: The rows are not as many as the photos, or a value is something else than 0, 1 and NaN.
    """
    try:
        names, targets = _as_matrix(y)
    except (TypeError, ValueError) as error:
        expected = "expected an indicator matrix of 1, 0 and NaN, or the label names of each photo"
        raise TableError([f"y: {expected} ({error})"]) from error
    if targets.ndim != 2 or len(targets) != n_photos or not targets.shape[1]:
        raise TableError([f"y has shape {targets.shape}, expected ({n_photos}, number of labels)"])
    if not (np.isnan(targets) | np.isin(targets, (0.0, 1.0))).all():
        raise TableError(["y holds values other than 1 (present), 0 (absent) and NaN (unknown)"])
    return names, targets


def check_learnable(names: NDArray[Any], targets: FloatArray) -> None:
    """Check that each label has a name that can be kept, and some photo carries it.

    Raises:
        TableError: A name cannot be shown or written, or nothing can be learned of a label.
    """
    unusable = find_unusable_names(map(str, names), where="y")
    twice = [name for name, n in Counter(map(str, names)).items() if n > 1]
    if unusable:
        raise TableError(unusable)
    if twice:
        raise TableError([f"y: more than one column is called '{name}'" for name in twice])
    never = [str(name) for name, column in zip(names, targets.T, strict=True) if not (column == 1).any()]
    if never:
        raise TableError(
            [f"y: no photo carries {', '.join(never[:10])}, so nothing can be learned of it; leave it out"]
        )


def _as_matrix(y: Any) -> tuple[NDArray[Any], FloatArray]:
    if hasattr(y, "columns"):
        return np.asarray(y.columns), y.to_numpy(dtype=np.float64, na_value=np.nan)
    if getattr(y, "dtype", None) == np.object_ and hasattr(y, "tolist"):
        return _as_matrix(y.tolist())  # lists of labels in a column of a data frame or an array
    is_listed = isinstance(y, Sequence) and all(isinstance(row, set | frozenset | list | tuple) for row in y)
    if isinstance(y, Sequence) and is_listed and _has_text(y):
        binarizer = MultiLabelBinarizer()
        targets = np.asarray(binarizer.fit_transform(y), dtype=np.float64)
        return np.asarray(binarizer.classes_), targets
    targets = np.asarray(y, dtype=np.float64)
    return np.arange(targets.shape[1] if targets.ndim == 2 else 0), targets


def _has_text(y: Sequence[Any]) -> bool:
    """Say whether rows hold label names; rows of numbers are an indicator matrix."""
    return any(isinstance(item, str) for row in y for item in row) or not any(len(row) for row in y)


def _list_photos(X: Photos) -> list[Any]:
    if isinstance(X, str | Path | Image.Image):
        raise TableError(["X: expected a list of photos; put a single photo into a list: [photo]"])
    return list_given(X, name="X")


def _read_photos(photos: Photos, *, side_px: int) -> "PhotoStore":
    from manylabel.training.photo_store import read_store, store_of_images

    if all(isinstance(photo, str | Path) for photo in photos):
        store, _, failures = read_store([Path(str(photo)) for photo in photos], side_px=side_px)
        if failures:
            raise TableError([str(failure) for failure in failures[:20]])
        return store
    images = [as_photo(photo, where=f"X[{row}]", side_px=side_px) for row, photo in enumerate(photos)]
    return store_of_images(images, side_px=side_px)
