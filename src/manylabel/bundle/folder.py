"""A trained model on disk.

In:  what a model is: labels, thresholds, preprocessing, the names of its parts, its weights.
Out: a folder of plain files, complete or absent, and its reading back.

    config.json          in Hugging Face's manner: labels, backbone, head, preprocessing, rules between labels
    weights.safetensors  all weights
    thresholds.csv       one threshold per label; a user may edit it
    out_of_fold.csv      what chose them, where photos did: their targets, and probabilities by other fits
    facts.json           how it was trained and evaluated, and the SHA-256 of the other files
    README.md            the model card; a user may edit it
    model.onnx           the same for any engine, where it was exported; see onnx_file.py

The hashes find damage. They prove nothing to whom the bundle was given: who forges a file can write its hash.
"""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from manylabel.bundle.config_json import BundleConfig as BundleConfig
from manylabel.bundle.config_json import config_from_dict, config_to_dict
from manylabel.bundle.tables import (
    OutOfFold,
    describe_changes,
    read_out_of_fold,
    read_thresholds,
    write_out_of_fold,
    write_thresholds,
)
from manylabel.errors import BundleError, ConfigError, OutputError
from manylabel.io.cache import keep_elsewhere
from manylabel.io.files import LEFT_BEHIND, file_sha256, is_full, write_atomically, writing
from manylabel.io.untrusted_files import check_plain, check_size, read_json
from manylabel.types import FloatArray, IntArray, Thresholds

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
THRESHOLDS_FILE = "thresholds.csv"
OUT_OF_FOLD_FILE = "out_of_fold.csv"
FACTS_FILE = "facts.json"
CARD_FILE = "README.md"

_NEEDED_FILES = (CONFIG_FILE, WEIGHTS_FILE, THRESHOLDS_FILE)
NETWORK_FILES = (CONFIG_FILE, WEIGHTS_FILE)
"""What a network is; thresholds and the model card may be edited."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What a bundle says, apart from its weights.

    Attributes:
        folder: Where it lies.
        config: The network.
        thresholds: One per label, as its file has them now.
        chosen_thresholds: What was chosen [n_labels]; None where facts.json does not tell.
        facts: How it was trained and evaluated.
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
        folder: A folder to be made, or one that holds other files of the bundle, such as its split, and
            nothing else; ``files.new_folder`` makes it appear only when it is complete.
        config: The network.
        thresholds: One per label.
        facts: How it was trained and evaluated; JSON values.
        card: Text of the model card, Markdown.
        write_weights: Writes the weights to a path.
        out_of_fold: What chose the thresholds; not given: nothing did, or it is not known.

    Raises:
        OutputError: A file cannot be written. Where the disk is full and another one has room, the bundle is
            there, and the error says where.
    """

    def fill(folder: Path) -> None:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / CONFIG_FILE).write_text(_to_json(config_to_dict(config)), encoding="utf-8")
            write_thresholds(folder / THRESHOLDS_FILE, config.labels, thresholds.values)
            if out_of_fold is not None:
                write_out_of_fold(folder / OUT_OF_FOLD_FILE, out_of_fold)
            (folder / CARD_FILE).write_text(card, encoding="utf-8")
            write_weights(folder / WEIGHTS_FILE)
            # safetensors lets nobody else read what it writes; a bundle is there to be handed on.
            (folder / WEIGHTS_FILE).chmod((folder / CONFIG_FILE).stat().st_mode)
            hashes = {file.name: file_sha256(file) for file in sorted(folder.iterdir())}
            whole = {**facts, **_threshold_facts(thresholds), "sha256": hashes}
            # Last and whole: a folder that has it is a complete bundle.
            write_atomically(folder / FACTS_FILE, _to_json(whole).encode())

    _fill_or_keep(folder, fill)


def _fill_or_keep(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder; where its disk is full, one on another disk, for training took long."""
    try:
        fill(folder)
    except OutputError as error:
        reason = error.__cause__
        if not isinstance(reason, OSError) or not is_full(reason):
            raise
        shown = Path(*(_final_name(part) for part in folder.parts))
        kept = keep_elsewhere(fill, name=shown.name or "bundle")
        outcome = (
            "no other disk has room for it, either; make room and train it again"
            if kept is None
            else f"the trained model is in {kept} instead; use it there, or move it where there is room"
        )
        raise OutputError(f"{shown}: cannot be written: {reason.strerror}; {outcome}") from error


def _final_name(part: str) -> str:
    """Return what a folder that is still being filled will be called."""
    found = LEFT_BEHIND.fullmatch(part)
    return part if found is None else found[2]


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle and check what is used of it against the hashes in facts.json.

    Thresholds may have been edited: where that can be known, ``thresholds.changes`` tells it.

    Raises:
        BundleError: It is no bundle, or a file is missing, damaged, of a later version, or no plain file.
    """
    facts = _read_json(folder, FACTS_FILE)
    for name in _NEEDED_FILES:
        check_plain(folder, name)
        if not (folder / name).is_file():
            raise BundleError(
                f"{folder}: is no complete bundle: {name} is missing; those of a run lie in models/ inside it"
            )
    hashes = _hashes_of(facts, folder)
    for name in NETWORK_FILES:
        _check_hash(folder, name, hashes)
    config = config_from_dict(_read_json(folder, CONFIG_FILE), folder / CONFIG_FILE)
    chosen = _chosen_thresholds(facts, config.labels)
    check_size(folder / THRESHOLDS_FILE)
    is_as_written = hash_file(folder / THRESHOLDS_FILE) == hashes.get(THRESHOLDS_FILE)
    return Bundle(
        folder=folder,
        config=config,
        thresholds=_read_thresholds(folder, config.labels, facts, chosen, is_as_written=is_as_written),
        chosen_thresholds=chosen,
        facts=facts,
    )


def _check_hash(folder: Path, name: str, hashes: Mapping[str, object]) -> None:
    if hash_file(folder / name) != hashes.get(name):
        raise BundleError(
            f"{folder / name}: has changed since the bundle was written (its SHA-256 is not the one in "
            f"{FACTS_FILE}); copy the bundle again, or train it again"
        )


def check_listed(folder: Path, name: str) -> None:
    """Check a file of a bundle before it is read; where none lies there, nothing is refused.

    Args:
        folder: The bundle.
        name: The file. Bundles of earlier versions list fewer of them: what is not listed is not compared.

    Raises:
        BundleError: It is no plain file, or has changed since it was written.
    """
    check_plain(folder, name)
    if (folder / name).is_file():
        hashes = read_hashes(folder)
        if name in hashes:
            _check_hash(folder, name, hashes)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file of a bundle; a BundleError says that it cannot be read."""
    try:
        return file_sha256(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error


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
    with writing(bundle.folder / FACTS_FILE):
        change_facts(bundle.folder, lambda facts: {**facts, **_threshold_facts(thresholds)})
    return path


def find_out_of_fold(bundle: Bundle) -> OutOfFold:
    """Return what chose the thresholds of a bundle.

    Raises:
        BundleError: The bundle does not hold it, or the file is damaged.
    """
    path = bundle.folder / OUT_OF_FOLD_FILE
    check_listed(bundle.folder, OUT_OF_FOLD_FILE)
    if not path.is_file():
        raise BundleError(
            f"{bundle.folder}: has no {OUT_OF_FOLD_FILE} to choose thresholds by: an earlier version wrote "
            "the bundle, or no photos were kept from training; train it anew, perhaps with --folds 5, or "
            "give thresholds by hand (--threshold LABEL=VALUE)"
        )
    try:
        with np.errstate(invalid="raise"):  # numbers of groups and folds that are none
            return read_out_of_fold(path, bundle.config.labels)
    except (FloatingPointError, OverflowError) as error:
        raise BundleError(f"{path}: is damaged: {error}") from error


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


def change_facts(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Write facts.json anew, from what it says now: another process may have changed it since it was read.

    Args:
        folder: Of the bundle.
        change: Returns the new facts, given those on the disk.

    Raises:
        OSError: It cannot be written.
        BundleError: It is gone, or damaged.
    """
    changed = change(_read_json(folder, FACTS_FILE))
    write_atomically(folder / FACTS_FILE, _to_json(changed).encode())


def _to_json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    check_plain(folder, name)
    try:
        values = read_json(folder / name)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(
            f"{folder}: is no bundle: it has no {name}; give the folder that training wrote"
        ) from error
    if not isinstance(values, dict):
        raise BundleError(f"{folder / name}: is damaged: expected a JSON object")
    return values


def _hashes_of(facts: Mapping[str, Any], folder: Path) -> dict[str, object]:
    if "sha256" not in facts:
        raise BundleError(f"{folder / FACTS_FILE}: is damaged: 'sha256' is missing")
    hashes = facts["sha256"]
    if not isinstance(hashes, dict):
        raise BundleError(f"{folder / FACTS_FILE}: is damaged: 'sha256' is no JSON object")
    return hashes


def _threshold_facts(thresholds: Thresholds) -> dict[str, Any]:
    return {"thresholds": thresholds.values.tolist(), "thresholds_origin": thresholds.origin}


def _chosen_thresholds(facts: Mapping[str, Any], labels: Sequence[str]) -> FloatArray | None:
    """Return the thresholds that facts.json tells of; earlier versions told them of trained networks only."""
    try:
        told = facts["thresholds"] if "thresholds" in facts else facts["models"][0]["thresholds"]["values"]
        values = np.array(told, dtype=np.float64)
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
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
    path = folder / THRESHOLDS_FILE
    try:
        values = read_thresholds(path, labels)
    except csv.Error as error:
        raise BundleError(f"{path}: cannot be read: {error}") from error
    except ConfigError as error:
        raise BundleError(f"{error}\nMend {THRESHOLDS_FILE}, or copy the bundle again") from error
    thresholds = Thresholds(values=values, origin=str(facts.get("thresholds_origin", "")))
    if is_as_written:
        return thresholds
    edited = f"{path} was edited"
    if chosen is None:
        return replace(thresholds, changes=(edited,))
    changed = describe_changes(labels, values, chosen, where="when chosen")
    return thresholds if changed is None else replace(thresholds, changes=(f"{edited}: {changed}",))
