"""The model in config.json of a bundle.

In:  labels, preprocessing, backbone and head; or the values of the file.
Out: the values of the file, in the format of Hugging Face; or a checked config.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from manylabel.config import HeadName
from manylabel.constraints import LabelConstraints, parse_constraints
from manylabel.errors import BundleError, ConfigError, visible
from manylabel.preprocess import Preprocessing

# Version 1, without constraints, is readable by every manylabel; one that knows none would break them.
# Version 2 calls them "rules".
_FORMAT_VERSION, _FORMAT_VERSION_WITH_CONSTRAINTS = 1, 3
_MOST_LABELS = 100_000
_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class BundleConfig:
    """The model of a bundle.

    Attributes:
        backbone: Name of the backbone, e.g. ``"resnet50"``.
        head: Name of the head.
        labels: The label names, in the order of the outputs.
        preprocessing: How a photo becomes the input of the backbone.
        constraints: The constraints that decisions obey, perhaps none.

    Raises:
        ValueError: The constraints are about other labels.
    """

    backbone: str
    head: HeadName
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    constraints: LabelConstraints

    def __post_init__(self) -> None:
        """Check that labels and constraints fit together."""
        if self.constraints.labels != self.labels:
            raise ValueError(
                f"constraints about {self.constraints.labels}, the model has labels {self.labels}"
            )


def config_to_dict(config: BundleConfig) -> dict[str, Any]:
    """Return the values of config.json."""
    constraints = _constraint_texts(config.constraints)
    return {
        "format_version": _FORMAT_VERSION_WITH_CONSTRAINTS if constraints else _FORMAT_VERSION,
        "problem_type": "multi_label_classification",
        "architecture": config.backbone,
        "head": config.head,
        "num_labels": len(config.labels),
        "id2label": {str(number): label for number, label in enumerate(config.labels)},
        "label2id": {label: number for number, label in enumerate(config.labels)},
        "preprocessing": config.preprocessing.to_dict(),
        **({"constraints": constraints} if constraints else {}),
    }


def _constraint_texts(constraints: LabelConstraints) -> dict[str, list[str]]:
    """Return constraints as ``parse_constraints`` takes them, without empty kinds."""
    kinds = dict.fromkeys(constraint.kind for constraint in constraints.constraints)
    return {
        kind: [constraint.text for constraint in constraints.constraints if constraint.kind == kind]
        for kind in kinds
    }


def config_from_dict(values: Mapping[str, Any], path: Path) -> BundleConfig:
    """Read the values of config.json.

    Args:
        values: What ``config_to_dict`` returned.
        path: The file, for errors.

    Raises:
        BundleError: They are from a later version or invalid, or a label name is not printable.
    """
    version = _entry(values, "format_version", path)
    if version not in range(_FORMAT_VERSION, _FORMAT_VERSION_WITH_CONSTRAINTS + 1):
        is_newer = isinstance(version, int) and version > _FORMAT_VERSION_WITH_CONSTRAINTS
        raise BundleError(
            f"{path}: has format version {_shorten(version)}, this manylabel reads {_FORMAT_VERSION} to "
            f"{_FORMAT_VERSION_WITH_CONSTRAINTS}; {'install a newer one' if is_newer else 'it is damaged'}"
        )
    id2label = _entry(values, "id2label", path)
    try:
        labels = tuple(id2label[str(number)] for number in range(len(id2label)))
        backbone, head = (_entry(values, key, path) for key in ("architecture", "head"))
        if not isinstance(backbone, str) or head not in get_args(HeadName):
            raise ValueError(f"unknown architecture '{backbone}' with head '{head}'")
        _check_labels(labels)
        return BundleConfig(
            backbone=backbone,
            head=head,
            labels=labels,
            preprocessing=Preprocessing.from_dict(_entry(values, "preprocessing", path)),
            constraints=parse_constraints(
                **values.get("rules" if version == 2 else "constraints", {}), labels=labels
            ),
        )
    except (KeyError, TypeError, AttributeError, ValueError, ConfigError) as error:
        raise BundleError(f"{path}: is damaged: {_shorten(error)}") from error


def _check_labels(labels: tuple[Any, ...]) -> None:
    if not all(isinstance(label, str) for label in labels) or len(set(labels)) < len(labels):
        raise ValueError("labels are not text, or two are the same")
    if not 0 < len(labels) <= _MOST_LABELS:
        raise ValueError(f"there are {len(labels):,} labels, expected 1 to {_MOST_LABELS:,}")
    unseen = [label for label in labels if not label.strip() or visible(label) != label]
    if unseen:
        raise ValueError(f"a label is not printable: '{visible(unseen[0])}'")


def _shorten(value: object) -> str:
    """Return the first line of a text, shortened for an error."""
    text = str(value).partition("\n")[0]
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _entry(values: Mapping[str, Any], key: str, path: Path) -> Any:
    if key not in values:
        raise BundleError(f"{path}: is damaged: '{key}' is missing")
    return values[key]
