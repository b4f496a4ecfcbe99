"""The ONNX file of a bundle, and its entry in results.json.

In:  a bundle, an ONNX file that was exported from it.
Out: ``model.onnx`` in the bundle; or its checked path. A file without an entry in results.json is refused.

A file and its entry cannot be replaced in one step. So results.json first lists the new and the old file,
then the new file is renamed, then the old entry is removed. A kill between any two of these steps leaves a
bundle that works.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from manylabel.bundle.folder import NETWORK_FILES, Bundle, change_facts, hash_file, results_file
from manylabel.errors import BundleError
from manylabel.io.files import file_sha256, sync_file, sync_folder
from manylabel.io.untrusted_files import check_plain

ONNX_FILE = "model.onnx"

_NOW, _BEFORE = "onnx", "onnx_before"


def add_onnx(bundle: Bundle, made: Path, *, facts: Mapping[str, Any]) -> Path:
    """Move an ONNX file into a bundle, and write its SHA-256 to results.json.

    Args:
        bundle: The bundle that the file was exported from; an earlier file is replaced.
        made: The file, on the same disk.
        facts: Further JSON values for its entry in results.json.

    Returns:
        Its new path.

    Raises:
        OSError: It cannot be written.
        BundleError: The earlier file is not a plain file, or results.json is missing.
    """
    check_plain(bundle.folder, ONNX_FILE)
    path = bundle.folder / ONNX_FILE
    ours = {**facts, "sha256": file_sha256(made), "bundle": bundle.facts["sha256"]}
    before = file_sha256(path) if path.is_file() else None
    with made.open("rb+") as file:
        sync_file(file)

    def add_entry(facts_now: dict[str, Any]) -> dict[str, Any]:
        known = None if before is None else _find(facts_now, before)
        return {**facts_now, "exports": {**_exports(facts_now), _NOW: ours, _BEFORE: known}}

    def remove_old_entry(facts_now: dict[str, Any]) -> dict[str, Any]:
        kept = {name: entry for name, entry in _exports(facts_now).items() if name != _BEFORE}
        return {**facts_now, "exports": kept}

    change_facts(bundle.folder, add_entry)
    made.replace(path)
    sync_folder(bundle.folder)
    change_facts(bundle.folder, remove_old_entry)
    return path


def read_onnx(bundle: Bundle) -> Path | None:
    """Return the ONNX file of a bundle, checked against results.json; None if there is none.

    Raises:
        BundleError: It is not a plain file, has changed since it was written, or has other weights.
    """
    path = bundle.folder / ONNX_FILE
    check_plain(bundle.folder, ONNX_FILE)
    if not path.is_file():
        return None
    again = f"export it again: manylabel export {bundle.folder} --to onnx"
    if next(_known(bundle.facts), None) is None:
        raise BundleError(f"{path}: has no entry in {results_file(path.parent)}; {again}")
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
        found: The SHA-256 of the file in the bundle; None without one. If an export was stopped, it may be
            that of the old file, or None.
    """
    exports = _exports(facts)
    is_first_stopped = _BEFORE in exports and exports[_BEFORE] is None
    if found is None and is_first_stopped:
        return {}
    entry = exports.get(_NOW) if found is None else _find(facts, found) or exports.get(_NOW)
    return {ONNX_FILE: entry.get("sha256")} if isinstance(entry, dict) else {}


def is_made_from(hashes: object, bundle: Bundle) -> bool:
    """Tell whether an export was made from this model; thresholds and the model card may differ.

    Args:
        hashes: The hashes of the bundle that it was made from.
        bundle: The bundle that contains it.
    """
    ours = bundle.facts["sha256"]
    return isinstance(hashes, dict) and all(hashes.get(name) == ours[name] for name in NETWORK_FILES)


def _find(facts: Mapping[str, Any], sha256: str) -> dict[str, Any] | None:
    """Return the entry of the file with a SHA-256."""
    return next((entry for entry in _known(facts) if entry.get("sha256") == sha256), None)


def _known(facts: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the entry of the file, then that of the old file."""
    exports = _exports(facts)
    yield from (exports[name] for name in (_NOW, _BEFORE) if isinstance(exports.get(name), dict))


def _exports(facts: Mapping[str, Any]) -> dict[str, Any]:
    exports = facts.get("exports")
    return exports if isinstance(exports, dict) else {}
