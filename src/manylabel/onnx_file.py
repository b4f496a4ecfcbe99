"""The ONNX file of a bundle, and what its facts.json says of it.

In:  a bundle, a file that was made from it.
Out: ``model.onnx`` in the bundle, and its reading back; a file that facts.json does not know is refused.

A file and its facts cannot be replaced at once. So facts.json first tells of the new file and of the one
before it, then the new one takes its place. A kill between the two leaves a bundle that works.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from manylabel.bundle import FACTS_FILE, NETWORK_FILES, Bundle, change_facts, hash_file
from manylabel.errors import BundleError
from manylabel.files import file_sha256
from manylabel.plain_files import check_plain

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
    """
    path = bundle.folder / ONNX_FILE
    ours = {**facts, "sha256": file_sha256(made), "bundle": bundle.facts["sha256"]}
    change_facts(bundle.folder, lambda told: {**told, "exports": _with_both(told, ours, lies_there=path)})
    made.replace(path)
    return path


def _with_both(told: Mapping[str, Any], ours: dict[str, Any], *, lies_there: Path) -> dict[str, Any]:
    """Return what facts.json says of exports, with a new file and the one that it will replace."""
    exports = told.get("exports")
    others = dict(exports) if isinstance(exports, dict) else {}
    before = _find(told, file_sha256(lies_there)) if lies_there.is_file() else None
    others.pop(_BEFORE, None)
    return {**others, _NOW: ours, **({} if before is None else {_BEFORE: before})}


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
    if not any(True for _ in _known(bundle.facts)):
        raise BundleError(f"{path}: has no entry in {FACTS_FILE}; {again}")
    found = _find(bundle.facts, hash_file(path))
    if found is None:
        raise BundleError(f"{path}: has changed since it was exported; {again}")
    if not is_made_from(found.get("bundle"), bundle):
        raise BundleError(f"{path}: was exported from a different model than the one in this bundle; {again}")
    return path


def onnx_hash(bundle: Bundle) -> object:
    """Return the SHA-256 that the ONNX file of a bundle should have; None where facts.json tells of none.

    Where an export was stopped, it is that of the file which lies there, if it is the one before.
    """
    entries = list(_known(bundle.facts))
    if not entries:
        return None
    path = bundle.folder / ONNX_FILE
    found = _find(bundle.facts, hash_file(path)) if path.is_file() else None
    return (entries[0] if found is None else found).get("sha256")


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
    exports = facts.get("exports")
    for name in (_NOW, _BEFORE):
        entry = exports.get(name) if isinstance(exports, dict) else None
        if isinstance(entry, dict):
            yield entry
