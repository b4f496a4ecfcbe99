"""Keep the models that OpenVINO runs on disk: in a bundle, where they were exported, or in the user's cache.

In:  a bundle, or a model and facts about it.
Out: the model of the bundle, converted where there is none; folders, complete or absent. Files that have
     changed since they were written are refused.

    model.xml   layers and shapes, in OpenVINO's format
    model.bin   its numbers
    model.onnx  the same for other engines, beside 8-bit models
    facts.json  what it was made from, and the SHA-256 of the others
"""

import hashlib
import json
import logging
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manylabel.bundle.folder import (
    CARD_FILE,
    CONFIG_FILE,
    OLD_RESULTS_FILE,
    OUT_OF_FOLD_FILE,
    RESULTS_FILE,
    THRESHOLDS_FILE,
    WEIGHTS_FILE,
    Bundle,
)
from manylabel.bundle.onnx_file import ONNX_FILE, is_made_from, read_onnx
from manylabel.data.split import SPLIT_FILE
from manylabel.engines.openvino_models import import_openvino, read_model
from manylabel.errors import BundleError, OutputError, needs_extra
from manylabel.io.cache import (
    ENGINE_FACTS_FILE,
    cache_limit_bytes,
    default_cache,
    engine_folder,
    make_room,
    mark_used,
)
from manylabel.io.files import file_sha256
from manylabel.io.folders import new_folder
from manylabel.io.untrusted_files import check_plain, read_json

if TYPE_CHECKING:
    import openvino

MODEL_FILE = "model.xml"
NUMBERS_FILE = "model.bin"
FACTS_FILE = ENGINE_FACTS_FILE
OPENVINO_FOLDER, INT8_FOLDER = "openvino", "int8"

_FORMAT_VERSION = 2
_CHECKED_FILES = (MODEL_FILE, NUMBERS_FILE)
_ENGINE_FILES = (*_CHECKED_FILES, ONNX_FILE, FACTS_FILE)
_EXPORTED_FILES = re.compile("|".join(map(re.escape, _ENGINE_FILES)))
_logger = logging.getLogger(__name__)

BUNDLE_FILES = (
    *(CONFIG_FILE, WEIGHTS_FILE, THRESHOLDS_FILE, OUT_OF_FOLD_FILE, CARD_FILE, ONNX_FILE),
    *(RESULTS_FILE, OLD_RESULTS_FILE),
    *(f"{folder}/{name}" for folder in (OPENVINO_FOLDER, INT8_FOLDER) for name in _ENGINE_FILES),
)
"""Every file that a bundle may have, its exports included."""

OWN_FILES = re.compile("|".join(map(re.escape, (*BUNDLE_FILES, SPLIT_FILE))))
"""What overwriting a bundle replaces: nothing else."""


@dataclass(frozen=True, kw_only=True)
class EngineFiles:
    """A model on disk whose files are as they were written.

    Attributes:
        model: The file to open.
        facts: What was written beside it.
    """

    model: Path
    facts: Mapping[str, Any]


def converted_model(bundle: Bundle) -> "openvino.Model | Path":
    """Return the model of a bundle as OpenVINO reads it: from the bundle, else from the cache.

    Where neither has it, it is converted and cached.

    Raises:
        BundleError: The weights do not fit, or an export in the bundle is damaged.
        EngineError: OpenVINO cannot compute the model as torch does.
        MissingExtraError: It has to be converted, and torch is not installed.
        ConfigError: MANYLABEL_CACHE_GB is no positive number.
    """
    check_plain(bundle.folder, OPENVINO_FOLDER)
    if (bundle.folder / OPENVINO_FOLDER).is_dir():
        return _exported_model(bundle, OPENVINO_FOLDER, command="--to openvino")
    folder, limit_bytes = cached_engine(bundle), cache_limit_bytes()
    if folder.exists():
        try:
            model_file = read_engine(folder).model
            mark_used(folder)
            return model_file
        except BundleError as error:
            _logger.warning("%s; the model is converted again", error)
    exported = read_onnx(bundle)
    if exported is not None:
        return exported
    _logger.info("converting the model for this machine: some seconds, once")
    return _convert(bundle, folder, limit_bytes=limit_bytes)


def _convert(bundle: Bundle, folder: Path, *, limit_bytes: int) -> "openvino.Model | Path":
    """Convert the model of a bundle; return it as the cache keeps it, so that every run opens the same."""
    with needs_extra(
        f"Converting {bundle.folder}, which has no exported form (export --to onnx makes one),", "train"
    ):
        from manylabel.engines.conversion import convert_bundle  # not at the top: an extra, and slow

    model = convert_bundle(bundle)
    try:
        facts = {"bundle": bundle.facts["sha256"], "model": bundle.config.backbone}
        write_engine(folder, model, facts=facts)
    except (OSError, OutputError) as error:
        _logger.warning("the converted model could not be kept in %s: %s", folder.parent, error)
        return _as_kept(model)
    make_room(folder, limit_bytes=limit_bytes)
    return folder / MODEL_FILE


def _as_kept(model: "openvino.Model") -> "openvino.Model":
    """Return a model as it is once it was written: in memory, some sums are ordered otherwise."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            save_openvino(model, Path(folder))
            return read_model(Path(folder) / MODEL_FILE)
        except OSError:
            return model


def int8_model(bundle: Bundle) -> Path:
    """Return the quantized model of a bundle.

    Raises:
        BundleError: It has none, or a damaged one.
    """
    check_plain(bundle.folder, INT8_FOLDER)
    if not (bundle.folder / INT8_FOLDER).is_dir():
        raise BundleError(
            f"{bundle.folder}: has no 8-bit version yet; make one: "
            f"manylabel export {bundle.folder} --to int8 --photos FOLDER"
        )
    return _exported_model(bundle, INT8_FOLDER, command="--to int8 --photos FOLDER")


def _exported_model(bundle: Bundle, name: str, *, command: str) -> Path:
    """Return the model in a folder of the bundle, checked against what it was made from."""
    folder = bundle.folder / name
    again = f"export it again: manylabel export {bundle.folder} {command}"
    try:
        files = read_engine(folder)
    except BundleError as error:
        raise BundleError(f"{error}; {again}") from error
    if not is_made_from(files.facts.get("bundle"), bundle):
        raise BundleError(
            f"{folder}: was exported from a different model than the one in this bundle; {again}"
        )
    return files.model


def write_engine(folder: Path, model: "openvino.Model", *, facts: Mapping[str, Any]) -> None:
    """Write a model, its numbers as they are; an older one is replaced once all is written.

    Args:
        folder: The folder to make.
        model: The model.
        facts: JSON values; "sha256" is added.

    Raises:
        OSError: The disk is full or the folder cannot be written to.
        OutputError: The folder is something else, or cannot be written to.
    """
    with new_engine(folder) as unfinished:
        save_openvino(model, unfinished)
        write_facts(unfinished, facts)


def save_openvino(model: "openvino.Model", folder: Path) -> None:
    """Write a model of OpenVINO into a folder, its numbers as they are.

    Raises:
        OSError: The disk is full or the folder cannot be written to.
    """
    try:
        import_openvino().save_model(model, str(folder / MODEL_FILE), compress_to_fp16=False)
    except RuntimeError as error:  # also where the disk is full
        raise OSError(str(error)) from error


@contextmanager
def new_engine(folder: Path) -> Iterator[Path]:
    """Yield an unfinished folder for a model and, by ``write_facts``, its facts; then rename it.

    Args:
        folder: The folder to make; an older one is replaced at the end, and stays where the block raises.

    Raises:
        OutputError: The folder is something else, or cannot be written to.
    """
    with new_folder(folder, replaces=_EXPORTED_FILES) as unfinished:
        yield unfinished


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write what is known of the model in a folder.

    Args:
        folder: Has the files of the model and nothing else.
        facts: JSON values; "sha256" is added.
    """
    hashes = {file.name: file_sha256(file) for file in sorted(folder.iterdir())}
    text = json.dumps({**facts, "sha256": hashes}, indent=2, ensure_ascii=False) + "\n"
    (folder / FACTS_FILE).write_text(text, encoding="utf-8")


def read_engine(folder: Path) -> EngineFiles:
    """Check the files of a model in OpenVINO's format against their hashes.

    Raises:
        BundleError: A file is missing, no plain file, or has changed since it was written.
    """
    try:
        for name in (FACTS_FILE, *_CHECKED_FILES):
            check_plain(folder.parent, f"{folder.name}/{name}")
        facts = read_json(folder / FACTS_FILE)
        for name in _CHECKED_FILES:
            if file_sha256(folder / name) != facts["sha256"][name]:
                raise BundleError(
                    f"{folder / name}: has changed since it was written (its SHA-256 is not the one in "
                    f"{FACTS_FILE})"
                )
    except FileNotFoundError as error:
        raise BundleError(f"{error.filename}: is missing") from error
    except OSError as error:
        raise BundleError(f"{error.filename}: cannot be read: {error.strerror}") from error
    except (KeyError, TypeError) as error:
        raise BundleError(f"{folder / FACTS_FILE}: is damaged: {error}") from error
    return EngineFiles(model=folder / MODEL_FILE, facts=facts)


def cached_engine(bundle: Bundle) -> Path:
    """Return the folder in the user's cache for the converted model of a bundle.

    Its name comes from everything that decides the model: another bundle, or another OpenVINO, is another
    folder.
    """
    decides = {
        "format": _FORMAT_VERSION,
        "files": {name: bundle.facts["sha256"][name] for name in (CONFIG_FILE, WEIGHTS_FILE)},
        "openvino": import_openvino().get_version(),
    }
    key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()
    return engine_folder(default_cache(), key)
