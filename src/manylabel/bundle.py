"""A trained model on disk.

In:  what a model is: labels, thresholds, preprocessing, the names of its parts, its weights.
Out: a folder of plain files, complete or absent, and its reading back.

    config.json          in Hugging Face's manner: labels, backbone, head, preprocessing, rules between labels
    weights.safetensors  all weights
    thresholds.csv       one threshold per label; a user may edit it
    out_of_fold.csv      what chose them, where photos did: their targets, and probabilities by other fits
    facts.json           how it was trained and judged, and the SHA-256 of the other files
    README.md            the model card
    model.onnx           the same for any engine, where it was exported; its SHA-256 is in facts.json, too
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from manylabel.config import HeadName
from manylabel.errors import BundleError, ConfigError
from manylabel.files import file_sha256, write_atomically, writing
from manylabel.out_of_fold import OutOfFold, read_out_of_fold, write_out_of_fold
from manylabel.preprocess import Preprocessing
from manylabel.rules import LabelRules, parse_rules
from manylabel.threshold_files import describe_changes, read_thresholds, write_thresholds
from manylabel.types import FloatArray, IntArray, Thresholds

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
THRESHOLDS_FILE = "thresholds.csv"
OUT_OF_FOLD_FILE = "out_of_fold.csv"
FACTS_FILE = "facts.json"
CARD_FILE = "README.md"
ONNX_FILE = "model.onnx"

# What has no rules can be read by every version; one that knew nothing of rules would break them.
_FORMAT_VERSION, _FORMAT_VERSION_WITH_RULES = 1, 2
_NEEDED_FILES = (CONFIG_FILE, WEIGHTS_FILE, THRESHOLDS_FILE)
_CHECKED_FILES = (CONFIG_FILE, WEIGHTS_FILE)


@dataclass(frozen=True, kw_only=True)
class BundleConfig:
    """Describe the network of a bundle.

    Attributes:
        backbone: Name of the backbone, e.g. ``"resnet50"``.
        head: Name of the head.
        labels: The label names, in the order of the outputs.
        preprocessing: How photos become numbers.
        rules: What decisions obey, maybe nothing.

    Raises:
        ValueError: The rules are about other labels.
    """

    backbone: str
    head: HeadName
    labels: tuple[str, ...]
    preprocessing: Preprocessing
    rules: LabelRules

    def __post_init__(self) -> None:
        """Check that labels and rules fit together."""
        if self.rules.labels != self.labels:
            raise ValueError(f"rules about {self.rules.labels}, the network has labels {self.labels}")


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What a bundle says, apart from its weights.

    Attributes:
        folder: Where it lies.
        config: The network.
        thresholds: One per label, as its file has them now.
        chosen_thresholds: What was chosen [n_labels]; None where facts.json does not tell.
        facts: How it was trained and judged.
    """

    folder: Path
    config: BundleConfig
    thresholds: Thresholds
    chosen_thresholds: FloatArray | None
    facts: Mapping[str, Any]


def write_bundle(  # noqa: PLR0913 - a file of the bundle each
    folder: Path,
    *,
    config: BundleConfig,
    thresholds: Thresholds,
    facts: Mapping[str, Any],
    card: str,
    write_weights: Callable[[Path], None],
    out_of_fold: OutOfFold | None = None,
) -> None:
    """Write the files of a bundle.

    Args:
        folder: An empty folder, or one to be made; ``files.new_folder`` makes it appear only when it is
            complete.
        config: The network.
        thresholds: One per label.
        facts: How it was trained and judged; JSON values.
        card: Text of the model card, Markdown.
        write_weights: Writes the weights to a path.
        out_of_fold: What chose the thresholds; not given: nothing did, or it is not known.

    Raises:
        OutputError: A file cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG_FILE).write_text(_to_json(_config_to_dict(config)), encoding="utf-8")
        write_thresholds(folder / THRESHOLDS_FILE, config.labels, thresholds.values)
        if out_of_fold is not None:
            write_out_of_fold(folder / OUT_OF_FOLD_FILE, out_of_fold)
        (folder / CARD_FILE).write_text(card, encoding="utf-8")
        write_weights(folder / WEIGHTS_FILE)
        # safetensors lets nobody else read what it writes; a bundle is there to be handed on.
        (folder / WEIGHTS_FILE).chmod((folder / CONFIG_FILE).stat().st_mode)
        hashes = {name: file_sha256(folder / name) for name in _NEEDED_FILES}
        whole = {**facts, **_threshold_facts(thresholds), "sha256": hashes}
        (folder / FACTS_FILE).write_text(_to_json(whole), encoding="utf-8")


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle and check its files against the hashes in facts.json.

    Thresholds may have been edited: where that can be known, ``thresholds.changes`` tells it.

    Raises:
        BundleError: It is no bundle, or a file is missing, damaged or of a later version.
    """
    facts = _read_json(folder, FACTS_FILE)
    for name in _NEEDED_FILES:
        if not (folder / name).is_file():
            raise BundleError(
                f"{folder}: is no complete bundle: {name} is missing; those of a run lie in models/ inside it"
            )
    hashes = _hashes_of(facts, folder)
    for name in _CHECKED_FILES:
        if file_sha256(folder / name) != hashes.get(name):
            raise BundleError(
                f"{folder / name}: has changed since the bundle was written (its SHA-256 is not the one in "
                f"{FACTS_FILE}); copy the bundle again or train it anew"
            )
    config = _config_from_dict(_read_json(folder, CONFIG_FILE), folder / CONFIG_FILE)
    chosen = _chosen_thresholds(facts, config.labels)
    is_as_written = file_sha256(folder / THRESHOLDS_FILE) == hashes.get(THRESHOLDS_FILE)
    return Bundle(
        folder=folder,
        config=config,
        thresholds=_read_thresholds(folder, config.labels, facts, chosen, is_as_written=is_as_written),
        chosen_thresholds=chosen,
        facts=facts,
    )


def replace_thresholds(bundle: Bundle, thresholds: Thresholds) -> Path:
    """Write other thresholds into a bundle, and how they were chosen into its facts.json.

    Returns:
        The file that holds them.

    Raises:
        OutputError: A file cannot be written.
    """
    path = bundle.folder / THRESHOLDS_FILE
    write_thresholds(path, bundle.config.labels, thresholds.values)
    # Exported forms are bound to the hashes in facts.json, which stay, as the weights do. The metadata of
    # model.onnx keeps the thresholds of its export; here they are read from the file.
    whole = {**bundle.facts, **_threshold_facts(thresholds)}
    with writing(bundle.folder / FACTS_FILE):
        write_atomically(bundle.folder / FACTS_FILE, _to_json(whole).encode())
    return path


def find_out_of_fold(bundle: Bundle) -> OutOfFold:
    """Return what chose the thresholds of a bundle.

    Raises:
        BundleError: The bundle does not hold it, or the file is damaged.
    """
    path = bundle.folder / OUT_OF_FOLD_FILE
    if not path.is_file():
        raise BundleError(
            f"{bundle.folder}: has no {OUT_OF_FOLD_FILE} to choose thresholds by: an earlier version wrote "
            "the bundle, or no photos were kept from training; train it anew, perhaps with --folds 5, or "
            "give thresholds by hand (--threshold LABEL=VALUE)"
        )
    return read_out_of_fold(path, bundle.config.labels)


def read_hashes(folder: Path) -> dict[str, object]:
    """Return the SHA-256 of the files of a bundle by their names, as facts.json tells them.

    Raises:
        BundleError: There is no facts.json, or it cannot be read.
    """
    return _hashes_of(_read_json(folder, FACTS_FILE), folder)


def read_training_counts(folder: Path, labels: Sequence[str]) -> tuple[IntArray, IntArray] | None:
    """Return how often each label was seen in training.

    Args:
        folder: Folder of the bundle.
        labels: The label names.

    Returns:
        Training photos that carry each label, and those on which it is known, [n_labels] each; None where
        facts.json does not tell, as that of an earlier version or of ``MultiLabelClassifier``.

    Raises:
        BundleError: There is no facts.json, or it cannot be read.
    """
    facts = _read_json(folder, FACTS_FILE)
    try:
        seen = {
            label["name"]: (int(label["train"]), int(label["train_known"]))
            for label in facts["data"]["labels"]
        }
        counts = np.array([seen[label] for label in labels], dtype=np.int64).reshape(-1, 2)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    n_positive, n_known = counts.T
    return (n_positive, n_known) if ((n_positive >= 0) & (n_positive <= n_known)).all() else None


def add_onnx(bundle: Bundle, made: Path, *, facts: Mapping[str, Any]) -> Path:
    """Move an ONNX file into a bundle, and write its SHA-256 into facts.json.

    Args:
        bundle: What the file was made from; a file that lies there is replaced.
        made: The file, on the same disk.
        facts: What else to say about it in facts.json; JSON values.

    Returns:
        Where it lies now.

    Raises:
        OSError: It cannot be written.
    """
    path = bundle.folder / ONNX_FILE
    exports = {"onnx": {**facts, "sha256": file_sha256(made), "bundle": bundle.facts["sha256"]}}
    whole = {**bundle.facts, "exports": {**bundle.facts.get("exports", {}), **exports}}
    # A kill between the two leaves a file that is not the one in facts.json: it is refused, not used.
    made.replace(path)
    write_atomically(bundle.folder / FACTS_FILE, _to_json(whole).encode())
    return path


def read_onnx(bundle: Bundle) -> Path | None:
    """Return the ONNX file of a bundle, checked against facts.json; None where there is none.

    Raises:
        BundleError: It has changed since it was written, or was made from other weights.
    """
    path = bundle.folder / ONNX_FILE
    if not path.is_file():
        return None
    again = f"make it anew: manylabel export {bundle.folder} --to onnx"
    try:
        facts = bundle.facts["exports"]["onnx"]
        is_same, is_ours = file_sha256(path) == facts["sha256"], facts["bundle"] == bundle.facts["sha256"]
    except (KeyError, TypeError) as error:
        raise BundleError(f"{path}: {FACTS_FILE} says nothing of it; {again}") from error
    if not is_same:
        raise BundleError(f"{path}: has changed since it was exported; {again}")
    if not is_ours:
        raise BundleError(f"{path}: was made from another network than that of the bundle; {again}")
    return path


def _to_json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    try:
        values = json.loads((folder / name).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(
            f"{folder}: is no bundle: it has no {name}; give the folder that training wrote"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{folder / name}: cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise BundleError(f"{folder / name}: is damaged: expected a JSON object")
    return values


def _hashes_of(facts: Mapping[str, Any], folder: Path) -> dict[str, object]:
    hashes = _entry(facts, "sha256", folder / FACTS_FILE)
    if not isinstance(hashes, dict):
        raise BundleError(f"{folder / FACTS_FILE}: is damaged: 'sha256' is no JSON object")
    return hashes


def _entry(values: Mapping[str, Any], key: str, path: Path) -> Any:
    if key not in values:
        raise BundleError(f"{path}: is damaged: '{key}' is missing")
    return values[key]


def _config_to_dict(config: BundleConfig) -> dict[str, Any]:
    rules = _rule_texts(config.rules)
    return {
        "format_version": _FORMAT_VERSION_WITH_RULES if rules else _FORMAT_VERSION,
        "problem_type": "multi_label_classification",
        "architecture": config.backbone,
        "head": config.head,
        "num_labels": len(config.labels),
        "id2label": {str(number): label for number, label in enumerate(config.labels)},
        "label2id": {label: number for number, label in enumerate(config.labels)},
        "preprocessing": config.preprocessing.to_dict(),
        **({"rules": rules} if rules else {}),
    }


def _rule_texts(rules: LabelRules) -> dict[str, list[str]]:
    """Return rules as ``parse_rules`` takes them, without the kinds of which there are none."""
    kinds = dict.fromkeys(rule.kind for rule in rules.rules)
    return {kind: [rule.text for rule in rules.rules if rule.kind == kind] for kind in kinds}


def _config_from_dict(values: Mapping[str, Any], path: Path) -> BundleConfig:
    version = _entry(values, "format_version", path)
    if version not in (_FORMAT_VERSION, _FORMAT_VERSION_WITH_RULES):
        is_newer = isinstance(version, int) and version > _FORMAT_VERSION_WITH_RULES
        raise BundleError(
            f"{path}: has format version {version}, this manylabel reads {_FORMAT_VERSION} to "
            f"{_FORMAT_VERSION_WITH_RULES}; {'install a newer one' if is_newer else 'it is damaged'}"
        )
    id2label = _entry(values, "id2label", path)
    try:
        labels = tuple(id2label[str(number)] for number in range(len(id2label)))
        backbone, head = (_entry(values, key, path) for key in ("architecture", "head"))
        if not isinstance(backbone, str) or head not in get_args(HeadName):
            raise ValueError(f"no architecture '{backbone}' with a head '{head}'")
        if not all(isinstance(label, str) for label in labels) or len(set(labels)) < len(labels):
            raise ValueError("the labels are no names, or two have the same")
        return BundleConfig(
            backbone=backbone,
            head=head,
            labels=labels,
            preprocessing=Preprocessing.from_dict(_entry(values, "preprocessing", path)),
            rules=parse_rules(**values.get("rules", {}), labels=labels),
        )
    except (KeyError, TypeError, AttributeError, ValueError, ConfigError) as error:
        raise BundleError(f"{path}: is damaged: {error}") from error


def _threshold_facts(thresholds: Thresholds) -> dict[str, Any]:
    return {"thresholds": thresholds.values.tolist(), "thresholds_origin": thresholds.origin}


def _chosen_thresholds(facts: Mapping[str, Any], labels: Sequence[str]) -> FloatArray | None:
    """Return the thresholds that facts.json tells of; earlier versions told them of trained networks only."""
    try:
        told = facts["thresholds"] if "thresholds" in facts else facts["models"][0]["thresholds"]["values"]
        values = np.array(told, dtype=np.float64)
    except (KeyError, IndexError, TypeError, ValueError):
        return None
    return values if values.shape == (len(labels),) else None


def _read_thresholds(
    folder: Path,
    labels: tuple[str, ...],
    facts: Mapping[str, Any],
    chosen: FloatArray | None,
    *,
    is_as_written: bool,
) -> Thresholds:
    try:
        values = read_thresholds(folder / THRESHOLDS_FILE, labels)
    except ConfigError as error:
        raise BundleError(f"{error}\nMend {THRESHOLDS_FILE}, or copy the bundle again") from error
    thresholds = Thresholds(values=values, origin=str(facts.get("thresholds_origin", "")))
    if is_as_written:
        return thresholds
    edited = f"{folder / THRESHOLDS_FILE} was edited"
    if chosen is None:
        return replace(thresholds, changes=(edited,))
    changed = describe_changes(labels, values, chosen, where="when chosen")
    return thresholds if changed is None else replace(thresholds, changes=(f"{edited}: {changed}",))
