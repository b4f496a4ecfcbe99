"""What a folder of scores was made from, so that nothing else is mixed into it.

In:  a bundle, its open engine, a list of photos, the settings.
Out: ``manifest.json``, or an error that names what differs if the folder was begun with something else; a
     record of every complete part.
"""

import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from manylabel import __version__
from manylabel.bundle.folder import NETWORK_FILES, read_hashes
from manylabel.data.photo_list import PhotoList
from manylabel.engines.base import PixelPredictor
from manylabel.errors import OutputError
from manylabel.io.files import write_atomically, write_output, writing

MANIFEST_FILE = "manifest.json"
RECORDS_FOLDER = "_parts"
_FORMAT_VERSION = 1
_LIBRARIES = ("numpy", "onnxruntime", "openvino", "pillow", "torch")
"""The libraries whose versions may change a score in its last digits."""

Values = Mapping[str, str | int | float]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What decides the bytes of every part.

    Attributes:
        bundle: SHA-256 of the files of the model.
        photos: Kind of the list, and the SHA-256 of its file.
        settings: Engine, file format, size of the parts, the threshold of each label.
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
    """A part that is complete.

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
    folder: Path, predictor: PixelPredictor, photos: PhotoList, *, part_size: int, ending: str
) -> Manifest:
    """Describe what parts are made from.

    Args:
        folder: The bundle.
        predictor: Its open engine.
        photos: The list of photos.
        part_size: Photos per part.
        ending: The ending of a part's file.
    """
    hashes = read_hashes(folder)
    thresholds = zip(predictor.labels, predictor.thresholds.values.tolist(), strict=True)
    return Manifest(
        bundle={name: str(hashes.get(name)) for name in NETWORK_FILES},
        photos=photos.describe(),
        settings={
            "engine": predictor.engine,
            "format": ending,
            "part_size": part_size,
            **{f"threshold of {label}": value for label, value in thresholds},
        },
        versions={
            "manylabel": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES if find_spec(_module(name)) is not None},
        },
    )


def _module(distribution: str) -> str:
    return {"pillow": "PIL"}.get(distribution, distribution)


def keep_manifest(out: Path, manifest: Manifest) -> None:
    """Write the manifest of a new folder, or compare it with that of a folder that was begun.

    Raises:
        OutputError: The folder was made from something else, or holds files but no manifest.
    """
    path = out / MANIFEST_FILE
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        _check_empty(out)
        write_output(path, _to_json(asdict(manifest)))
        return
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be read: {error}; choose another folder") from error
    if differences := _compare(kept, asdict(manifest)):
        shown = "".join(f"\n  {difference}" for difference in differences)
        raise OutputError(
            f"{out}: was begun with something else:{shown}\nRepeat the command that began it, or choose "
            "another folder"
        )


def _check_empty(out: Path) -> None:
    """Refuse a folder with files of somebody else."""
    try:
        names = sorted(path.name for path in out.iterdir() if path.name != RECORDS_FOLDER)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OutputError(f"{out}: cannot be written to: {error.strerror}; choose another folder") from error
    if names:
        raise OutputError(f"{out}: contains other files, e.g. {names[0]}; choose another folder")


def list_differences(first: Manifest, second: Manifest) -> list[str]:
    """Name every value that differs, e.g. ``"settings.part_size: 100 then, 200 now"``."""
    return _compare(asdict(first), asdict(second))


def _compare(kept: object, given: Mapping[str, object]) -> list[str]:
    before, now = dict(_flatten(kept)), dict(_flatten(given))
    return [
        f"{key}: {before.get(key, 'nothing')} then, {now.get(key, 'nothing')} now"
        for key in {**before, **now}
        if before.get(key) != now.get(key)
    ]


def _flatten(values: object, prefix: str = "") -> list[tuple[str, object]]:
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
        raise OutputError(f"{path}: is damaged: {error}; remove it, and its part is made again") from error
    return record if n_bytes == record.n_bytes else None


def _record_path(out: Path, file: str) -> Path:
    return out / RECORDS_FOLDER / f"{file.partition('.')[0]}.json"


def _to_json(values: Mapping[str, object]) -> bytes:
    return (json.dumps(values, indent=1, ensure_ascii=False) + "\n").encode()
