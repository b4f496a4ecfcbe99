"""A trained model on disk.

In:  a model: labels, thresholds, preprocessing, backbone and head, weights; or the folder of a bundle.
Out: a folder of plain files, complete or absent; or the checked bundle.

    config.json          like Hugging Face's: labels, backbone, head, preprocessing, constraints among labels
    weights.safetensors  all weights
    thresholds.csv       one threshold per label; a user may edit it
    out_of_fold.csv      the targets and out-of-fold probabilities that they were chosen by, if any
    results.json         how it was trained and evaluated, and the SHA-256 of the other files
    README.md            the model card; a user may edit it
    model.onnx           the model for any engine, once it is exported; see onnx_file.py

The hashes detect damage, not forgery: anyone who changes a file can also change its hash.
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
from manylabel.io.files import LEFT_BEHIND, file_sha256, is_full, write_atomically, writing
from manylabel.io.spare_folder import keep_elsewhere
from manylabel.io.untrusted_files import check_plain, check_size, read_json
from manylabel.types import FloatArray, IntArray, Thresholds

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.safetensors"
THRESHOLDS_FILE = "thresholds.csv"
OUT_OF_FOLD_FILE = "out_of_fold.csv"
RESULTS_FILE = "results.json"
OLD_RESULTS_FILE = "facts.json"
"""The name of the same file in bundles of earlier versions."""
CARD_FILE = "README.md"

_NEEDED_FILES = (CONFIG_FILE, WEIGHTS_FILE, THRESHOLDS_FILE)
NETWORK_FILES = (CONFIG_FILE, WEIGHTS_FILE)
"""The files that define the model; thresholds and the model card may be edited."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle without its weights.

    Attributes:
        folder: Its folder.
        config: The model.
        thresholds: The thresholds in its file, one per label.
        chosen_thresholds: The thresholds chosen in training [n_labels]; None if results.json has none.
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
        folder: A folder to be made, or one that only contains other files of the bundle, such as its split;
            with ``folders.new_folder``, it appears once it is complete.
        config: The model.
        thresholds: One per label.
        facts: How it was trained and evaluated; JSON values.
        card: Text of the model card, Markdown.
        write_weights: Writes the weights to a path.
        out_of_fold: The predictions that the thresholds were chosen by, if any.

    Raises:
        OutputError: A file cannot be written. If the disk is full, the bundle is written to another disk with
            room, and the error says where.
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
            # safetensors makes its files readable for their owner only; a bundle is meant to be shared.
            (folder / WEIGHTS_FILE).chmod((folder / CONFIG_FILE).stat().st_mode)
            hashes = {file.name: file_sha256(file) for file in sorted(folder.iterdir())}
            whole = {**facts, **_threshold_facts(thresholds), "sha256": hashes}
            # Last and atomically: a folder with this file is a complete bundle.
            write_atomically(folder / RESULTS_FILE, _to_json(whole).encode())

    _fill_or_keep(folder, fill)


def _fill_or_keep(folder: Path, fill: Callable[[Path], None]) -> None:
    """Fill a folder; if its disk is full, one on another disk, since training takes long."""
    try:
        fill(folder)
    except OutputError as error:
        reason = error.__cause__
        if not isinstance(reason, OSError) or not is_full(reason):
            raise
        shown = Path(*(_final_name(part) for part in folder.parts))
        kept = keep_elsewhere(fill, name=shown.name or "bundle")
        outcome = (
            "no other disk has room for it either; make room and train again"
            if kept is None
            else f"the trained model is in {kept} instead; use it there, or move it where there is room"
        )
        raise OutputError(f"{shown}: cannot be written: {reason.strerror}; {outcome}") from error


def _final_name(part: str) -> str:
    """Return the final name of a folder that is being written."""
    found = LEFT_BEHIND.fullmatch(part)
    return part if found is None else found[2]


def results_file(folder: Path) -> str:
    """Return the name of the results of a bundle, which is another one in bundles of earlier versions."""
    is_old = not (folder / RESULTS_FILE).exists() and (folder / OLD_RESULTS_FILE).exists()
    return OLD_RESULTS_FILE if is_old else RESULTS_FILE


def read_bundle(folder: Path) -> Bundle:
    """Read a bundle, and check the model against the hashes in results.json.

    Thresholds may have been edited; ``thresholds.changes`` lists known edits.

    Raises:
        BundleError: It is not a bundle, or a file is missing, damaged, of a later version or not plain.
    """
    facts = _read_json(folder, results_file(folder))
    for name in _NEEDED_FILES:
        check_plain(folder, name)
        if not (folder / name).is_file():
            raise BundleError(
                f"{folder}: is not a complete bundle: {name} is missing; those of a run are in its models/"
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
            f"{folder / name}: has changed since the bundle was written (its SHA-256 differs from the one "
            f"in {results_file(folder)}); copy the bundle again, or train again"
        )


def check_listed(folder: Path, name: str) -> None:
    """Check a file of a bundle, if it exists, before it is read.

    Args:
        folder: The bundle.
        name: The file. Bundles of earlier versions have fewer hashes; a file without one is not compared.

    Raises:
        BundleError: It is not a plain file, or has changed since it was written.
    """
    check_plain(folder, name)
    if (folder / name).is_file():
        hashes = read_hashes(folder)
        if name in hashes:
            _check_hash(folder, name, hashes)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file of a bundle; raise a BundleError if it cannot be read."""
    try:
        return file_sha256(path)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read: {error.strerror or error}") from error


def replace_thresholds(bundle: Bundle, thresholds: Thresholds) -> Path:
    """Write new thresholds to a bundle, and how they were chosen to its results.json.

    Returns:
        Their file.

    Raises:
        OutputError: A file cannot be written.
    """
    path = bundle.folder / THRESHOLDS_FILE
    write_thresholds(path, bundle.config.labels, thresholds.values)
    # Exports are bound to the hashes in results.json, which do not change, like the weights. The metadata of
    # model.onnx keeps the thresholds of its export; manylabel reads them from thresholds.csv.
    with writing(bundle.folder / results_file(bundle.folder)):
        change_facts(bundle.folder, lambda facts: {**facts, **_threshold_facts(thresholds)})
    return path


def find_out_of_fold(bundle: Bundle) -> OutOfFold:
    """Return the out-of-fold predictions that the thresholds of a bundle were chosen by.

    Raises:
        BundleError: The bundle has none, or the file is damaged.
    """
    path = bundle.folder / OUT_OF_FOLD_FILE
    check_listed(bundle.folder, OUT_OF_FOLD_FILE)
    if not path.is_file():
        if OUT_OF_FOLD_FILE in bundle.facts["sha256"]:
            raise BundleError(f"{path}: is missing; copy the bundle again, or train again")
        raise BundleError(
            f"{bundle.folder}: has no {OUT_OF_FOLD_FILE} to choose thresholds from: it is from an earlier "
            "version, or all photos were used for training; train again, e.g. with --folds 5, or give "
            "thresholds yourself (--threshold LABEL=VALUE)"
        )
    try:
        with np.errstate(invalid="raise"):  # invalid numbers of groups and folds
            return read_out_of_fold(path, bundle.config.labels)
    except (FloatingPointError, OverflowError) as error:
        raise BundleError(f"{path}: is damaged: {error}") from error


def read_hashes(folder: Path) -> dict[str, object]:
    """Return the SHA-256 of the files of a bundle by name, from results.json.

    Raises:
        BundleError: There is no results.json, or it cannot be read.
    """
    return _hashes_of(_read_json(folder, results_file(folder)), folder)


def read_training_counts(folder: Path, labels: Sequence[str]) -> tuple[IntArray, IntArray] | None:
    """Return how often each label occurred in training.

    Args:
        folder: Folder of the bundle.
        labels: The label names.

    Returns:
        Number of training photos with each label, and of those where it is known, [n_labels] each; None if
        results.json has none, e.g. of an earlier version or of ``MultiLabelClassifier``.

    Raises:
        BundleError: There is no results.json, or it cannot be read.
    """
    facts = _read_json(folder, results_file(folder))
    try:
        # Before version 3 the counts were called "train" and "train_known".
        seen = {
            label["name"]: (
                int(label.get("n_train", label.get("train"))),
                int(label.get("n_train_known", label.get("train_known"))),
            )
            for label in facts["data"]["labels"]
        }
        counts = np.array([seen[label] for label in labels], dtype=np.int64).reshape(-1, 2)
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        return None
    n_positive, n_known = counts.T
    return (n_positive, n_known) if ((n_positive >= 0) & (n_positive <= n_known)).all() else None


def change_facts(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change results.json as it is now: another process may have changed it since it was read.

    Args:
        folder: Folder of the bundle.
        change: Returns the new facts, given those on disk.

    Raises:
        OSError: It cannot be written.
        BundleError: It is missing or damaged.
    """
    changed = change(_read_json(folder, results_file(folder)))
    write_atomically(folder / results_file(folder), _to_json(changed).encode())


def _to_json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    check_plain(folder, name)
    try:
        values = read_json(folder / name)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleError(
            f"{folder}: is not a bundle: it has no {name}; give the folder of a trained model"
        ) from error
    if not isinstance(values, dict):
        raise BundleError(f"{folder / name}: is damaged: expected a JSON object")
    return values


def _hashes_of(facts: Mapping[str, Any], folder: Path) -> dict[str, object]:
    if "sha256" not in facts:
        raise BundleError(f"{folder / results_file(folder)}: is damaged: 'sha256' is missing")
    hashes = facts["sha256"]
    if not isinstance(hashes, dict):
        raise BundleError(f"{folder / results_file(folder)}: is damaged: 'sha256' is not a JSON object")
    return hashes


def _threshold_facts(thresholds: Thresholds) -> dict[str, Any]:
    return {"thresholds": thresholds.values.tolist(), "thresholds_origin": thresholds.origin}


def _chosen_thresholds(facts: Mapping[str, Any], labels: Sequence[str]) -> FloatArray | None:
    """Return the thresholds in results.json; earlier versions only wrote those of trained models."""
    try:
        kept = facts["thresholds"] if "thresholds" in facts else facts["models"][0]["thresholds"]["values"]
        values = np.array(kept, dtype=np.float64)
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
        raise BundleError(f"{error}\nCorrect {THRESHOLDS_FILE}, or copy the bundle again") from error
    thresholds = Thresholds(values=values, origin=str(facts.get("thresholds_origin", "")))
    if is_as_written:
        return thresholds
    edited = f"{path} was edited"
    if chosen is None:
        return replace(thresholds, changes=(edited,))
    changed = describe_changes(labels, values, chosen, where="when chosen")
    return thresholds if changed is None else replace(thresholds, changes=(f"{edited}: {changed}",))
