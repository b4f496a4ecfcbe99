"""Keep models that an engine runs on disk.

In:  a model, and facts about it.
Out: a folder, complete or absent, and its reading back; whatever is not as it was written is refused.

    model.xml   layers and shapes, in OpenVINO's form
    model.bin   its numbers
    model.onnx  the same for other engines, beside 8-bit models
    facts.json  what it was made from, and the SHA-256 of the others
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manylabel.bundle.folder import (
    CARD_FILE,
    CONFIG_FILE,
    OUT_OF_FOLD_FILE,
    THRESHOLDS_FILE,
    WEIGHTS_FILE,
    Bundle,
)
from manylabel.bundle.onnx_file import ONNX_FILE
from manylabel.errors import BundleError
from manylabel.io.cache import ENGINE_FACTS_FILE, default_cache, engine_folder
from manylabel.io.files import file_sha256
from manylabel.io.folders import new_folder
from manylabel.io.untrusted_files import check_plain, read_json
from manylabel.quiet_imports import import_openvino

if TYPE_CHECKING:
    import openvino

MODEL_FILE = "model.xml"
NUMBERS_FILE = "model.bin"
FACTS_FILE = ENGINE_FACTS_FILE
OPENVINO_FOLDER, INT8_FOLDER = "openvino", "int8"

_FORMAT_VERSION = 2
_CHECKED_FILES = (MODEL_FILE, NUMBERS_FILE)
_ENGINE_FILES = (*_CHECKED_FILES, ONNX_FILE, FACTS_FILE)
_OWN_FILES = re.compile("|".join(map(re.escape, _ENGINE_FILES)))

BUNDLE_FILES = (
    *(CONFIG_FILE, WEIGHTS_FILE, THRESHOLDS_FILE, OUT_OF_FOLD_FILE, FACTS_FILE, CARD_FILE, ONNX_FILE),
    *(f"{folder}/{name}" for folder in (OPENVINO_FOLDER, INT8_FOLDER) for name in _ENGINE_FILES),
)
"""What a bundle may consist of, its exported forms included."""


@dataclass(frozen=True, kw_only=True)
class EngineFiles:
    """Hold where a model lies whose files are as they were written.

    Attributes:
        model: The file to open.
        facts: What was written beside it.
    """

    model: Path
    facts: Mapping[str, Any]


def write_engine(folder: Path, model: "openvino.Model", *, facts: Mapping[str, Any]) -> None:
    """Write a model, its numbers as they are; what lies there is replaced once all is written.

    Args:
        folder: The folder to make.
        model: The model.
        facts: JSON values; "sha256" is added.

    Raises:
        OSError: The disk is full or the folder cannot be written to.
        OutputError: The place is taken by something else, or cannot be written to.
    """
    with new_engine(folder) as partial:
        save_openvino(model, partial)
        write_facts(partial, facts)


def save_openvino(model: "openvino.Model", folder: Path) -> None:
    """Write a model of OpenVINO into a folder, its numbers as they are.

    Raises:
        OSError: The disk is full or the folder cannot be written to.
    """
    try:
        import_openvino().save_model(model, str(folder / MODEL_FILE), compress_to_fp16=False)
    except RuntimeError as error:  # OpenVINO's word for a full disk
        raise OSError(str(error)) from error


@contextmanager
def new_engine(folder: Path) -> Iterator[Path]:
    """Fill a folder with a model and, by ``write_facts``, its facts; then it takes its place.

    Args:
        folder: The folder to make; what lies there is replaced at the end, and stays where the block raises.

    Raises:
        OutputError: The place is taken by something else, or cannot be written to.
    """
    with new_folder(folder, replaces=_OWN_FILES) as partial:
        yield partial


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
    """Check the files of a model in OpenVINO's form against their hashes.

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
    """Return the folder in the user's cache where the converted model of a bundle belongs.

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
