"""Check every file of a bundle against the hashes that the bundle keeps of them.

In:  a bundle; perhaps the SHA-256 that the list of its files should have.
Out: each file, its SHA-256 and what is known of it; the SHA-256 of that list.

The hashes that a bundle keeps find damage: who forges a file can write its hash as well. The SHA-256 of the
list finds forgery, too, if it reached you by another way than the bundle.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from manylabel.bundle.folder import (
    CARD_FILE,
    NETWORK_FILES,
    THRESHOLDS_FILE,
    Bundle,
    hash_file,
    read_bundle,
    results_file,
)
from manylabel.bundle.onnx_file import ONNX_FILE, expected_onnx
from manylabel.data.split import SPLIT_FILE
from manylabel.engines.model_files import BUNDLE_FILES, FACTS_FILE, INT8_FOLDER, OPENVINO_FOLDER
from manylabel.errors import BundleError, ConfigError
from manylabel.io.files import printable
from manylabel.io.untrusted_files import check_plain, read_json

FileState = Literal["as written", "edited", "holds the hashes", "not listed"]
"""What is known of a file. Thresholds and the model card may be edited; what earlier versions, or you, put
beside a bundle is not listed."""

_ALL_FILES = (*BUNDLE_FILES, SPLIT_FILE)
_EDITABLE = (THRESHOLDS_FILE, CARD_FILE)
_EXPORTS = (ONNX_FILE, OPENVINO_FOLDER, INT8_FOLDER)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class VerifiedFile:
    """A file of a bundle that was checked.

    Attributes:
        name: Its path in the bundle, with forward slashes.
        sha256: Its SHA-256 in hexadecimal digits.
        state: What is known of it.
    """

    name: str
    sha256: str
    state: FileState


@dataclass(frozen=True, kw_only=True)
class Verification:
    """A bundle whose files are as they were written.

    Attributes:
        files: Its files, by name.
        unused: What lies in its folder and is never opened, by name.
        sha256: SHA-256 of the list of its files in the form of the program ``sha256sum``.
    """

    files: tuple[VerifiedFile, ...]
    unused: tuple[str, ...]
    sha256: str


def verify(bundle: Path | str, *, expect: str | None = None) -> Verification:
    """Check every file of a bundle.

    Args:
        bundle: Folder that training wrote.
        expect: SHA-256 of the list of its files, as an earlier call gave it. Not given: any will do.

    Raises:
        BundleError: A file is missing, damaged or no plain file, each with a line; or the list is another.
        ConfigError: ``expect`` is no SHA-256.
    """
    if expect is not None and not _SHA256.fullmatch(expect.lower()):
        raise ConfigError(f"expect: given '{expect}', expected a SHA-256: 64 hexadecimal digits")
    opened = read_bundle(Path(bundle))
    present = dict(_present(opened))
    listed = {name: sha256 for name, sha256 in _listed(opened, present) if name in _ALL_FILES}
    _check_listed(opened.folder, listed, present)
    files = tuple(
        VerifiedFile(name=name, sha256=sha256, state=_state(name, sha256, listed, opened))
        for name, sha256 in present.items()
    )
    lines = "".join(f"{file.sha256}  {file.name}\n" for file in files)
    found = hashlib.sha256(lines.encode()).hexdigest()
    if expect is not None and found != expect.lower():
        raise BundleError(
            f"{opened.folder}: is not the expected bundle: the SHA-256 of its file list is {found}, expected "
            f"{expect.lower()}; editing thresholds or exporting changes it, too"
        )
    return Verification(files=files, unused=tuple(_unused(opened.folder)), sha256=found)


def _listed(bundle: Bundle, present: Mapping[str, str]) -> Iterator[tuple[str, object]]:
    """Yield the files whose hashes are kept, and the hashes, each form in facts of its own."""
    yield from bundle.facts["sha256"].items()
    yield from expected_onnx(bundle.facts, present.get(ONNX_FILE)).items()
    for form in (OPENVINO_FOLDER, INT8_FOLDER):
        hashes = _hashes_of_form(bundle.folder, form)
        yield from ((f"{form}/{name}", sha256) for name, sha256 in hashes.items())


def _hashes_of_form(folder: Path, form: str) -> Mapping[str, Any]:
    name = f"{form}/{FACTS_FILE}"
    check_plain(folder, name)
    if not (folder / form).is_dir():
        return {}
    try:
        facts = read_json(folder / name)
    except FileNotFoundError as error:
        raise BundleError(f"{folder / name}: is missing") from error
    hashes = facts.get("sha256") if isinstance(facts, dict) else None
    if not isinstance(hashes, dict):
        raise BundleError(f"{folder / name}: is damaged: 'sha256' is not a JSON object")
    return hashes


def _present(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield the files of a bundle that are there, by name, and their hashes."""
    for name in sorted(_ALL_FILES):
        check_plain(bundle.folder, name)
        path = bundle.folder / name
        if name in NETWORK_FILES:  # the largest; reading the bundle has just compared them
            yield name, bundle.facts["sha256"][name]
        elif path.is_file():
            yield name, hash_file(path)


def _check_listed(folder: Path, listed: Mapping[str, object], present: Mapping[str, str]) -> None:
    """Refuse a bundle that lacks a file, or has another one in its place."""
    missing = [name for name in listed if name not in present]
    changed = [
        name
        for name, sha256 in present.items()
        if name not in _EDITABLE and listed.get(name, sha256) != sha256
    ]
    if missing or changed:
        are_exports = all(name.startswith(_EXPORTS) for name in (*missing, *changed))
        raise BundleError(
            "\n".join(
                [
                    *(f"{folder / name}: is missing" for name in missing),
                    *(f"{folder / name}: has changed since it was written" for name in changed),
                    f"Copy the bundle again, or {'export that form' if are_exports else 'train'} again",
                ]
            )
        )


def _state(name: str, sha256: str, listed: Mapping[str, object], bundle: Bundle) -> FileState:
    if name.rpartition("/")[2] == FACTS_FILE or name == results_file(bundle.folder):
        return "holds the hashes"
    if name not in listed:
        return "not listed"
    # `manylabel thresholds --write` notes them in results.json and leaves the hash of the first ones.
    is_noted = bundle.chosen_thresholds is not None and not bundle.thresholds.changes
    is_as_written = listed[name] == sha256 or (name == THRESHOLDS_FILE and is_noted)
    return "as written" if is_as_written else "edited"


def _unused(folder: Path) -> list[str]:
    """Name what lies in the folder of a bundle and belongs to no bundle; it is not opened."""
    forms = [form for form in (OPENVINO_FOLDER, INT8_FOLDER) if (folder / form).is_dir()]
    names = [path.name for path in folder.iterdir() if path.name not in forms]
    names += [f"{form}/{path.name}" for form in forms for path in (folder / form).iterdir()]
    return sorted(printable(name) for name in names if name not in _ALL_FILES)
