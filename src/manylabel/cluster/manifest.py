"""What a folder of scores was made from, so that nothing else is mixed into it.

In:  a bundle, its open engine, a list of photos, the settings.
Out: ``manifest.json``, or an error that names what differs if the folder has another one; a record of every
     complete part.
"""

import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from manylabel import __version__
from manylabel.bundle.folder import NETWORK_FILES, hash_file, read_hashes
from manylabel.bundle.onnx_file import ONNX_FILE
from manylabel.data.photo_list import PhotoList
from manylabel.data.wording import count
from manylabel.engines.base import PixelPredictor
from manylabel.engines.model_files import FACTS_FILE, INT8_FOLDER
from manylabel.errors import OutputError
from manylabel.io.files import write_atomically, write_new, writing

MANIFEST_FILE = "manifest.json"
RECORDS_FOLDER = "_parts"
_N_PARTS_FILE = "n_parts.txt"
_FORMAT_VERSION = 1
_OF_ENGINES = {"OpenVINO": "openvino", "ONNX Runtime": "onnxruntime", "torch": "torch"}
"""The library of an engine, whose version may change a probability in its last digits."""

_OF_EXPORTS = {"OpenVINO, int8": f"{INT8_FOLDER}/{FACTS_FILE}", "ONNX Runtime": ONNX_FILE}
"""A file that tells the exported model of an engine from another one of the same bundle."""

Values = Mapping[str, str | int | float]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The inputs and settings that decide the bytes of every part.

    Attributes:
        bundle: SHA-256 of the files of the model.
        photos: The folder, or the list with its SHA-256 and number of photos.
        settings: Engine, device, file format, size of the parts, the threshold of each label.
        versions: manylabel, Python and the libraries that compute.
        format_version: Version of this file.
    """

    bundle: Values
    photos: Values
    settings: Values
    versions: Values
    format_version: int = _FORMAT_VERSION


@dataclass(frozen=True, kw_only=True)
class PartRecord:
    """A complete part.

    Attributes:
        file: Its file.
        n_bytes: The size of that file.
        n_photos: Photos in it.
        n_unreadable: How many of them could not be read.
        photos_sha256: SHA-256 of the names of its photos.
        sha256: SHA-256 of the file.
    """

    file: str
    n_bytes: int
    n_photos: int
    n_unreadable: int
    photos_sha256: str
    sha256: str


def make_manifest(
    folder: Path,
    predictor: PixelPredictor,
    photos: PhotoList,
    *,
    part_size: int,
    part_format: str,
    device: str,
) -> Manifest:
    """Describe what parts are made from.

    Args:
        folder: The bundle.
        predictor: Its open engine.
        photos: The list of photos.
        part_size: Photos per part.
        part_format: The ending of a part's file.
        device: The device that was asked for.
    """
    hashes = read_hashes(folder)
    exports = [name for engine, name in _OF_EXPORTS.items() if predictor.engine.startswith(engine)]
    thresholds = zip(predictor.labels, predictor.thresholds.values.tolist(), strict=True)
    return Manifest(
        bundle={
            **{name: str(hashes.get(name)) for name in NETWORK_FILES},
            **{name: hash_file(folder / name) for name in exports},
        },
        photos=photos.describe(),
        settings={
            "engine": predictor.engine,
            "device": device,
            "part_format": part_format,
            "part_size": part_size,
            **{f"threshold of {label}": value for label, value in thresholds},
        },
        versions={
            "manylabel": __version__,
            "python": platform.python_version(),
            **dict(_list_versions(predictor.engine, part_format)),
        },
    )


def _list_versions(engine: str, part_format: str) -> Iterator[tuple[str, str]]:
    """Yield the versions of the libraries that read, compute and write."""
    libraries = ["numpy", "pillow", _OF_ENGINES[engine.partition(",")[0]]]
    for name in [*libraries, "pyarrow"] if part_format == ".parquet" else libraries:
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, "unknown"


def keep_manifest(out: Path, manifest: Manifest) -> None:
    """Write the manifest of a new folder; compare it with that of a folder that has one.

    Of several processes that begin a folder at once, one writes it, and all compare.

    Raises:
        OutputError: The folder was made from something else, or cannot be written to.
    """
    path = out / MANIFEST_FILE
    if not path.exists():
        with writing(path):
            write_new(path, _to_json(asdict(manifest)))
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it is damaged: {error}"
        raise OutputError(
            f"{path}: cannot be read: {reason}; restore it from a copy, or choose another folder"
        ) from error
    if differences := list_differences(kept, manifest, texts=("then", "now")):
        shown = "".join(f"\n  {difference}" for difference in differences)
        raise OutputError(
            f"{out}: contains predictions made with other inputs or settings:{shown}\nUse the same inputs "
            "and settings, or choose another output folder"
        )


def check_own(out: Path) -> None:
    """Check that a folder is new or has a manifest, before anything is written to it.

    Raises:
        OutputError: It holds other files, or cannot be listed.
    """
    try:
        names = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{out}: cannot be listed: {error.strerror}; choose another folder") from error
    others = [name for name in names if name != RECORDS_FOLDER]
    if others and MANIFEST_FILE not in others:
        raise OutputError(f"{out}: contains other files, e.g. {others[0]}; choose another folder")


def list_differences(first: object, second: object, *, texts: tuple[str, str]) -> list[str]:
    """Name every value that differs, e.g. ``"settings.part_size: then '100', now '200'"``.

    Args:
        first: A dataclass or nested mappings, e.g. a manifest.
        second: Another one.
        texts: What to call the two, e.g. ``("then", "now")``.
    """
    before, after = dict(_flatten(first)), dict(_flatten(second))
    return [
        f"{key}: {texts[0]} {_shown(before.get(key))}, {texts[1]} {_shown(after.get(key))}"
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    ]


def _shown(value: object) -> str:
    return "not set" if value is None else f"'{value}'" if isinstance(value, str) else f"{value}"


def _flatten(values: object, prefix: str = "") -> list[tuple[str, object]]:
    if is_dataclass(values) and not isinstance(values, type):
        values = asdict(values)
    if not isinstance(values, Mapping):
        return [(prefix, values)]
    return [
        pair
        for key, value in values.items()
        for pair in _flatten(value, f"{prefix}.{key}" if prefix else str(key))
    ]


def write_record(out: Path, record: PartRecord) -> None:
    """Note that a part is complete.

    Raises:
        OutputError: The record cannot be written.
    """
    path = _record_path(out, record.file)
    with writing(path):
        write_atomically(path, _to_json(asdict(record)))


def read_record(out: Path, file: str) -> PartRecord | None:
    """Return the record of a part; None where the part is not complete.

    Raises:
        OutputError: The record is damaged.
    """
    path = _record_path(out, file)
    try:
        record = PartRecord(**json.loads(path.read_text(encoding="utf-8")))
        n_bytes = (out / file).stat().st_size
    except FileNotFoundError:
        return None
    except (OSError, TypeError, ValueError) as error:
        raise OutputError(f"{path}: is damaged: {error}; delete it, and the part is scored again") from error
    return record if n_bytes == record.n_bytes else None


def list_records(out: Path, *, ending: str) -> set[str]:
    """Name the files of the parts that are there and were complete when they were written."""
    there = {path.name for path in out.iterdir()} if out.is_dir() else set[str]()
    return there & {f"{path.stem}{ending}" for path in (out / RECORDS_FOLDER).glob("*.json")}


def keep_n_parts(out: Path, n_parts: int) -> None:
    """Note how many parts the whole list fills; compare it with what is noted.

    Raises:
        OutputError: The list filled another number of parts before, or it cannot be written.
    """
    known = read_n_parts(out)
    if known is None:
        path = out / RECORDS_FOLDER / _N_PARTS_FILE
        with writing(path):
            write_atomically(path, f"{n_parts}\n".encode())
    elif known != n_parts:
        raise other_number_of_parts(out, known, f"now they fill {n_parts}")


def read_n_parts(out: Path) -> int | None:
    """Return how many parts the whole list filled when it was read to its end; None if it never was."""
    try:
        return int((out / RECORDS_FOLDER / _N_PARTS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def other_number_of_parts(out: Path, known: int, found: str) -> OutputError:
    """Return the error about photos that fill another number of parts than before."""
    return OutputError(
        f"{out}: the photos have changed: when they were last listed to the end, they filled "
        f"{count(known, 'part')}, and {found}. Restore the photos, or choose another output folder"
    )


def _record_path(out: Path, file: str) -> Path:
    return out / RECORDS_FOLDER / f"{file.partition('.')[0]}.json"


def _to_json(values: Mapping[str, object]) -> bytes:
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()
