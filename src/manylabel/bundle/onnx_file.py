"""The ONNX file of a bundle, and what its facts.json says of it.

In:  a bundle, a file that was made from it.
Out: ``model.onnx`` in the bundle, and its reading back; a file that facts.json does not know is refused.

A file and its facts cannot be replaced at once. So facts.json first tells of the new file and of the one
before, then the new file takes its place, then the one before is forgotten. A kill between any two of these
leaves a bundle that works.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from manylabel.bundle.folder import FACTS_FILE, NETWORK_FILES, Bundle, change_facts, hash_file
from manylabel.errors import BundleError
from manylabel.io.files import file_sha256, sync_file, sync_folder
from manylabel.io.untrusted_files import check_plain

ONNX_FILE = "model.onnx"

_NOW, _BEFORE = "onnx", "onnx_before"


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
        BundleError: What lies in its place is no plain file, or facts.json is gone.
    """
    check_plain(bundle.folder, ONNX_FILE)
    path = bundle.folder / ONNX_FILE
    ours = {**facts, "sha256": file_sha256(made), "bundle": bundle.facts["sha256"]}
    before = file_sha256(path) if path.is_file() else None
    with made.open("rb+") as file:
        sync_file(file)

    def tell_of_both(told: dict[str, Any]) -> dict[str, Any]:
        known = None if before is None else _find(told, before)
        return {**told, "exports": {**_exports(told), _NOW: ours, _BEFORE: known}}

    def forget(told: dict[str, Any]) -> dict[str, Any]:
        kept = {name: entry for name, entry in _exports(told).items() if name != _BEFORE}
        return {**told, "exports": kept}

    change_facts(bundle.folder, tell_of_both)
    made.replace(path)
    sync_folder(bundle.folder)
    change_facts(bundle.folder, forget)
    return path


def read_onnx(bundle: Bundle) -> Path | None:
    """Return the ONNX file of a bundle, checked against facts.json; None where there is none.

    Raises:
        BundleError: It is no plain file, has changed since it was written, or was made from other weights.
    """
    path = bundle.folder / ONNX_FILE
    check_plain(bundle.folder, ONNX_FILE)
    if not path.is_file():
        return None
    again = f"export it again: manylabel export {bundle.folder} --to onnx"
    if next(_known(bundle.facts), None) is None:
        raise BundleError(f"{path}: has no entry in {FACTS_FILE}; {again}")
    found = _find(bundle.facts, hash_file(path))
    if found is None:
        raise BundleError(f"{path}: has changed since it was exported; {again}")
    if not is_made_from(found.get("bundle"), bundle):
        raise BundleError(f"{path}: was exported from a different model than the one in this bundle; {again}")
    return path


def expected_onnx(facts: Mapping[str, Any], found: str | None) -> dict[str, object]:
    """Return the SHA-256 that the ONNX file of a bundle should have, by its name; empty if none is expected.

    Args:
        facts: Those of the bundle.
        found: The SHA-256 of the file that lies there; None without one. Where an export was stopped, it may
            be that of the file before, and none where there was none.
    """
    exports = _exports(facts)
    is_first_stopped = _BEFORE in exports and exports[_BEFORE] is None
    if found is None and is_first_stopped:
        return {}
    entry = exports.get(_NOW) if found is None else _find(facts, found) or exports.get(_NOW)
    return {ONNX_FILE: entry.get("sha256")} if isinstance(entry, dict) else {}


def is_made_from(hashes: object, bundle: Bundle) -> bool:
    """Tell whether an exported form is one of this network; thresholds and the model card may be others.

    Args:
        hashes: What the form has kept of the hashes of the bundle that it was made from.
        bundle: The bundle that it lies in.
    """
    ours = bundle.facts["sha256"]
    return isinstance(hashes, dict) and all(hashes.get(name) == ours[name] for name in NETWORK_FILES)


def _find(facts: Mapping[str, Any], sha256: str) -> dict[str, Any] | None:
    """Return what facts.json says of the file with a SHA-256."""
    return next((entry for entry in _known(facts) if entry.get("sha256") == sha256), None)


def _known(facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what facts.json says of the file, then of the one before it."""
    exports = _exports(facts)
    yield from (exports[name] for name in (_NOW, _BEFORE) if isinstance(exports.get(name), dict))


def _exports(facts: Mapping[str, Any]) -> dict[str, Any]:
    exports = facts.get("exports")
    return exports if isinstance(exports, dict) else {}
